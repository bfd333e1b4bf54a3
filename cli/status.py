"""kactl status: the components, actor by actor."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING, Any

from kube_actors.cluster import backups, paths, record
from kube_actors.cluster.desired import Health
from kube_actors.cluster.record import RUNNING

from . import session, table
from .failure import NO_CLUSTER, Failure
from .progress import Progress
from .up import announce

if TYPE_CHECKING:
    from kube_actors.cluster.etcd.status import MemberReport

STORE_HEADER = ["MEMBER", "ADDRESS", "HEALTH", "ROLE", "DB SIZE", "VERSION", "DETAIL"]


def run(arguments: argparse.Namespace) -> int:
    """The exit code is 1 where a component does not run."""
    found = record.read(paths.of_cluster(session.cluster_name(arguments)))
    if found is None or not found.live:
        raise Failure(NO_CLUSTER)
    components = _components(found)
    members = [dataclasses.asdict(each) for each in _store_members(found)]
    well = found.phase == RUNNING and all(each["state"] == Health.RUNNING.value for each in components)
    well = well and all(each["healthy"] for each in members)
    if arguments.output == "json":
        ray = {"address": found.ray.address, "dashboard": found.ray.dashboard} if found.ray else None
        summary = {"cluster": found.name, "phase": found.phase, "components": components, "ray": ray}
        if members:
            summary["store"] = members
        if found.plan.backup is not None:
            status = dataclasses.asdict(backups.read_status(found.plan.paths.backup_status))
            summary["backups"] = {**dataclasses.asdict(found.plan.backup), **status}
        print(json.dumps(summary, indent=4))
        return 0 if well else 1
    if found.phase == RUNNING:
        announce(found)
        if found.plan.backup is not None:
            print(f"{'Backups:':<15}{backups.describe(backups.read_status(found.plan.paths.backup_status))}")
    else:
        print(f"Cluster {found.name} is {found.phase}")
    if components:
        header = ["COMPONENT", "NODE", "STATE", "PID", "RESTARTS", "DETAIL"]
        rows = [
            [str(each[key]) for key in ("kind", "node", "state", "pid", "restarts", "detail")] for each in components
        ]
        print()
        print("\n".join(line.rstrip() for line in table.aligned([header, *rows])))
    if members:
        print()
        print("\n".join(line.rstrip() for line in table.aligned([STORE_HEADER, *map(_store_row, members)])))
    return 0 if well else 1


def _store_members(found: record.ClusterRecord) -> list[MemberReport]:
    """The members of an etcd; none for the embedded engine."""
    if found.plan.etcd is None and found.plan.external is None:
        return []
    from kube_actors.cluster import ray_cluster

    with Progress("Asking the store"):
        return ray_cluster.store_status(found)


def _store_row(member: dict[str, Any]) -> list[str]:
    health = "healthy" if member["healthy"] else "unhealthy"
    size = f"{member['db_size'] / (1 << 20):.1f} MiB" if member["version"] else ""
    return [member["name"], member["address"], health, member["role"], size, member["version"], member["detail"]]


def _components(found: record.ClusterRecord) -> list[dict[str, Any]]:
    """One entry an actor; none for an embedded cluster, whose components are one process."""
    if found.ray is None:
        return []
    from kube_actors.cluster import ray_cluster

    with Progress("Asking Ray"):
        seen = ray_cluster.status(found)
    return [
        {
            "kind": "/".join((spec.kind, *spec.arguments)),
            "node": spec.node,
            "state": how.health.value,
            "pid": how.pid,
            "restarts": how.restarts,
            "detail": how.error,
        }
        for spec, how in seen
    ]
