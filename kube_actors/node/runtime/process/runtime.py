"""ProcessRuntime: the runtime interface on plain processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import structlog

from kube_actors.aio.clock import Clock, SystemClock
from kube_actors.aio.tasks import to_its_end
from kube_actors.api.errors import ConfigError
from kube_actors.node.machine.disk import disk_use
from kube_actors.node.runtime.cgroups import cgroupfs, groups
from kube_actors.node.runtime.cgroups.usage import working_set
from kube_actors.node.runtime.cgroups.values import domain_of
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
    NoSuchContainer,
    PodRecord,
    PortMapping,
    RuntimeFailure,
    SandboxSpec,
)
from kube_actors.node.runtime.process import plan, procfs
from kube_actors.node.runtime.process.changes import Changes
from kube_actors.node.runtime.process.exits import Exits
from kube_actors.node.runtime.process.host_ports import HostPorts
from kube_actors.node.runtime.process.images import Images
from kube_actors.node.runtime.process.launch import START_SECONDS, call_shim, run_container
from kube_actors.node.runtime.process.layout import Container, ContainerId, Layout, uid_of_sandbox
from kube_actors.node.runtime.process.logs import read_logs
from kube_actors.node.runtime.process.sessions import ProcessAttach, ProcessExec
from kube_actors.node.runtime.process.shim import files, isolate

log = structlog.get_logger(__name__)

CREATE = "CreateContainerError"
RUN = "RunContainerError"
UPDATE = "UpdateContainerError"
# How long a container may take to be gone after KILL.
KILL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ProcessConfig:
    """`root_dir` is the node's folder; the runtime keeps its own in `runtime/` there.

    `outlive`: pods go on when this process ends, for another agent adopts them.
    """

    root_dir: Path
    cluster: str
    node: str
    outlive: bool = True
    logs: LogRotation = field(default_factory=LogRotation)


class ProcessRuntime:
    """Containers as processes, each under a supervisor of its own that needs no agent.

    Nothing is kept here that the files do not tell: after a restart `list_pods` finds everything again.
    """

    name = "process"

    def __init__(self, config: ProcessConfig, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._layout = Layout(config.root_dir / "runtime")
        self._images = Images(self._layout.images)
        self._changes = Changes()
        self._exits = Exits()
        self._host_ports = HostPorts()
        self._watched: dict[str, asyncio.Event] = {}
        self._sessions: dict[str, set[ProcessExec]] = {}
        self._mode = isolate.NONE
        self._groups: groups.OwnCgroups | None = None

    async def start(self) -> None:
        if not sys.platform.startswith("linux"):
            raise ConfigError(f"the process runtime needs Linux, not {sys.platform}; use --runtime docker or simulated")
        try:
            self._layout.prepare()
        except OSError as exc:
            raise ConfigError(f"{self._layout.root} cannot be written: {exc.strerror}") from exc
        self._mode = (await call_shim("probe")).decode()
        place = str(self._config.root_dir.resolve())
        self._groups = groups.detect(domain_of(self._config.cluster, self._config.node, place))
        if self._mode == isolate.NONE:
            log.warning("no namespaces here: containers see volumes below $KUBE_ACTORS_ROOT, not at their paths")
        for uid in self._layout.uids():
            for container in self._layout.containers(uid):
                if container.running:
                    self._watch(container)
            await self._reopen_ports(uid)

    async def stop(self) -> None:
        for session in [session for sessions in self._sessions.values() for session in sessions]:
            await session.close()
        await self._exits.stop()
        await self._host_ports.stop()
        self._changes.close()

    async def version(self) -> str:
        return f"process://{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"

    # Pods

    async def list_pods(self) -> list[PodRecord]:
        found = [self._layout.pod(uid) for uid in self._layout.uids()]
        return [record for record in found if record is not None]

    async def pod(self, uid: str) -> PodRecord | None:
        return self._layout.pod(uid)

    async def changes(self) -> AsyncIterator[str]:
        async for uid in self._changes.subscribe():
            yield uid

    # Sandboxes

    async def run_sandbox(self, spec: SandboxSpec) -> PodRecord:
        if not spec.host_users:
            raise RuntimeFailure(NO_USER_NAMESPACES, "CreatePodSandboxError")
        await self._host_ports.open(spec.uid, spec.ip, spec.ports)
        try:
            self._layout.pod_folder(spec.uid).mkdir(parents=True, exist_ok=True)
            self._write_resolv_conf(spec)
            content = plan.sandbox_content(spec, self._clock.now(), files.boot_id())
            self._layout.write_sandbox(spec.uid, content)
            if self._groups is not None:
                await self._groups.create_pod(spec.uid, spec.qos_class, spec.limits)
        except OSError as exc:
            self._host_ports.close(spec.uid)
            raise RuntimeFailure(f"the sandbox cannot be written: {exc}", "CreatePodSandboxError") from exc
        self._changes.tell(spec.uid)
        record = self._layout.pod(spec.uid)
        if record is None:
            raise RuntimeFailure("the sandbox vanished while it started", "CreatePodSandboxError")
        return record

    async def update_pod_limits(self, sandbox_id: str, limits: Limits) -> None:
        if self._groups is not None:
            try:
                await self._groups.update_pod(uid_of_sandbox(sandbox_id), limits)
            except OSError as exc:
                raise RuntimeFailure(f"the limits of the pod cannot be set: {exc}", UPDATE) from exc

    async def stop_sandbox(self, sandbox_id: str) -> None:
        uid = uid_of_sandbox(sandbox_id)
        sandbox = self._layout.sandbox(uid)
        if sandbox is None:
            return
        for container in list(self._layout.containers(uid)):
            if container.running:
                await self._kill(container)
        await self._remove_group(uid)
        self._host_ports.close(uid)
        if not sandbox["stopped"]:
            self._layout.write_sandbox(uid, sandbox | {"stopped": True})
            self._changes.tell(uid)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        uid = uid_of_sandbox(sandbox_id)
        if self._layout.sandbox(uid) is None:
            return
        await self.stop_sandbox(sandbox_id)
        for container in list(self._layout.containers(uid)):
            await self.remove_container(str(container.id))
        await asyncio.to_thread(self._layout.remove_pod, uid)
        self._changes.tell(uid)

    async def sweep(self, known: Collection[str]) -> None:
        for uid in self._layout.remains(known):
            await asyncio.to_thread(self._layout.remove_pod, uid)
        if self._groups is not None:
            await self._groups.sweep(known)

    # Containers

    def shortcomings(self, spec: SandboxSpec | ContainerSpec) -> Sequence[tuple[str, str]]:
        if isinstance(spec, SandboxSpec):
            return plan.shortcomings_of_pod(spec)
        return plan.shortcomings(spec, self._mode, os.geteuid(), limited=self._groups is not None)

    def sees(self, folder: Path) -> bool:
        return True

    async def create_container(self, sandbox_id: str, spec: ContainerSpec) -> str:
        uid = uid_of_sandbox(sandbox_id)
        sandbox = self._layout.sandbox(uid)
        if sandbox is None:
            raise NoSuchContainer(f"sandbox {sandbox_id} does not exist", CREATE)
        identity = ContainerId(uid, spec.name, spec.attempt)
        await self.remove_container(str(identity))
        # A disk that was full, or an agent that was killed, may have left a folder that is no container yet.
        await asyncio.to_thread(self._layout.remove_container, identity)
        folder = self._layout.container_folder(identity)
        image = self._images.must_find(spec.image)
        image_root = await asyncio.to_thread(self._images.root, spec.image)
        resolv_conf = self._layout.pod_folder(uid) / "resolv.conf"
        content = plan.container_content(
            spec,
            sandbox,
            image,
            image_root=image_root,
            mode=self._mode,
            python=sys.executable,
            environ=dict(os.environ),
            mounts_root=str(folder / "root"),
            resolv_conf=str(resolv_conf) if resolv_conf.exists() else "",
            now=self._clock.now(),
            logs=self._config.logs,
            owner=(0, 0) if self._config.outlive else (os.getpid(), files.start_time(os.getpid())),
        )
        try:
            folder.mkdir()
            if self._mode == isolate.NONE:
                _link(folder / "root", plan.links(spec))
            if self._groups is not None:
                content["cgroups"] = self._groups.create_container(uid, f"{spec.name}_{spec.attempt}", spec.limits)
            files.write_atomically(str(folder / files.CONFIG), content)
        except OSError as exc:
            raise RuntimeFailure(f"the container cannot be written: {exc}", CREATE) from exc
        return str(identity)

    async def start_container(self, container_id: str) -> None:
        container = self._layout.container(ContainerId.parse(container_id))
        if container.state:
            raise RuntimeFailure(f"container {container_id} was started before", RUN)
        # Whoever ends the pod meanwhile has to find the process that has just come to be.
        failure = await to_its_end(run_container(container.folder), f"start {container_id}", START_SECONDS)
        if failure:
            self._changes.tell(container.id.uid)
            raise RuntimeFailure(failure, RUN)
        self._watch(self._layout.container(container.id))
        self._changes.tell(container.id.uid)

    async def update_limits(self, container_id: str, limits: Limits) -> None:
        container = self._running(container_id, UPDATE)
        try:
            cgroupfs.update(container.config["cgroups"], limits)
        except OSError as exc:
            raise RuntimeFailure(f"the limits of container {container_id} cannot be set: {exc}", UPDATE) from exc
        content = container.config | {"limits": asdict(limits)}
        files.write_atomically(str(container.folder / files.CONFIG), content)

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        try:
            container = self._layout.container(ContainerId.parse(container_id))
        except NoSuchContainer:
            return
        if not container.running:
            return
        if grace_seconds > 0:
            container.process.signal_group(signal_number(container.config["stop_signal"]))
            if await self._ended_within(container, grace_seconds):
                return
        await self._kill(container)

    async def remove_container(self, container_id: str) -> None:
        try:
            container = self._layout.container(ContainerId.parse(container_id))
        except NoSuchContainer:
            return
        if container.running:
            await self._kill(container)
        # An agent that was killed may have left a supervisor that was just about to start it.
        late = self._layout.forget(container)
        if late.running:
            await self._kill(late)
        await asyncio.to_thread(self._layout.remove_container, container.id)
        await asyncio.to_thread(cgroupfs.remove, container.config["cgroups"])
        self._changes.tell(container.id.uid)

    # Images

    async def image(self, name: str) -> Image | None:
        return self._images.find(name)

    async def pull(self, name: str, auth: dict[str, str] | None = None) -> Image:
        return self._images.must_find(name)

    async def images(self) -> list[Image]:
        return self._images.list()

    async def remove_image(self, image_id: str) -> None:
        await asyncio.to_thread(self._images.remove, image_id)

    async def images_in_use(self) -> frozenset[str]:
        containers = [each for uid in self._layout.uids() for each in self._layout.containers(uid)]
        return frozenset(str(each.config["image_id"]) for each in containers)

    async def image_folder(self) -> Path | None:
        return self._layout.images

    async def unpack(self, image: Image, folder: Path) -> Path:
        """What the image names is a folder already, or is unpacked for containers too."""
        root = await asyncio.to_thread(self._images.root, image.names[0])
        if not root:
            raise RuntimeFailure(f'image "{image.names[0]}" has no files here: name a folder or a tar', "ErrImagePull")
        return Path(root)

    # Streams

    async def logs(self, container_id: str, options: LogOptions) -> AsyncIterator[bytes]:
        identity = ContainerId.parse(container_id)
        container = self._layout.container(identity)

        def ended() -> bool:
            with suppress(NoSuchContainer):
                return self._layout.container(identity).record().state is ContainerState.EXITED
            return True

        async for chunk in read_logs(container.folder / files.LOG, options, ended, self._clock):
            yield chunk

    async def exec(self, container_id: str, command: tuple[str, ...], *, stdin: bool, tty: bool) -> ExecSession:
        container = self._running(container_id, "ExecFailed")
        session = await ProcessExec.open(container.folder, command, stdin=stdin, tty=tty)
        key = str(container.id)
        sessions = self._sessions.setdefault(key, set())
        sessions.add(session)

        def closed() -> None:
            sessions.discard(session)
            # The container may have ended while the session was opened: nobody else would take its place away.
            if not sessions and self._sessions.get(key) is sessions:
                del self._sessions[key]

        session.on_close(closed)
        return session

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> ExecSession:
        return await ProcessAttach.open(self._running(container_id, "AttachFailed").folder, stdin=stdin)

    async def stats(self, container_id: str) -> ContainerStats:
        container = self._running(container_id, "StatsUnavailable")
        cpu, resident = procfs.usage(container.supervisor)
        counted = working_set(container.config["cgroups"])
        return ContainerStats(cpu, resident if counted is None else counted)

    async def disk_use(self, container_id: str) -> int:
        return await asyncio.to_thread(disk_use, self._running(container_id, "StatsUnavailable").folder)

    # What the above is made of

    def _running(self, container_id: str, reason: str) -> Container:
        container = self._layout.container(ContainerId.parse(container_id))
        if not container.running:
            raise NoSuchContainer(f"container {container.id.name} is not running", reason)
        return container

    def _watch(self, container: Container) -> None:
        """Tell when its supervisor, which ends last, has ended."""
        if str(container.id) in self._watched or not container.running:
            return
        over = self._watched[str(container.id)] = asyncio.Event()

        def ended() -> None:
            over.set()
            self._watched.pop(str(container.id), None)
            for session in self._sessions.pop(str(container.id), set()):
                session.kill()
            self._changes.tell(container.id.uid)

        self._exits.watch(container.supervisor, ended)

    async def _remove_group(self, uid: str) -> None:
        if self._groups is not None:
            await self._groups.remove_pod(uid)

    async def _ended_within(self, container: Container, seconds: float) -> bool:
        self._watch(container)
        over = self._watched.get(str(container.id))
        if over is None:
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await over.wait()
        return over.is_set()

    async def _kill(self, container: Container) -> None:
        procfs.kill_descendants(container.supervisor)
        if await self._ended_within(container, KILL_SECONDS):
            return
        raise RuntimeFailure(f"container {container.id} resists KILL", "KillContainerError")

    async def _reopen_ports(self, uid: str) -> None:
        """Of a pod from before a restart of the agent."""
        record, sandbox = self._layout.pod(uid), self._layout.sandbox(uid)
        if record is not None and sandbox is not None and record.ready:
            try:
                await self._host_ports.open(uid, record.ip, [PortMapping(*each) for each in sandbox["ports"]])
            except RuntimeFailure as error:
                log.warning("host ports are not served", pod=record.name, error=str(error))

    def _write_resolv_conf(self, spec: SandboxSpec) -> None:
        lines = [f"search {' '.join(spec.dns_searches)}"] if spec.dns_searches else []
        lines += [f"nameserver {server}" for server in spec.dns_servers]
        lines += [f"options {' '.join(spec.dns_options)}"] if spec.dns_options else []
        if spec.dns_servers:
            path = self._layout.pod_folder(spec.uid) / "resolv.conf"
            path.write_text("\n".join(lines) + "\n")


def signal_number(name: str) -> int:
    """Of `SIGUSR1`, `USR1` or `10`; TERM for an empty or unknown one."""
    if name.isdigit():
        return int(name)
    full = name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"
    return int(getattr(signal, full, signal.SIGTERM))


def _link(root: Path, links: list[tuple[str, str]]) -> None:
    for path, target in links:
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            place.symlink_to(target)
