"""The node agent: who constructs what on a node, and in which order it starts and stops."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable

import structlog

from kube_actors.aio.clock import Clock, SystemClock
from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError
from kube_actors.api.quantity import to_int
from kube_actors.api.resources import SERVICES
from kube_actors.client.events import NORMAL, WARNING
from kube_actors.client.informer import Informer
from kube_actors.client.interface import Client
from kube_actors.node.config import NodeConfig
from kube_actors.node.containers import confinement
from kube_actors.node.containers.references import References
from kube_actors.node.containers.spec import ContainerSpecs
from kube_actors.node.devices import nvidia
from kube_actors.node.devices.manager import Devices
from kube_actors.node.eviction.manager import EvictionManager
from kube_actors.node.eviction.signals import read_signals
from kube_actors.node.eviction.thresholds import parse as parse_thresholds
from kube_actors.node.images import pulled
from kube_actors.node.images.collector import ImageCollector
from kube_actors.node.images.manager import Images
from kube_actors.node.images.pulled import PulledImages
from kube_actors.node.images.volume import ImageVolumes, UnpackedImages
from kube_actors.node.machine.heartbeat import Heartbeat
from kube_actors.node.machine.ipam import AddressPool
from kube_actors.node.machine.node_object import Observed, allocatable_of, boot_id, capacity_of, labels_of, news_of
from kube_actors.node.node_events import PodEvents
from kube_actors.node.pods.actions import Failure
from kube_actors.node.pods.executor import Parts
from kube_actors.node.pods.gate import Gate
from kube_actors.node.pods.hooks import Hooks
from kube_actors.node.pods.killer import Killer
from kube_actors.node.pods.manager import PodManager
from kube_actors.node.pods.static_pods import StaticPods
from kube_actors.node.prober.container import ContainerChecks
from kube_actors.node.prober.manager import Prober
from kube_actors.node.runtime.interface import Image, Runtime, Simulation
from kube_actors.node.status.manager import StatusManager
from kube_actors.node.surroundings import Surroundings, own
from kube_actors.node.volumes.manager import Volumes
from kube_actors.node.volumes.reclaim import Reclaimer
from kube_actors.node.volumes.tmpfs import Tmpfs
from kube_actors.node.volumes.tokens import Tokens

log = structlog.get_logger(__name__)

# A runtime that has been silent for this long makes the node not ready.
RUNTIME_PATIENCE = 30.0
# A runtime that hangs holds the node's status up no longer than this.
IMAGES_SECONDS = 5.0


class NodeAgent:
    """What a kubelet does, for the node `config.name`.

    Crash contract: nothing here is durable. Pods go on while the agent is away; when it starts again it
    adopts what the runtime has and restarts nothing. A status or event that was not written is computed
    anew. The client must be started and outlive the agent; the runtime is started and stopped by it.
    """

    def __init__(
        self,
        config: NodeConfig,
        client: Client,
        runtime: Runtime,
        clock: Clock | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        clock = clock or SystemClock()
        # Simulated pods have no files, and a simulated machine is never short of anything.
        real = not isinstance(runtime, Simulation)
        config = config if real else dataclasses.replace(config, eviction_hard={})
        around = surroundings or own(config, client, clock)
        self._config, self._client, self._runtime, self._clock = config, client, runtime, clock
        self._machine, self._informer, self._recorder = around.machine, around.pods, around.recorder
        self._server, self._parts = around.server, around.parts
        self._runtime_version = ""
        self._started = self._announced = False
        self._node: Obj | None = None
        allocatable = allocatable_of(config, capacity_of(config, self._machine))
        labels = labels_of(config, self._machine)
        owner = f"node/{config.name}"

        self._services = Informer(client, SERVICES, clock=clock) if config.service_environment else None
        self._reclaimer = Reclaimer(client, config.name, labels, clock) if real else None
        references = References(client, clock)
        events = PodEvents(self._recorder)
        checks = ContainerChecks(runtime)
        hooks = Hooks(checks, runtime, clock)
        self._addresses = AddressPool(config.pod_cidr)
        self._devices = Devices(clock, lambda: self._heartbeat.look(), owner, nvidia.read if real else None)
        self._gate = Gate(labels, allocatable, self._devices.allocator, self._refuses)
        self._pulled = PulledImages(config.root_dir / pulled.FILE if real else None)
        images = Images(runtime, references, self._pulled, clock, config.parallel_pulls)
        unpacked = UnpackedImages(config.root_dir, runtime)
        volumes = Volumes(config.root_dir, references, Tokens(client, clock), allocatable, Tmpfs(runtime.sees))
        parts = Parts(
            config=config,
            runtime=runtime,
            clock=clock,
            images=images,
            specs=ContainerSpecs(references, self._list_services, to_int(allocatable["memory"]), config.root_dir),
            volumes=volumes,
            devices=self._devices.allocator,
            image_volumes=ImageVolumes(config.root_dir / "pods", images, unpacked),
            hooks=hooks,
            killer=Killer(runtime, hooks, events, clock),
            events=events,
            addresses=self._addresses,
            allocatable=allocatable,
            host_resolver=self._machine.resolver,
        )
        self._statuses = StatusManager(client, clock, owner)
        self._prober = Prober(checks, clock, self._poke, events.container, owner)
        self._pods = PodManager(parts, self._statuses, self._prober, self._gate, lambda: self._heartbeat.refresh())
        folder = config.static_pods
        self._static = (
            StaticPods(folder, config.name, client, self._pods, self._statuses, clock) if folder is not None else None
        )
        self._collector = (
            ImageCollector(config.image_gc, runtime, self._pulled, unpacked, self._warn, clock, owner) if real else None
        )
        self._eviction = self._make_eviction(volumes, self._collector, clock, owner) if self._collector else None
        self._heartbeat = Heartbeat(
            config, self._machine, around.heartbeat, around.pulse, self._observe, self._on_node, around.known_node
        )
        self._images: tuple[Image, ...] = ()
        self._images_read_at, self._images_changes = float("-inf"), 0

    def _make_eviction(self, volumes: Volumes, collector: ImageCollector, clock: Clock, owner: str) -> EvictionManager:
        config, pods = self._config, self._pods
        return EvictionManager(
            parse_thresholds(config.eviction_hard),
            config.pressure_seconds,
            read=lambda: read_signals(config.root_dir),
            runtime=self._runtime,
            pods=lambda: pods.pods,
            volumes=lambda uid: volumes.pod_dir(uid) / "volumes",
            reclaim=collector.remove_unused,
            evict=pods.evict,
            changed=lambda: self._heartbeat.look(),
            clock=clock,
            owner=owner,
        )

    def _refuses(self, pod: Obj) -> Failure | None:
        pressure = self._eviction.refuses(pod) if self._eviction is not None else None
        app_armor = self._machine.app_armor or isinstance(self._runtime, Simulation)
        return pressure or confinement.refuses(pod, self._config.allowed_unsafe_sysctls, app_armor=app_armor)

    @property
    def name(self) -> str:
        return self._config.name

    @property
    def port(self) -> int:
        """Of the gRPC Node service; known after `start`, 0 where there is none."""
        return self._server.port

    @property
    def pods(self) -> list[Obj]:
        """The pods that the node has. Read-only."""
        return self._pods.pods

    async def start(self) -> None:
        """Returns when the node serves and has begun to register. Raises ConfigError where it cannot work.

        The API server may be away: the agent keeps trying. See `registered` for whoever wants to wait.
        """
        self._config.root_dir.mkdir(parents=True, exist_ok=True)
        await self._runtime.start()
        self._runtime_version = await self._runtime.version()
        await self._devices.start()
        await self._pods.adopt()
        self._server.put(self._config, self._pods, self._runtime)
        for part in self._parts:
            await part.start()
        if self._services is not None:
            await self._services.start()
        await self._heartbeat.start()
        if self._reclaimer is not None:
            await self._reclaimer.start()
        if self._static is not None:
            # Before anybody asks which of the pods that run are wanted.
            self._static.load()
            self._static.start()
        self._informer.add_handler(self._static or self._pods)
        await self._informer.start()
        self._pods.start(self._informer.synced)
        if self._eviction is not None:
            self._eviction.start()
        if self._collector is not None:
            self._collector.start()
        self._started = True
        # A line for each node of a fleet would say nothing.
        tell = log.info if self._parts else log.debug
        tell("node agent started", node=self.name, runtime=self._runtime_version, port=self.port)

    async def registered(self) -> None:
        """Wait until the Node is in the API with its status."""
        await self._heartbeat.registered()

    async def synced(self) -> None:
        """Wait until the node knows its pods."""
        await self._informer.synced()

    async def stop(self) -> None:
        """Ends the agent; the pods go on. Safe to call twice, and after a start that failed."""
        if self._eviction is not None:
            await self._eviction.stop()
        if self._collector is not None:
            await self._collector.stop()
        if self._static is not None:
            await self._static.stop()
        await self._informer.stop()
        await self._pods.stop()
        await self._prober.stop()
        await self._statuses.stop()
        if self._reclaimer is not None:
            await self._reclaimer.stop()
        await self._heartbeat.stop()
        await self._devices.stop()
        if self._services is not None:
            await self._services.stop()
        self._server.drop(self.name)
        for part in reversed(self._parts):
            await part.stop()
        await self._runtime.stop()
        self._started = False

    async def _list_services(self) -> Iterable[Obj]:
        """All services; waits until they are known, for a container's environment never changes."""
        if self._services is None:
            return ()
        await self._services.synced()
        return self._services.list()

    def _poke(self, uid: str) -> None:
        self._pods.poke(uid)

    def _warn(self, reason: str, message: str) -> None:
        """An event about the node; none before the API server knows it."""
        if self._node is not None:
            self._recorder.event(self._node, WARNING, reason, message)

    def _on_node(self, before: Obj, node: Obj) -> None:
        """The Node as the API server had it, and as it has it now."""
        self._gate.observe(node)
        self._devices.observe(node)
        self._node = node
        first, self._announced = not self._announced, True
        if first:
            self._recorder.event(node, NORMAL, "Starting", "Starting kubelet.")
        # Simulated nodes are never short of anything, and thousands would say so at once.
        if self._eviction is not None:
            for reason in news_of(before, node, first=first):
                self._recorder.event(node, NORMAL, reason, f"Node {self.name} status is now: {reason}")
        if boot_id(before) and boot_id(node) != boot_id(before):
            text = f"Node {self.name} has been rebooted, boot id: {boot_id(node)}"
            self._recorder.event(node, WARNING, "Rebooted", text)
        cidr = (node.get("spec") or {}).get("podCIDR")
        if cidr and not self._addresses.cidr:
            self._addresses.set_range(str(cidr))
            self._heartbeat.look()

    async def _observe(self) -> Observed:
        now = self._clock.now()
        problem = ""
        silence = now - self._pods.runtime_answered_at
        if silence > max(RUNTIME_PATIENCE, 3 * self._config.relist_interval):
            problem = "container runtime is down"
        elif not self._addresses.cidr:
            problem = "container runtime network not ready: the node has no pod CIDR assigned"
        return Observed(
            now,
            self.port,
            self._runtime_version,
            problem,
            images=await self._list_images(now),
            pressures=self._eviction.pressures if self._eviction is not None else frozenset(),
            device_capacity=self._devices.capacity,
            device_allocatable=self._devices.allocatable,
            device_labels=self._devices.labels,
        )

    async def _list_images(self, now: float) -> tuple[Image, ...]:
        """Read after a pull, else as often as the status is reported: it costs the runtime more than it tells."""
        old = now - self._images_read_at >= self._config.status_report_interval
        # Fleets of simulated nodes have other things to tell.
        if old or (self._collector is not None and self._pulled.changes != self._images_changes):
            changes = self._pulled.changes
            try:
                async with asyncio.timeout(IMAGES_SECONDS):
                    self._images = tuple(await self._runtime.images())
                self._images_read_at, self._images_changes = now, changes
            except (KubeActorsError, TimeoutError) as error:
                log.info("images cannot be listed", node=self.name, error=str(error))
        return self._images
