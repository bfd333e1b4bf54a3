"""What a cluster leaves on a machine on purpose, taken away at its end: pods, mounts, networks, packet filters, etcd.

It needs no component: the runtimes find what is theirs by labels. So it also clears away after a
cluster that was killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

import structlog

from kube_actors.api.errors import KubeActorsError
from kube_actors.cluster import wiring
from kube_actors.cluster.plan import ClusterPlan, NodePlan

log = structlog.get_logger(__name__)

HOST_SECONDS = 20.0


async def sweep(plan: ClusterPlan) -> list[str]:
    """Take everything away that can be; one line for each thing that could not."""
    outcomes = await asyncio.gather(*_members(plan), return_exceptions=True)
    if plan.runtime != "simulated":
        outcomes += await _pods(plan)
    problems = []
    for outcome in outcomes:
        if isinstance(outcome, asyncio.CancelledError):
            raise outcome
        if isinstance(outcome, KubeActorsError | OSError):
            problems.append(str(outcome))
        elif isinstance(outcome, BaseException):
            log.error("sweep failed", exc_info=outcome)
            problems.append(f"{type(outcome).__name__}: {outcome}")
    return problems


def _members(plan: ClusterPlan) -> list[Coroutine[Any, Any, None]]:
    if plan.etcd is None:
        return []
    from kube_actors.cluster.etcd.process import end

    return [end(plan.paths.etcd, member.name) for member in plan.etcd.members]


class Hosts(Protocol):
    """See `ray_actors.RayActors`."""

    def ask_hosts(
        self, hosts: Iterable[str], work: Callable[..., Any], *arguments: Any, seconds: float
    ) -> dict[str, Any]: ...


def sweep_hosts(plan: ClusterPlan, hosts: Hosts) -> list[str]:
    """End what is left of the store's members on other hosts; one line for each host that does not answer."""
    if plan.etcd is None or plan.spread is None:
        return []
    there = [member.host for member in plan.etcd.members if member.host != plan.spread.master]
    names = [member.name for member in plan.etcd.members]
    answers = hosts.ask_hosts(there, _end_members, plan.name, names, seconds=HOST_SECONDS)
    return [f"etcd on {host}, if it runs there: {why}" for host, why in answers.items() if why is not None]


def _end_members(cluster: str, names: list[str]) -> None:
    """Runs on a host of theirs."""
    from kube_actors.cluster.etcd.process import end
    from kube_actors.cluster.paths import of_cluster

    for name in names:
        asyncio.run(end(of_cluster(cluster).etcd, name))


async def _pods(plan: ClusterPlan) -> list[BaseException | None]:
    outcomes = await asyncio.gather(*(_node(plan, node) for node in plan.nodes), return_exceptions=True)
    if plan.runtime == "docker":
        outcomes += await asyncio.gather(_docker_network(plan), return_exceptions=True)
    return outcomes


async def _node(plan: ClusterPlan, node: NodePlan) -> None:
    if node.proxy:
        from kube_actors.aio.clock import SystemClock
        from kube_actors.network.proxy import make_backend

        await make_backend(wiring.proxy_config(plan, node), SystemClock()).remove()
    from kube_actors.node.volumes.mounted import unmount_below

    runtime = wiring.make_runtime(plan, node)
    await runtime.start()
    try:
        pods = await runtime.list_pods()
        await asyncio.gather(*(runtime.stop_sandbox(pod.sandbox_id) for pod in pods))
        for pod in pods:
            await runtime.remove_sandbox(pod.sandbox_id)
    finally:
        await runtime.stop()
    # What pods have on disk stays for their next start; what they have in memory does not.
    await unmount_below(plan.paths.node(node.name))


async def _docker_network(plan: ClusterPlan) -> None:
    from kube_actors.node.runtime.docker import Engine
    from kube_actors.node.runtime.docker.network import remove_network

    engine = Engine(None)
    await engine.start()
    try:
        await remove_network(engine, wiring.pod_network(plan))
    finally:
        await engine.stop()
