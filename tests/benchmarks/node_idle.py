"""What a node costs that only keeps pods running on Docker: CPU at rest, memory, and what statistics take.

    PYTHONPATH=. python tests/benchmarks/node_idle.py [--pods 50] [--seconds 60] [--churn 0]

The whole cluster is in this process: store, API server, scheduler, controllers, node agent. So what is shown is more
than what the node takes. Measured once with pods that do nothing; once with ten pods more that have a readiness
probe every ten seconds, five of them a command in the container, five a TCP connection. `--churn N` starts and ends N
pods more, a few at a time, and shows what stays behind of memory, tasks and open files. In a lab of its own; needs root
and Docker. Prints; asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import time
from collections.abc import Iterable
from pathlib import Path

from kube_actors.api import Obj
from kube_actors.node.agent import NodeAgent
from kube_actors.node.machine.stats import Statistics
from tests.benchmarks.docker_pods import Pods, cpu_seconds, docker_cluster, sleeper, watched
from tests.e2e.lab import DockerLab

SETTLE_SECONDS = 20.0
EXEC = {"readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 10}}
TCP = {
    "command": ["httpd", "-f", "-p", "8080"],
    "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 10},
}


def memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


async def at_rest(title: str, lab: DockerLab, seconds: float) -> None:
    await asyncio.sleep(SETTLE_SECONDS)
    ours, engine = cpu_seconds([os.getpid()]), cpu_seconds(lab.processes())
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    ours, engine = cpu_seconds([os.getpid()]) - ours, cpu_seconds(lab.processes()) - engine
    print(
        f"{title}: the cluster takes {ours / took:.2%} of a core, Docker {engine / took:.2%}; {memory_mb():.0f} MB",
        flush=True,
    )


async def many(pods: Pods, wanted: Iterable[Obj], at_a_time: int = 5) -> None:
    slots = asyncio.Semaphore(at_a_time)

    async def start(pod: Obj) -> None:
        async with slots:
            await pods.start(pod)

    await asyncio.gather(*(start(pod) for pod in wanted))


async def churn(pods: Pods, count: int) -> None:
    slots = asyncio.Semaphore(5)

    async def live(name: str) -> None:
        async with slots:
            await pods.start(sleeper(name))
            await pods.end(name)

    for part in range(0, count, 100):
        await asyncio.gather(*(live(f"churn-{part + index}") for index in range(min(100, count - part))))
        await asyncio.sleep(5)
        gc.collect()
        files, tasks = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
        print(f"after {part + 100} pods: {memory_mb():.0f} MB, {tasks} tasks, {files} open files", flush=True)


async def measure(count: int, seconds: float, churned: int) -> None:
    async with docker_cluster() as (lab, cluster), watched(cluster.client) as pods:
        print(f"empty: {memory_mb():.0f} MB", flush=True)
        await many(pods, (sleeper(f"idle-{index}") for index in range(count)))
        await at_rest(f"{count} pods", lab, seconds)
        agent = next(each for each in cluster.components("node node-1") if isinstance(each, NodeAgent))
        statistics = Statistics(agent.name, agent._runtime, lambda: agent.pods, None, 0.0)
        began = time.perf_counter()
        size = len(await statistics.summary(1.0))
        print(f"statistics of {count} pods: {(time.perf_counter() - began) * 1000:.0f} ms, {size} bytes", flush=True)
        await many(pods, (sleeper(f"probed-{index}", **(EXEC if index % 2 else TCP)) for index in range(10)))
        await at_rest(f"{count} pods and 10 with probes", lab, seconds)
        if churned:
            await churn(pods, churned)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pods", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--churn", type=int, default=0)
    chosen = parser.parse_args()
    asyncio.run(measure(chosen.pods, chosen.seconds, chosen.churn))


if __name__ == "__main__":
    main()
