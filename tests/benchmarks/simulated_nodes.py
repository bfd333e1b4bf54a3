"""How many simulated nodes and pods one process keeps alive: a whole embedded cluster, watched from inside.

usage: python tests/benchmarks/simulated_nodes.py [--nodes N] [--pods M] [--seconds T] [--bound]

Nodes register, pods are created (with --bound on their nodes already, else through the scheduler) and run; then
all are kept for T seconds. Prints what it took, and ends with 1 if a node was NotReady once it had been Ready, if a
lease was older than it may be, or if a pod did not stay Running.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.meta import is_true, name_of
from kube_actors.api.resources import LEASES, NODES, PODS
from kube_actors.cluster.embedded import Cluster

CAPACITY = {"cpu": "32", "memory": "128Gi"}
TOGETHER = 200
PAGE = 500
RUNNING = "status.phase=Running"
# A renewal is due every 10 s; one that takes twice as long is late, and after 40 s the lease has expired.
LATE, EXPIRED = 20.0, 40.0


@dataclass
class Seen:
    """What watches of nodes and leases have shown."""

    ready: set[str] = field(default_factory=set)
    flaps: list[str] = field(default_factory=list)
    renewed: dict[str, float] = field(default_factory=dict)
    renewals: int = 0
    late: int = 0
    longest: float = 0.0

    def node(self, node: Obj) -> None:
        name = name_of(node)
        if is_true(node, "Ready"):
            self.ready.add(name)
        elif name in self.ready:
            self.ready.discard(name)
            self.flaps.append(name)

    def lease(self, lease: Obj) -> None:
        renewed = parse_rfc3339(lease["spec"]["renewTime"])
        gap = renewed - self.renewed.get(name_of(lease), renewed)
        self.renewed[name_of(lease)] = renewed
        self.renewals += gap > 0
        self.late += gap > LATE
        self.longest = max(self.longest, gap)


async def watch_nodes(cluster: Cluster, seen: Seen) -> None:
    async for events in cluster.client.watch(NODES, send_initial_events=True):
        for event in events:
            if event.type != "BOOKMARK":
                seen.node(event.object)


async def watch_leases(cluster: Cluster, seen: Seen) -> None:
    async for events in cluster.client.watch(LEASES, "kube-node-lease", send_initial_events=True):
        for event in events:
            if event.type != "BOOKMARK":
                seen.lease(event.object)


def pod(number: int, node: str) -> Obj:
    container: Obj = {
        "name": "c",
        "image": "pause:3.9",
        "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}},
    }
    spec: Obj = {"containers": [container], "terminationGracePeriodSeconds": 0}
    if node:
        spec["nodeName"] = node
    metadata = {"name": f"p-{number:06d}", "namespace": "default", "labels": {"app": "bench"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


async def create(cluster: Cluster, count: int, nodes: int, *, bound: bool) -> None:
    numbers = iter(range(count))

    async def some() -> None:
        for number in numbers:
            await cluster.client.create(PODS, pod(number, f"node-{number % nodes + 1}" if bound else ""))

    await asyncio.gather(*(some() for _ in range(TOGETHER)))


async def running(cluster: Cluster) -> int:
    found, token = 0, ""
    while True:
        page = await cluster.client.list(PODS, "default", fields=RUNNING, limit=PAGE, continue_token=token)
        found, token = found + len(page.items), page.continue_token
        if not token:
            return found


async def until_running(cluster: Cluster, count: int) -> None:
    """By a watch of all pods that become Running."""
    names: set[str] = set()
    async for events in cluster.client.watch(PODS, "default", fields=RUNNING, send_initial_events=True):
        names |= {name_of(event.object) for event in events if event.type != "BOOKMARK"}
        if len(names) >= count:
            return


@asynccontextmanager
async def step(name: str) -> AsyncIterator[None]:
    started, worked = time.perf_counter(), time.process_time()
    yield
    took, cpu = time.perf_counter() - started, time.process_time() - worked
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:32} {took:8.1f} s  {cpu / took * 100:5.0f} % of a core  {memory:7,.0f} MiB at most", flush=True)


async def main(nodes: int, pods: int, seconds: float, *, bound: bool) -> int:
    seen = Seen()
    cluster = Cluster(nodes=nodes, simulated={"capacity": CAPACITY})
    async with step(f"{nodes} nodes registered and Ready"):
        await cluster.start()
    watches = Tasks("benchmark")
    watches.spawn(watch_nodes(cluster, seen), "nodes")
    watches.spawn(watch_leases(cluster, seen), "leases")
    try:
        async with step(f"{pods} pods created and Running"):
            await asyncio.gather(create(cluster, pods, nodes, bound=bound), until_running(cluster, pods))
        before = seen.renewals
        async with step("kept"):
            await asyncio.sleep(seconds)
        rate = (seen.renewals - before) / seconds
        print(f"{rate:.0f} lease renewals/s; one is due every 10 s a node: {nodes / 10:.0f}/s")
        alive = await running(cluster)
    finally:
        await watches.stop()
        async with step("stopped"):
            await cluster.stop()
    print(f"longest time between two renewals {seen.longest:.1f} s; {seen.late} of {seen.renewals} over {LATE:.0f} s")
    print(f"nodes that became NotReady: {len(seen.flaps)}; pods Running at the end: {alive} of {pods}")
    return int(bool(seen.flaps) or seen.longest > EXPIRED or alive < pods or len(seen.renewed) < nodes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--bound", action="store_true", help="create the pods on their nodes, past the scheduler")
    chosen = parser.parse_args()
    sys.exit(asyncio.run(main(chosen.nodes, chosen.pods, chosen.seconds, bound=chosen.bound)))
