"""Resource use of the node's pods in the form of kubelet's /stats/summary."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj, encoding
from kube_actors.node.runtime.interface import ContainerRecord, ContainerState, PodRecord, Runtime, RuntimeFailure


async def summary(node: str, runtime: Runtime, pods: Iterable[Obj], started_at: float, now: float) -> bytes:
    """The Summary as JSON. A container that ends while it is measured is left out."""
    wanted = {str(pod["metadata"]["uid"]) for pod in pods}
    shown: list[dict[str, Any]] = []
    for record in await runtime.list_pods():
        if record.uid in wanted:
            shown.append(await _pod(runtime, record, now))
    cpu = sum(pod["cpu"]["usageCoreNanoSeconds"] for pod in shown)
    memory = sum(pod["memory"]["workingSetBytes"] for pod in shown)
    body = {
        "node": {"nodeName": node, "startTime": rfc3339(started_at), **_usage(cpu, memory, now)},
        "pods": shown,
    }
    return encoding.dumps(body)


async def _pod(runtime: Runtime, record: PodRecord, now: float) -> dict[str, Any]:
    containers: list[dict[str, Any]] = []
    for each in record.containers:
        if each.state is ContainerState.RUNNING:
            try:
                containers.append(await _container(runtime, each, now))
            except RuntimeFailure:
                continue
    cpu = sum(each["cpu"]["usageCoreNanoSeconds"] for each in containers)
    memory = sum(each["memory"]["workingSetBytes"] for each in containers)
    return {
        "podRef": {"name": record.name, "namespace": record.namespace, "uid": record.uid},
        "startTime": rfc3339(record.created_at),
        "containers": containers,
        **_usage(cpu, memory, now),
    }


async def _container(runtime: Runtime, record: ContainerRecord, now: float) -> dict[str, Any]:
    stats = await runtime.stats(record.id)
    return {
        "name": record.name,
        "startTime": rfc3339(record.started_at),
        **_usage(stats.cpu_nanoseconds, stats.memory_bytes, now),
    }


def _usage(cpu: int, memory: int, now: float) -> dict[str, Any]:
    time = rfc3339(now)
    return {
        "cpu": {"time": time, "usageCoreNanoSeconds": cpu},
        "memory": {"time": time, "workingSetBytes": memory},
    }
