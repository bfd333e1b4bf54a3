"""What the benchmarks of pods on Docker share: a cluster of this process in a lab, and pods that are waited for."""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.resources import PODS
from kube_actors.client.interface import Client
from kube_actors.cluster.embedded import Cluster
from tests.e2e.lab import BUSYBOX_IMAGE, DockerLab

CLONE_NEWNET = 0x40000000
TICKS = os.sysconf("SC_CLK_TCK")
NAMESPACE = "default"
COMMAND = ["sleep", "3600"]


@asynccontextmanager
async def docker_cluster() -> AsyncIterator[tuple[DockerLab, Cluster]]:
    """This process moves into the lab's network, as services of pods are programmed where the agent runs."""
    with DockerLab() as lab:
        lab.import_busybox()
        _enter(lab)
        os.environ["DOCKER_HOST"] = lab.docker_host
        async with Cluster(runtime="docker") as cluster:
            yield lab, cluster


def _enter(lab: DockerLab) -> None:
    with Path(f"/var/run/netns/{lab.name}").open() as network:
        if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def sleeper(name: str, **container: object) -> Obj:
    """A pod that does nothing, as most do most of the time; its account's token is mounted."""
    main = {"name": "c", "image": BUSYBOX_IMAGE, "command": COMMAND, **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [main]},
    }


class Pods:
    """Creates pods and deletes them; knows from a watch when each was first seen Running, and gone."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen: dict[tuple[str, str], asyncio.Future[float]] = {}

    async def follow(self) -> None:
        """Watch forever."""
        async for events in self._client.watch(PODS, NAMESPACE, send_initial_events=True):
            now = time.perf_counter()
            for event in events:
                name = event.object["metadata"].get("name", "")
                if event.type == "DELETED":
                    self._note(name, "gone", now)
                elif (event.object.get("status") or {}).get("phase") == "Running":
                    self._note(name, "Running", now)

    async def start(self, pod: Obj) -> float:
        """Seconds from the call that creates it to the event that shows it Running."""
        began = time.perf_counter()
        await self._client.create(PODS, pod)
        return await self._when(pod["metadata"]["name"], "Running") - began

    async def end(self, name: str) -> None:
        await self._client.delete(PODS, name, NAMESPACE, grace_seconds=0)
        await self._when(name, "gone")

    async def _when(self, name: str, what: str) -> float:
        return await self._seen.setdefault((name, what), asyncio.get_running_loop().create_future())

    def _note(self, name: str, what: str, now: float) -> None:
        seen = self._seen.setdefault((name, what), asyncio.get_running_loop().create_future())
        if not seen.done():
            seen.set_result(now)


@asynccontextmanager
async def watched(client: Client) -> AsyncIterator[Pods]:
    pods, tasks = Pods(client), Tasks("benchmark")
    tasks.spawn(pods.follow(), "pods")
    try:
        yield pods
    finally:
        await tasks.stop()


def cpu_seconds(pids: Iterable[int]) -> float:
    """Of the processes and of their children that have ended."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(fields[index]) for index in (11, 12, 13, 14))
    return total / TICKS
