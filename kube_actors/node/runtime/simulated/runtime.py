"""The simulated runtime."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from kube_actors.aio.clock import Clock, SystemClock, rfc3339_micro
from kube_actors.node.runtime.interface import (
    ContainerSpec,
    ContainerState,
    ContainerStats,
    ExecSession,
    Image,
    ImageFailure,
    Limits,
    LogOptions,
    NoSuchContainer,
    PodRecord,
    RuntimeFailure,
    SandboxSpec,
)
from kube_actors.node.runtime.simulated.behaviour import SimulatedConfig
from kube_actors.node.runtime.simulated.containers import KILLED, Container, Sandbox
from kube_actors.node.runtime.simulated.session import EchoSession


class SimulatedRuntime:
    """A Runtime and a Simulation, see `interface.py`. `starts` counts containers started, for tests."""

    name = "simulated"

    def __init__(self, config: SimulatedConfig | None = None, clock: Clock | None = None) -> None:
        self._config = config or SimulatedConfig()
        self._clock = clock or SystemClock()
        self._sandboxes: dict[str, Sandbox] = {}
        self._pods: dict[str, Sandbox] = {}
        self._containers: dict[str, Container] = {}
        self._images: dict[str, Image] = {}
        self._ids = itertools.count(1)
        # Uids that changed since the reader of `changes` last looked: repeats coalesce.
        self._changed: dict[str, None] = {}
        self._news = asyncio.Event()
        self.starts = 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def version(self) -> str:
        return "simulated://1.0.0"

    # Pods

    async def list_pods(self) -> list[PodRecord]:
        return [each.record() for each in self._pods.values()]

    async def pod(self, uid: str) -> PodRecord | None:
        sandbox = self._pods.get(uid)
        return sandbox.record() if sandbox else None

    async def changes(self) -> AsyncIterator[str]:
        while True:
            await self._news.wait()
            self._news.clear()
            changed, self._changed = self._changed, {}
            for uid in changed:
                yield uid

    async def run_sandbox(self, spec: SandboxSpec) -> PodRecord:
        if spec.uid in self._pods:
            raise RuntimeFailure(f"pod {spec.name} has a sandbox already")
        if self._config.sandbox_seconds:
            await self._clock.sleep(self._config.sandbox_seconds)
        sandbox = Sandbox(f"simulated://sandbox-{next(self._ids)}", spec, self._clock.now())
        self._pods[spec.uid] = self._sandboxes[sandbox.id] = sandbox
        return sandbox.record()

    async def update_pod_limits(self, sandbox_id: str, limits: Limits) -> None:
        """Nothing behaves by them."""

    async def sweep(self, known: Collection[str]) -> None:
        """There is nothing outside of what is known."""

    async def stop_sandbox(self, sandbox_id: str) -> None:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or not sandbox.ready:
            return
        for each in sandbox.containers.values():
            self._end(each, KILLED)
        sandbox.ready = False
        self._tell(sandbox.spec.uid)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        await self.stop_sandbox(sandbox_id)
        sandbox = self._sandboxes.pop(sandbox_id, None)
        if sandbox is not None:
            for each in sandbox.containers:
                self._containers.pop(each, None)
            if self._pods.get(sandbox.spec.uid) is sandbox:
                del self._pods[sandbox.spec.uid]
            self._tell(sandbox.spec.uid)

    # Containers

    def shortcomings(self, spec: SandboxSpec | ContainerSpec) -> Sequence[tuple[str, str]]:
        return ()

    def sees(self, folder: Path) -> bool:
        return True

    async def create_container(self, sandbox_id: str, spec: ContainerSpec) -> str:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or not sandbox.ready:
            raise NoSuchContainer(f"sandbox {sandbox_id} is not running")
        behaviour = self._config.behaviour_of(dict(sandbox.spec.labels), spec.name, spec.image)
        container = Container(f"simulated://{next(self._ids)}", sandbox.spec.uid, spec, behaviour, self._clock.now())
        sandbox.containers[container.id] = self._containers[container.id] = container
        return container.id

    async def start_container(self, container_id: str) -> None:
        container = self._find(container_id)
        if container.state is not ContainerState.CREATED:
            raise RuntimeFailure(f"container {container_id} was started already")
        if container.behaviour.start_seconds:
            await self._clock.sleep(container.behaviour.start_seconds)
        self.starts += 1
        container.state = ContainerState.RUNNING
        container.started_at = self._clock.now()
        lines = container.behaviour.log.splitlines(keepends=True)
        container.log.extend((container.started_at, line.encode()) for line in lines)
        ending = self._ending(container)
        if ending is not None:
            after, code = ending
            container.timer = asyncio.get_running_loop().call_later(after, self._end, container, code)
        self._tell(container.uid)

    async def update_limits(self, container_id: str, limits: Limits) -> None:
        container = self._find(container_id)
        if container.state is not ContainerState.RUNNING:
            raise RuntimeFailure(f"container {container_id} is not running")
        container.spec = replace(container.spec, limits=limits)

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        container = self._find(container_id)
        if container.state is not ContainerState.RUNNING:
            return
        takes = container.behaviour.stop_seconds
        try:
            async with asyncio.timeout(min(takes, grace_seconds)):
                await container.ended.wait()
        except TimeoutError:
            self._end(container, KILLED if takes > grace_seconds else 0)

    async def remove_container(self, container_id: str) -> None:
        container = self._containers.pop(container_id, None)
        if container is not None:
            self._end(container, KILLED)
            self._pods[container.uid].containers.pop(container_id, None)

    def crash(self, container_id: str, exit_code: int = 1) -> None:
        """End a container as if its process had."""
        self._end(self._find(container_id), exit_code)

    async def probe(self, container_id: str, kind: str) -> bool:
        container = self._find(container_id)
        if container.state is not ContainerState.RUNNING:
            return False
        age, behaviour = self._clock.now() - container.started_at, container.behaviour
        if kind == "startup":
            return age >= behaviour.started_after
        if kind == "readiness":
            return age >= behaviour.ready_after
        return behaviour.unhealthy_after is None or age < behaviour.unhealthy_after

    def _ending(self, container: Container) -> tuple[float, int] | None:
        pod = self._pods[container.uid].spec
        run = f"{pod.namespace}/{pod.name}/{container.spec.name}"
        return self._config.ending(container.behaviour, run, container.spec.attempt)

    def _end(self, container: Container, exit_code: int) -> None:
        if container.state is not ContainerState.RUNNING:
            return
        if container.timer is not None:
            container.timer.cancel()
            container.timer = None
        container.state = ContainerState.EXITED
        container.finished_at = self._clock.now()
        container.exit_code = exit_code
        container.oom_killed = container.behaviour.oom_killed and exit_code == KILLED
        container.ended.set()
        self._tell(container.uid)

    def _find(self, container_id: str) -> Container:
        container = self._containers.get(container_id)
        if container is None:
            raise NoSuchContainer(f"no such container: {container_id}")
        return container

    def _tell(self, uid: str) -> None:
        self._changed[uid] = None
        self._news.set()

    # Images

    async def image(self, name: str) -> Image | None:
        return self._images.get(name)

    async def pull(self, name: str, auth: dict[str, str] | None = None) -> Image:
        behaviour = self._config.behaviour_of({}, "", name)
        if behaviour.pull_seconds:
            await self._clock.sleep(behaviour.pull_seconds)
        if behaviour.image_missing:
            raise ImageFailure(f'failed to resolve reference "{name}": not found', "ErrImagePull")
        self._images[name] = Image(f"simulated://{name}", (name,), 1 << 20)
        return self._images[name]

    async def images(self) -> list[Image]:
        return list(self._images.values())

    async def remove_image(self, image_id: str) -> None:
        self._images = {name: image for name, image in self._images.items() if image.id != image_id}

    async def images_in_use(self) -> frozenset[str]:
        return frozenset(f"simulated://{each.image}" for pod in await self.list_pods() for each in pod.containers)

    async def image_folder(self) -> Path | None:
        return None

    async def unpack(self, image: Image, folder: Path) -> Path:
        raise RuntimeFailure("simulated images have no files")

    # Streams

    async def logs(self, container_id: str, options: LogOptions) -> AsyncIterator[bytes]:
        container = self._find(container_id)
        lines = [(at, line) for at, line in container.log if at >= options.since]
        if options.tail is not None:
            lines = lines[max(0, len(lines) - options.tail) :]
        left = options.limit_bytes
        for at, line in lines:
            text = f"{rfc3339_micro(at)} ".encode() + line if options.timestamps else line
            yield text if left is None else text[:left]
            if left is not None and (left := left - len(text)) <= 0:
                return
        if options.follow and container.state is ContainerState.RUNNING:
            await container.ended.wait()

    async def exec(self, container_id: str, command: tuple[str, ...], *, stdin: bool, tty: bool) -> ExecSession:
        if self._find(container_id).state is not ContainerState.RUNNING:
            raise RuntimeFailure(f"container {container_id} is not running")
        return EchoSession(stdin)

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> ExecSession:
        return await self.exec(container_id, (), stdin=stdin, tty=tty)

    async def stats(self, container_id: str) -> ContainerStats:
        container = self._find(container_id)
        seconds = max(0.0, self._clock.now() - container.started_at)
        return ContainerStats(
            int(seconds * container.behaviour.cpu_milli * 1_000_000), container.behaviour.memory_bytes
        )

    async def disk_use(self, container_id: str) -> int:
        return sum(len(line) for _, line in self._find(container_id).log)
