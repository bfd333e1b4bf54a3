"""How long pods take to start on Docker, against `docker run`: one at a time in turns, and many at once.

    PYTHONPATH=. python tests/benchmarks/pod_start.py [--rounds 30] [--together 30]

A pod's start is from the create call over gRPC to the watch event that shows it Running, with its account's token
mounted. A pod is two containers, of which one holds the network. It is compared with the time of the command
`docker run -d` with the same image and command, that is one container with a network; beside it stands what
the engine alone takes for that (create and start by its API, without a client program). All in a lab of its own: an
empty network, one dockerd, one cluster in this process. Needs root and Docker. Prints; asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

import aiodocker

from tests.benchmarks.docker_pods import COMMAND, Pods, cpu_seconds, docker_cluster, sleeper, watched
from tests.e2e.lab import BUSYBOX_IMAGE, DockerLab

Start = Callable[[str], Awaitable[float]]


def by_command(lab: DockerLab) -> Start:
    async def start(name: str) -> float:
        began = time.perf_counter()
        run = ("docker", "-H", lab.docker_host, "run", "-d", "--name", name, BUSYBOX_IMAGE, *COMMAND)
        process = await asyncio.create_subprocess_exec(*run, stdout=asyncio.subprocess.PIPE)
        await process.communicate()
        return time.perf_counter() - began

    return start


def by_engine(docker: aiodocker.Docker) -> Start:
    async def start(name: str) -> float:
        began = time.perf_counter()
        config = {"Image": BUSYBOX_IMAGE, "Cmd": COMMAND}
        await (await docker.containers.create(config, name=name)).start()
        return time.perf_counter() - began

    return start


def as_pods(pods: Pods) -> Start:
    return lambda name: pods.start(sleeper(name))


def show(title: str, seconds: Sequence[float]) -> None:
    ordered = sorted(seconds)
    middle, high = statistics.median(ordered), ordered[int(len(ordered) * 0.9)]
    print(f"{title:28} median {middle * 1000:5.0f} ms   least {ordered[0] * 1000:5.0f}   p90 {high * 1000:5.0f}")


async def measure(rounds: int, together: int) -> None:
    async with docker_cluster() as (lab, cluster), watched(cluster.client) as pods:
        docker = aiodocker.Docker(lab.docker_host)
        ways = {"docker run -d": by_command(lab), "the engine's API": by_engine(docker), "pod": as_pods(pods)}

        async def end(way: str, name: str) -> None:
            if way == "pod":
                await pods.end(name)
            else:
                await docker.containers.container(name).delete(force=True)

        try:
            times: dict[str, list[float]] = {way: [] for way in ways}
            for turn in range(-1, rounds):
                for number, (way, start) in enumerate(ways.items()):
                    took = await start(name := f"one-{number}-{turn + 1}")
                    await end(way, name)
                    if turn >= 0:  # the first of each is for warming up
                        times[way].append(took)
            print(f"one at a time, {rounds} of each in turns")
            for way, each in times.items():
                show(f"  {way}", each)
            more = statistics.median(times["pod"]) - statistics.median(times["docker run -d"])
            print(f"  a pod takes {more * 1000:+.0f} ms of what `docker run -d` takes")
            await many(lab, ways, end, together)
        finally:
            await docker.close()


async def many(
    lab: DockerLab, ways: dict[str, Start], end: Callable[[str, str], Awaitable[None]], together: int
) -> None:
    print(f"{together} at once, until the last runs; three times each")
    least: dict[str, tuple[float, float]] = {}
    for turn in range(3):
        for number, (way, start) in enumerate(ways.items()):
            names = [f"many-{number}-{turn}-{index}" for index in range(together)]
            # The engine, what it starts, and this process with the clients that it started.
            everybody = [os.getpid(), *lab.processes()]
            used, began = cpu_seconds(everybody), time.perf_counter()
            await asyncio.gather(*(start(name) for name in names))
            took = time.perf_counter() - began
            used = cpu_seconds({*everybody, *lab.processes()}) - used
            await asyncio.gather(*(end(way, name) for name in names))
            print(f"  {way:26} {took:6.2f} s, {used:6.2f} s of a processor", flush=True)
            before = least.get(way, (took, used))
            least[way] = min(took, before[0]), min(used, before[1])
    (took, used), (run_took, run_used) = least["pod"], least["docker run -d"]
    ratios = f"{took / run_took:.2f} times as long and {used / run_used:.2f} times the processor"
    print(f"  pods take {ratios} of `docker run -d` (least of each)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--together", type=int, default=30)
    chosen = parser.parse_args()
    asyncio.run(measure(chosen.rounds, chosen.together))


if __name__ == "__main__":
    main()
