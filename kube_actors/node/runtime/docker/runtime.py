"""DockerRuntime: the runtime interface on a Docker engine."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiodocker
import structlog

from kube_actors.aio.clock import Clock, SystemClock
from kube_actors.aio.tasks import to_its_end
from kube_actors.api.errors import ConfigError
from kube_actors.node.runtime.cgroups.groups import Cgroups
from kube_actors.node.runtime.docker import host, names, pause, records, spec
from kube_actors.node.runtime.docker.cgroups import groups_of
from kube_actors.node.runtime.docker.dns import UNTRIED, write_resolv_conf
from kube_actors.node.runtime.docker.engine import Engine, failures
from kube_actors.node.runtime.docker.events import Change, Stream, pod_changes
from kube_actors.node.runtime.docker.images import Images, full_id
from kube_actors.node.runtime.docker.inspects import Inspects
from kube_actors.node.runtime.docker.logs import read_logs
from kube_actors.node.runtime.docker.network import ensure_network
from kube_actors.node.runtime.docker.sessions import DockerAttach, DockerExec
from kube_actors.node.runtime.docker.stats import container_stats, disk_use
from kube_actors.node.runtime.docker.unpack import unpack
from kube_actors.node.runtime.interface import (
    NO_USER_NAMESPACES,
    ContainerSpec,
    ContainerState,
    ContainerStats,
    ExecSession,
    Image,
    Limits,
    LogOptions,
    LogRotation,
    Mount,
    NoSuchContainer,
    PodRecord,
    RuntimeFailure,
    SandboxSpec,
)

log = structlog.get_logger(__name__)

CREATE_SANDBOX = "CreatePodSandboxError"
CREATE = "CreateContainerError"
RUN = "RunContainerError"
KILL = "KillContainerError"
UPDATE = "UpdateContainerError"
# The API version that brought them.
RECURSIVE_READ_ONLY = (1, 44)
# A pod that is deleted waits so long for an engine that is just starting its sandbox or container.
START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """`pod_network` is the Docker network's name, `pod_subnet` its range; nodes on one engine may share both."""

    cluster: str
    node: str
    pod_network: str
    pod_subnet: str
    docker_host: str | None = None
    logs: LogRotation = field(default_factory=LogRotation)


class DockerRuntime:
    """Pods as Docker containers: a pause container holds the network, the others join it.

    Nothing is kept here that the engine does not know: after a restart the labels tell everything.
    """

    name = "docker"

    def __init__(self, config: DockerConfig, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._owner = names.Owner(config.cluster, config.node)
        self.engine = Engine(config.docker_host)
        self._images = Images(self.engine)
        self._inspected = Inspects(self.engine, self._owner)
        self._lowest_oom_score = host.LOWEST
        self._groups: Cgroups | None = None
        self._groups_proven = False
        self._ready_for_sandboxes = False
        self._preparing = asyncio.Lock()

    async def start(self) -> None:
        await self.engine.start()
        self._lowest_oom_score = host.this_machine() if self.engine.endpoint.local else host.LOWEST
        if self._machine() not in pause.MACHINES:
            machines = " and ".join(pause.MACHINES)
            await self.engine.stop()
            raise ConfigError(f"the Docker engine runs on {self._machine()}; {machines} are supported")
        self._groups = await groups_of(self.engine, self._owner)

    async def stop(self) -> None:
        await self.engine.stop()

    async def version(self) -> str:
        return f"docker://{self.engine.version.get('Version', 'unknown')}"

    # Pods

    async def list_pods(self) -> list[PodRecord]:
        return records.pods(await self._inspected.all())

    async def pod(self, uid: str) -> PodRecord | None:
        found = records.pods(await self._inspected.of_pod(uid))
        return found[0] if found else None

    async def changes(self) -> AsyncIterator[str]:
        try:
            async for event in pod_changes(self.engine, self._owner, self._clock):
                if isinstance(event, Change):
                    self._inspected.changed(event.pod_uid, event.docker_id)
                    yield event.pod_uid
                    continue
                self._inspected.follow(event is Stream.BEGUN)
                if event is Stream.BEGUN:
                    with suppress(RuntimeFailure):
                        for record in await self.list_pods():
                            yield record.uid
        finally:
            self._inspected.follow(False)

    # Sandboxes

    async def run_sandbox(self, spec_: SandboxSpec) -> PodRecord:
        if not spec_.host_users:
            raise RuntimeFailure(NO_USER_NAMESPACES, CREATE_SANDBOX)
        # As with a container: whoever ends the pod meanwhile has to find what the engine makes all the same.
        return await to_its_end(self._run_sandbox(spec_), f"sandbox of {spec_.uid}", START_SECONDS)

    async def _run_sandbox(self, spec_: SandboxSpec) -> PodRecord:
        await self._prepare_for_sandboxes()
        config = spec.sandbox_config(
            spec_,
            self._owner,
            pause.pause_image_name(self._machine()),
            self._config.pod_network,
            self._lowest_oom_score,
            cgroup_parent=await self._make_group(spec_),
            refuse_dns_server=self._can_refuse_dns_server(),
        )
        identity = names.Identity.of_sandbox(spec_)
        docker_id = ""
        try:
            docker_id = await self._create(identity, config, CREATE_SANDBOX)
            await self._start(docker_id, CREATE_SANDBOX)
        except RuntimeFailure:
            # The image or the network may have been removed behind our back: look again the next time.
            self._ready_for_sandboxes = False
            if docker_id:
                with suppress(RuntimeFailure):
                    await self._delete(docker_id)
            await self._remove_groups(spec_.uid)
            raise
        container = await self._inspected.one(docker_id)
        if container is None:
            raise RuntimeFailure("the sandbox vanished while it started", CREATE_SANDBOX)
        await self._prove_groups(spec_.uid)
        return records.pods([container])[0]

    async def update_pod_limits(self, sandbox_id: str, limits: Limits) -> None:
        sandbox = await self._inspected.known(names.without_scheme(sandbox_id))
        if self._groups is None or sandbox is None:
            return
        try:
            await self._groups.update_pod(sandbox.identity.pod_uid, limits)
        except OSError as exc:
            raise RuntimeFailure(f"the limits of the pod cannot be set: {exc}", UPDATE) from exc

    async def stop_sandbox(self, sandbox_id: str) -> None:
        docker_id = names.without_scheme(sandbox_id)
        family = await self._family(docker_id)
        for member in family:
            if member.identity.sandbox_id == docker_id and member.state is ContainerState.RUNNING:
                await self._kill(member.id)
        await self._stop(docker_id, 2)
        await self._remove_groups(*(each.identity.pod_uid for each in family))

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Also the pod's older sandboxes, which its record does not name, and their containers."""
        docker_id = names.without_scheme(sandbox_id)
        family = await self._family(docker_id)
        attempts = {each.id: each.identity.attempt for each in family if each.identity.is_sandbox}
        newest = attempts.setdefault(docker_id, 0)
        doomed = [each for each in sorted(attempts, key=lambda id: attempts[id]) if attempts[each] <= newest]
        members = [each.id for each in family if each.identity.sandbox_id in doomed]
        for each in (*members, *doomed):
            await self._delete(each)
        await self._remove_groups(*(each.identity.pod_uid for each in family))

    async def sweep(self, known: Collection[str]) -> None:
        if self._groups is not None:
            await self._groups.sweep(known)

    # Containers

    def shortcomings(self, spec: SandboxSpec | ContainerSpec) -> Sequence[tuple[str, str]]:
        return ()

    def sees(self, folder: Path) -> bool:
        return self.engine.endpoint.local and host.sees(self.engine.endpoint.path, folder)

    async def create_container(self, sandbox_id: str, spec_: ContainerSpec) -> str:
        docker_id = names.without_scheme(sandbox_id)
        sandbox = await self._inspected.known(docker_id)
        if sandbox is None:
            raise NoSuchContainer(f"sandbox {docker_id} does not exist", CREATE)
        pod = sandbox.identity
        identity = names.Identity(
            is_sandbox=False,
            pod_name=pod.pod_name,
            pod_namespace=pod.pod_namespace,
            pod_uid=pod.pod_uid,
            container=spec_.name,
            attempt=spec_.attempt,
            sandbox_id=docker_id,
            image=spec_.image,
            spec_hash=spec_.spec_hash,
            image_ref=spec_.image_ref,
        )
        if self.engine.endpoint.local:
            host.require_app_armor(spec_.security.app_armor)
            _make_missing_sources(spec_.mounts)
            # Not when the sandbox starts: an agent that ends right then would leave Docker's own for good.
            write_resolv_conf(sandbox.resolv_conf, sandbox.resolv_conf_text)
        if not self.engine.speaks(RECURSIVE_READ_ONLY) and any(
            each.recursive_read_only == "Enabled" for each in spec_.mounts
        ):
            raise RuntimeFailure("recursive read-only mounts need a Docker engine of version 25.0 or later", CREATE)
        config = spec.container_config(
            spec_,
            identity,
            self._owner,
            sandbox.modes,
            self._lowest_oom_score,
            logs=self._config.logs,
            cgroup_parent=sandbox.cgroup_parent,
            podman=self.engine.is_podman,
        )
        return names.with_scheme(await self._create(identity, config, CREATE))

    async def start_container(self, container_id: str) -> None:
        docker_id = names.without_scheme(container_id)
        try:
            # Whoever ends the pod meanwhile has to find it running: the engine starts it all the same.
            await to_its_end(self._start(docker_id, RUN), f"start {container_id}", START_SECONDS)
        except RuntimeFailure as error:
            if self.engine.is_podman:
                self._inspected.never_ran(docker_id, str(error))
            raise

    async def update_limits(self, container_id: str, limits: Limits) -> None:
        docker_id = names.without_scheme(container_id)
        with self._inspected.touching(docker_id):
            async with failures(UPDATE):
                await self.engine.json("POST", f"containers/{docker_id}/update", body=spec.update_config(limits))

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        docker_id = names.without_scheme(container_id)
        if grace_seconds <= 0:
            await self._kill(docker_id)
        else:
            await self._stop(docker_id, math.ceil(grace_seconds))

    async def remove_container(self, container_id: str) -> None:
        await self._delete(names.without_scheme(container_id))

    # Images

    async def image(self, name: str) -> Image | None:
        return await self._images.find(name)

    async def pull(self, name: str, auth: dict[str, str] | None = None) -> Image:
        return await self._images.pull(name, auth)

    async def images(self) -> list[Image]:
        return await self._images.list()

    async def remove_image(self, image_id: str) -> None:
        await self._images.remove(image_id)

    async def images_in_use(self) -> frozenset[str]:
        async with failures():
            listed = await self.engine.json("GET", "containers/json", params={"all": "1"})
        return frozenset(full_id(str(each["ImageID"])) for each in listed)

    async def image_folder(self) -> Path | None:
        """The engine may have files of its own although its socket is here, as Docker Desktop does."""
        if not self.engine.endpoint.local:
            return None
        async with failures():
            root = Path((await self.engine.json("GET", "info")).get("DockerRootDir") or "/nonexistent")
        return root if await asyncio.to_thread(root.is_dir) else None

    async def unpack(self, image: Image, folder: Path) -> Path:
        return await unpack(self.engine, image, folder)

    # Streams

    async def logs(self, container_id: str, options: LogOptions) -> AsyncIterator[bytes]:
        docker_id = names.without_scheme(container_id)
        async for chunk in read_logs(self.engine, docker_id, await self._has_tty(docker_id), options):
            yield chunk

    async def exec(self, container_id: str, command: tuple[str, ...], *, stdin: bool, tty: bool) -> ExecSession:
        return await DockerExec.open(self.engine, names.without_scheme(container_id), command, stdin=stdin, tty=tty)

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> ExecSession:
        """`tty` is what the caller expects; how the streams are framed depends on the container alone."""
        docker_id = names.without_scheme(container_id)
        return await DockerAttach.open(self.engine, docker_id, stdin=stdin, tty=await self._has_tty(docker_id))

    async def stats(self, container_id: str) -> ContainerStats:
        return await container_stats(self.engine, names.without_scheme(container_id))

    async def disk_use(self, container_id: str) -> int:
        return await disk_use(self.engine, names.without_scheme(container_id))

    # What the above is made of

    def _machine(self) -> str:
        return str(self.engine.version.get("Arch", "unknown"))

    def _can_refuse_dns_server(self) -> bool:
        engine = self.engine
        return engine.endpoint.local and not engine.is_podman and not engine.speaks(UNTRIED)

    async def _make_group(self, spec_: SandboxSpec) -> str:
        if self._groups is None:
            return ""
        try:
            return await self._groups.create_pod(spec_.uid, spec_.qos_class, spec_.limits)
        except OSError as exc:
            raise RuntimeFailure(f"the pod's control group cannot be made: {exc}", CREATE_SANDBOX) from exc

    async def _prove_groups(self, uid: str) -> None:
        """An engine whose files are here may still see other control groups than we do."""
        if self._groups is None or self._groups_proven:
            return
        self._groups_proven = self._groups.is_inhabited(uid)
        if not self._groups_proven:
            log.warning("the engine does not use this node's control groups: pods have none of their own")
            await self._groups.remove_pod(uid)
            self._groups = None

    async def _remove_groups(self, *uids: str) -> None:
        if self._groups is not None:
            for uid in set(uids):
                await self._groups.remove_pod(uid)

    async def _prepare_for_sandboxes(self) -> None:
        # The first pods come together, and of two who make the network at once the engine refuses one.
        async with self._preparing:
            if self._ready_for_sandboxes:
                return
            machine = self._machine()
            name = pause.pause_image_name(machine)
            if await self._images.find(name) is None:
                await self._images.load_root(name, pause.pause_image(machine), ('ENTRYPOINT ["/pause"]',))
            await ensure_network(self.engine, self._config.pod_network, self._config.pod_subnet, self._config.cluster)
            self._ready_for_sandboxes = True

    async def _create(self, identity: names.Identity, config: dict[str, Any], reason: str) -> str:
        """A name that is taken is that of a container whose creation we did not live to see: it is replaced."""
        containers, name = self.engine.docker.containers, identity.name()
        async with failures(reason):
            try:
                created = await containers.create(config, name=name)
            except aiodocker.DockerError as exc:
                if not is_taken(exc):
                    raise
                await containers.container(name).delete(force=True, v=True)
                created = await containers.create(config, name=name)
        self._inspected.created(identity.pod_uid, str(created.id))
        return str(created.id)

    async def _start(self, docker_id: str, reason: str) -> None:
        with self._inspected.touching(docker_id):
            async with failures(reason):
                await self.engine.docker.containers.container(docker_id).start()

    async def _stop(self, docker_id: str, grace_seconds: int) -> None:
        with self._inspected.touching(docker_id):
            async with failures(KILL):
                with suppress_gone():
                    await self.engine.docker.containers.container(docker_id).stop(t=grace_seconds)

    async def _kill(self, docker_id: str) -> None:
        with self._inspected.touching(docker_id):
            async with failures(KILL):
                container = self.engine.docker.containers.container(docker_id)
                with suppress_gone():
                    await container.kill(signal="SIGKILL")
                    await container.wait()

    async def _delete(self, docker_id: str) -> None:
        with self._inspected.touching(docker_id):
            async with failures("RemoveContainerError"):
                with suppress_gone():
                    await self.engine.docker.containers.container(docker_id).delete(force=True, v=True)
        self._inspected.gone(docker_id)

    async def _family(self, sandbox_id: str) -> Sequence[records.Inspected]:
        """The sandbox and everything of its pod; where it is gone, what it leaves behind."""
        sandbox = await self._inspected.known(sandbox_id)
        if sandbox is None:
            return await self._inspected.listed(f"{names.SANDBOX_ID}={sandbox_id}")
        return await self._inspected.of_pod(sandbox.identity.pod_uid)

    async def _has_tty(self, docker_id: str) -> bool:
        async with failures():
            return bool((await self.engine.json("GET", f"containers/{docker_id}/json"))["Config"]["Tty"])


def is_taken(error: aiodocker.DockerError) -> bool:
    """Whether it says that another container has the name; Podman's status is 500."""
    return error.status == 409 or (error.status == 500 and "that name is already in use" in error.message)


class suppress_gone:
    """Swallows the engine's answers that what shall end or go has already ended or gone."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, aiodocker.DockerError):
            return False
        return (
            error.status == 404
            or (error.status == 409 and ("is not running" in error.message or "already in progress" in error.message))
            or (error.status == 500 and "is not running" in error.message)
        )


def _make_missing_sources(mounts: Sequence[Mount]) -> None:
    """Docker refuses to bind what does not exist; for a hostPath without a type Kubernetes makes a directory."""
    for mount in mounts:
        if not os.path.lexists(mount.host_path):
            with suppress(OSError):
                Path(mount.host_path).mkdir(parents=True, exist_ok=True)
