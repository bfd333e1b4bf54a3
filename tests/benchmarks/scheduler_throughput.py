"""How many pods a second the planner places, without any IO.

usage: python tests/benchmarks/scheduler_throughput.py [NODES [PODS]]

Nodes and pods are those of the side by side measurement with kube-scheduler (32 CPUs, 128 GiB, three zones;
pods of 100m and 500Mi); `mixed` has nodes of four sizes, 20 shapes of pods and pods that are there already.
"""

from __future__ import annotations

import sys
import time

from kube_actors.api import Obj
from kube_actors.scheduler.cache import Cache
from kube_actors.scheduler.evaluation import Evaluations
from kube_actors.scheduler.planner import plan
from kube_actors.scheduler.plugins.registry import default_profile
from kube_actors.scheduler.pod import read_pod
from kube_actors.scheduler.scheduler import BATCH


def node(index: int, cpu: int, memory: int) -> Obj:
    name = f"n{index:05d}"
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"z{index % 3}"}
    status = {"allocatable": {"cpu": str(cpu), "memory": f"{memory}Gi", "pods": "110"}}
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": status,
    }


def pod(index: int, cpu: int, memory: int, **spec: object) -> Obj:
    container = {
        "name": "c",
        "image": "pause:3.9",
        "resources": {"requests": {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}},
    }
    metadata = {
        "name": f"p{index:06d}", "namespace": "default", "uid": f"u{index}", "labels": {"app": "sb"},
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"containers": [container], **spec}}


def measure(name: str, nodes: list[Obj], pods: list[Obj], batch: int) -> None:
    cache, profile = Cache(), default_profile()
    for each in nodes:
        cache.put_node(None, each)
    started = time.perf_counter()
    # Reading the pods is part of the work.
    waiting = [read_pod(each) for each in pods]
    read = time.perf_counter() - started
    placed, known = 0, Evaluations()
    for first in range(0, len(waiting), batch):
        result = plan(cache.nodes, waiting[first : first + batch], profile, known)
        for placement in result.placements:
            cache.assume(placement)
        placed += len(result.placements)
    took = time.perf_counter() - started
    print(
        f"{name:8} {len(nodes)} nodes, {placed}/{len(pods)} pods, batches of {batch}: "
        f"{len(pods) / took:,.0f} pods/s ({took:.2f} s, of it {read:.2f} s reading)"
    )


def main() -> None:
    count, wanted = (int(each) for each in (*sys.argv[1:], "1000", "5000")[:2])
    even_nodes = [node(index, 32, 128) for index in range(count)]
    even_pods = [pod(index, 100, 500) for index in range(wanted)]
    sizes = [(8, 32), (16, 32), (32, 128), (64, 512)]
    mixed_nodes = [node(index, *sizes[index * 7 % 4]) for index in range(count)]
    mixed_pods = [
        pod(
            index,
            50 + 10 * (index % 20),
            64 * (1 + index * 13 % 20),
            **({"nodeSelector": {"topology.kubernetes.io/zone": "z1"}} if index % 20 == 3 else {}),
        )
        for index in range(wanted)
    ]
    for batch in (1, 16, BATCH):
        measure("even", even_nodes, even_pods, batch)
        measure("mixed", mixed_nodes, mixed_pods, batch)


if __name__ == "__main__":
    main()
