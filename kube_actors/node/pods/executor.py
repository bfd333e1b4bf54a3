"""Performs the actions of a plan. What fails is remembered as a reason to wait, and told as an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from kube_actors.aio.clock import Clock
from kube_actors.api import Obj
from kube_actors.api.errors import ApiError
from kube_actors.node.config import NodeConfig
from kube_actors.node.containers.dns import Resolver
from kube_actors.node.containers.environment import ConfigFailure
from kube_actors.node.containers.field_refs import PodAddresses
from kube_actors.node.containers.hosts import hosts_mount
from kube_actors.node.containers.resources import widest
from kube_actors.node.containers.sandbox import sandbox_spec
from kube_actors.node.containers.spec import ContainerSpecs
from kube_actors.node.devices.allocator import Allocator
from kube_actors.node.images.manager import Images, ImageUnavailable
from kube_actors.node.images.volume import ImageVolumes
from kube_actors.node.machine.ipam import AddressPool
from kube_actors.node.node_events import NORMAL, WARNING, PodEvents
from kube_actors.node.pods.actions import (
    Action,
    CreateSandbox,
    KillContainer,
    RemoveContainer,
    RemoveSandbox,
    ResizeContainers,
    StartContainer,
)
from kube_actors.node.pods.facts import Definition, Waiting
from kube_actors.node.pods.hooks import Hooks
from kube_actors.node.pods.killer import Killer, grace_of
from kube_actors.node.pods.memory import PodMemory
from kube_actors.node.pods.termination_message import message_mount
from kube_actors.node.pods.view import PodView, specs
from kube_actors.node.resize.resizes import Resizes, too_small
from kube_actors.node.runtime.interface import (
    BlockDevice,
    Limits,
    Mount,
    NoSuchContainer,
    Runtime,
    RuntimeFailure,
    Simulation,
)
from kube_actors.node.status.container_status import full_name
from kube_actors.node.volumes.manager import Volumes
from kube_actors.node.volumes.payload import VolumeFailure
from kube_actors.rpc.errors import RpcError

log = structlog.get_logger(__name__)

# A container that could not be configured or started is tried again after this.
RETRY_SECONDS = 5.0
# What these mean in detail has an event of its own.
IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName")


@dataclass(frozen=True, slots=True)
class Parts:
    """What an executor works with; one for all pods of a node."""

    config: NodeConfig
    runtime: Runtime
    clock: Clock
    images: Images
    specs: ContainerSpecs
    volumes: Volumes
    devices: Allocator
    image_volumes: ImageVolumes
    hooks: Hooks
    killer: Killer
    events: PodEvents
    addresses: AddressPool
    allocatable: Mapping[str, str]
    host_resolver: Resolver


class Executor:
    """Stateless: what it learns goes into the pod's memory."""

    def __init__(self, parts: Parts, resizes: Resizes) -> None:
        self._parts, self._resizes = parts, resizes
        self._simulated = isinstance(parts.runtime, Simulation)

    async def perform(self, action: Action, pod: Obj, view: PodView, memory: PodMemory) -> None:
        """Raises RuntimeFailure or VolumeFailure where the pod as a whole cannot go on now."""
        if isinstance(action, StartContainer):
            await self._start(action, pod, view, memory)
        elif isinstance(action, CreateSandbox):
            await self._create_sandbox(action, pod, memory)
        elif isinstance(action, RemoveSandbox):
            self._parts.events.pod(
                pod, NORMAL, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created."
            )
            await self._parts.runtime.stop_sandbox(action.sandbox_id)
            await self._parts.runtime.remove_sandbox(action.sandbox_id)
        elif isinstance(action, KillContainer):
            await self._kill(action, pod, view, memory)
        elif isinstance(action, ResizeContainers):
            await self._resize(action, pod, view, memory)
        elif isinstance(action, RemoveContainer):
            await self._parts.runtime.remove_container(action.id)
            memory.forget(action.id)

    async def _create_sandbox(self, action: CreateSandbox, pod: Obj, memory: PodMemory) -> None:
        parts = self._parts
        if not self._simulated:
            try:
                await parts.volumes.set_up(pod, memory.started_at)
            except VolumeFailure as error:
                parts.events.pod(pod, WARNING, "FailedMount", str(error))
                raise
            memory.refreshed(pod, parts.clock.now())
        try:
            ip = "" if pod["spec"].get("hostNetwork") else parts.addresses.allocate(str(pod["metadata"]["uid"]))
            devices = parts.devices.grants(str(pod["metadata"]["uid"]))
            spec = sandbox_spec(pod, parts.config, parts.host_resolver, ip, action.attempt, devices)
            await parts.runtime.run_sandbox(spec)
            memory.whole = spec.limits
            if action.attempt == 0:
                for reason, message in parts.runtime.shortcomings(spec):
                    parts.events.pod(pod, WARNING, reason, message)
        except RuntimeFailure as error:
            # Whatever was wrong with it, the next attempt has another address.
            parts.addresses.release(str(pod["metadata"]["uid"]))
            text = f"Failed to create pod sandbox: {error}"
            parts.events.pod(pod, WARNING, "FailedCreatePodSandBox", text)
            raise

    async def _start(self, action: StartContainer, pod: Obj, view: PodView, memory: PodMemory) -> None:
        container = next(spec for spec, _ in specs(pod) if spec["name"] == action.name)
        now = self._parts.clock.now()
        try:
            container_id = await self._create(action, container, pod, view, memory)
        except ImageUnavailable as error:
            self._wait(pod, memory, container, error.reason, str(error), error.retry_at)
        except (ConfigFailure, VolumeFailure) as error:
            self._wait(pod, memory, container, "CreateContainerConfigError", str(error), now + RETRY_SECONDS)
        except OSError as error:
            message = f"{error.strerror}: {error.filename}"
            self._wait(pod, memory, container, "CreateContainerConfigError", message, now + RETRY_SECONDS)
        except (ApiError, RpcError) as error:
            # The API server is away or refuses: the container waits, and what runs goes on.
            self._wait(pod, memory, container, "CreateContainerConfigError", str(error), now + RETRY_SECONDS)
        except RuntimeFailure as error:
            reason = error.reason if error.reason != "RuntimeError" else "CreateContainerError"
            self._wait(pod, memory, container, reason, str(error), now + RETRY_SECONDS)
        else:
            await self._run(action, container, container_id, pod, view, memory)

    async def _create(self, action: StartContainer, container: Obj, pod: Obj, view: PodView, memory: PodMemory) -> str:
        parts, name = self._parts, action.name

        def emit(type: str, reason: str, message: str) -> None:
            parts.events.container(pod, name, type, reason, message)

        def emit_of_pod(type: str, reason: str, message: str) -> None:
            parts.events.pod(pod, type, reason, message)

        policy = str(container.get("imagePullPolicy") or "")
        image = await parts.images.ensure(pod, str(container["image"]), policy, emit)
        host_ip = parts.config.advertise_address
        addresses = PodAddresses(view.ip or host_ip, host_ip, parts.allocatable)
        env = await parts.specs.environment(pod, container, addresses, memory.started_at)
        mounts: list[Mount] = []
        blocks: list[BlockDevice] = []
        if not self._simulated:
            await parts.image_volumes.prepare(pod, container, emit_of_pod)
            mounts = await parts.volumes.mounts(pod, container, env)
            blocks = await parts.volumes.devices(pod, container)
            pod_dir = parts.volumes.pod_dir(str(pod["metadata"]["uid"]))
            mounts.append(message_mount(pod_dir, container, action.attempt))
            mounts += hosts_mount(pod, container, pod_dir, parts.config, view.ip)
        devices = parts.devices.of_container(str(pod["metadata"]["uid"]), name)
        spec = parts.specs.build(pod, container, image, env, mounts, blocks, action.attempt, devices)
        spec = replace(spec, process_target=_process_target(container, view))
        if action.attempt == 0:
            for reason, message in parts.runtime.shortcomings(spec):
                emit(WARNING, reason, message)
        container_id = await parts.runtime.create_container(view.sandbox_id, spec)
        emit(NORMAL, "Created", "Container created")
        return container_id

    async def _run(
        self, action: StartContainer, container: Obj, container_id: str, pod: Obj, view: PodView, memory: PodMemory
    ) -> None:
        parts, name = self._parts, action.name
        try:
            await parts.runtime.start_container(container_id)
        except RuntimeFailure as error:
            record = await parts.runtime.pod(str(pod["metadata"]["uid"]))
            if record is None or not record.ready:
                # The sandbox died under it: that is no run of the container.
                await parts.runtime.remove_container(container_id)
                return
            memory.attempted(container, action.after, parts.clock.now())
            # The container stays as one that never ran; the plan restarts it with the backoff of a crash.
            parts.events.container(pod, name, WARNING, "Failed", f"Error: {error}")
            memory.messages[container_id] = str(error)
            return
        memory.attempted(container, action.after, parts.clock.now())
        parts.events.container(pod, name, NORMAL, "Started", "Container started")
        failure = await parts.hooks.post_start(container, container_id, view.ip or parts.config.advertise_address)
        if failure:
            # What a hook says may be a secret: it is for the log, not for those who may read events.
            log.warning("postStart hook failed", pod=full_name(pod), container=name, error=failure)
            parts.events.container(pod, name, WARNING, "FailedPostStartHook", "PostStartHook failed")
            memory.doomed.add(container_id)

    async def _kill(self, action: KillContainer, pod: Obj, view: PodView, memory: PodMemory) -> None:
        container = next((each.spec for each in view.containers if each.name == action.name), None)
        container = container or {"name": action.name}
        grace = grace_of(pod)
        if action.probe:
            probe = container.get(f"{action.probe}Probe") or {}
            grace = float(probe.get("terminationGracePeriodSeconds") or grace)
        await self._parts.killer.kill(pod, container, action.id, view.ip, grace, action.message, hooks=action.hooks)
        memory.doomed.discard(action.id)
        if action.replaced:
            memory.replaced.add(action.id)

    async def _resize(self, action: ResizeContainers, pod: Obj, view: PodView, memory: PodMemory) -> None:
        try:
            refusal = await self._too_small(action, view)
            if not refusal:
                await self._update(action, view, memory)
        except NoSuchContainer:
            # It has ended meanwhile: its next run starts with the new limits.
            return
        except RuntimeFailure as error:
            refusal = str(error)
        if refusal:
            self._resizes.fail(pod, refusal)

    async def _update(self, action: ResizeContainers, view: PodView, memory: PodMemory) -> None:
        """The whole grows before its parts and shrinks after them: no part may ever have more than the whole."""
        runtime = self._parts.runtime
        wide = widest(memory.whole or Limits(), action.whole)
        await runtime.update_pod_limits(view.sandbox_id, wide)
        memory.whole = wide
        for each in action.updates:
            await runtime.update_limits(each.id, each.limits)
            memory.limits[each.id] = each.limits
        if wide != action.whole:
            await runtime.update_pod_limits(view.sandbox_id, action.whole)
            memory.whole = action.whole

    async def _too_small(self, action: ResizeContainers, view: PodView) -> str:
        """Why memory cannot be taken away now: below what is in use the kernel would kill."""
        if not action.shrinks:
            return ""
        uses = {}
        for running in view.running:
            if running.latest is not None:
                uses[running.name] = (await self._parts.runtime.stats(running.latest.id)).memory_bytes
        limits = {each.name: each.limits.memory_bytes for each in action.updates if each.shrinks}
        return too_small(limits, uses, action.whole.memory_bytes)

    def _wait(self, pod: Obj, memory: PodMemory, container: Obj, reason: str, message: str, retry_at: float) -> None:
        memory.waiting[Definition.of(container)] = Waiting(reason, message, retry_at)
        said = reason if reason in IMAGE_REASONS else message
        self._parts.events.container(pod, str(container["name"]), WARNING, "Failed", f"Error: {said}")


def _process_target(container: Obj, view: PodView) -> str:
    """The run of the container that an ephemeral one is to look into. Raises ConfigFailure where it does not run."""
    name = container.get("targetContainerName")
    if not name:
        return ""
    found = next((each for each in view.containers if each.name == name), None)
    if found is None or found.latest is None or not found.running:
        raise ConfigFailure(f'unable to find target container "{name}"')
    return found.latest.id
