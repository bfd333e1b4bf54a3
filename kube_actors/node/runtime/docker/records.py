"""What Docker tells about containers, as our records. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kube_actors.node.devices import grants
from kube_actors.node.runtime.docker.names import DEVICES, MODES, RESOLV_CONF, Identity, with_scheme
from kube_actors.node.runtime.docker.spec import SandboxModes, limits_of
from kube_actors.node.runtime.interface import ContainerRecord, ContainerState, DeviceGrant, PodRecord

_STATES = {
    "created": ContainerState.CREATED,
    "running": ContainerState.RUNNING,
    "paused": ContainerState.RUNNING,
    "restarting": ContainerState.RUNNING,
    "removing": ContainerState.EXITED,
    "exited": ContainerState.EXITED,
    "dead": ContainerState.EXITED,
}


def epoch(text: str) -> float:
    """Seconds of Docker's RFC 3339 time with nanoseconds; 0 for the year 1, its "never".

    2026-01-02T03:04:05.123456789Z -> 1767323045.123456
    """
    if not text or text.startswith("0001-"):
        return 0.0
    return dt.datetime.fromisoformat(text).timestamp()


@dataclass(frozen=True, slots=True)
class Inspected:
    """A container of ours: whose it is, and its record or, for a pause container, its part of the pod's."""

    id: str
    identity: Identity
    state: ContainerState
    ip: str
    record: ContainerRecord
    modes: SandboxModes
    # Of a pause container: the file on the engine's machine, and what shall stand in it.
    resolv_conf: str = ""
    resolv_conf_text: str = ""
    devices: tuple[DeviceGrant, ...] = ()
    # The control group in which its own is, as the engine names it; empty: the engine's own choice.
    cgroup_parent: str = ""


def inspected(answer: Mapping[str, Any], identity: Identity) -> Inspected:
    """From Docker's inspect.

    A container that could not be started stays "created" with an exit code for Docker; for a pod it has ended.
    """
    state, labels = answer["State"], answer["Config"]["Labels"] or {}
    created = epoch(answer["Created"])
    kind = _STATES.get(state["Status"], ContainerState.EXITED)
    started, finished = epoch(state["StartedAt"]), epoch(state["FinishedAt"])
    if kind is ContainerState.CREATED and state["ExitCode"]:
        kind, started, finished = ContainerState.EXITED, 0.0, created
    elif kind is ContainerState.RUNNING:
        # Of an earlier run, if it was restarted by hand.
        finished = 0.0
    record = ContainerRecord(
        id=with_scheme(answer["Id"]),
        name=identity.container,
        attempt=identity.attempt,
        state=kind,
        image=identity.image or answer["Config"]["Image"],
        image_id=identity.image_ref or answer["Image"],
        created_at=created,
        started_at=started,
        finished_at=finished,
        exit_code=state["ExitCode"],
        oom_killed=bool(state.get("OOMKilled")),
        error=state.get("Error") or "",
        spec_hash=identity.spec_hash,
        limits=limits_of(answer["HostConfig"]) if answer.get("HostConfig") else None,
    )
    return Inspected(
        id=answer["Id"],
        identity=identity,
        state=kind,
        ip=address(answer),
        record=record,
        modes=SandboxModes.parse(labels.get(MODES, "")),
        resolv_conf=answer.get("ResolvConfPath") or "",
        resolv_conf_text=labels.get(RESOLV_CONF, ""),
        devices=grants.decode(labels.get(DEVICES, "")),
        cgroup_parent=(answer.get("HostConfig") or {}).get("CgroupParent") or "",
    )


def address(answer: Mapping[str, Any]) -> str:
    """The IPv4 address of a pause container; empty without a network of its own or while it does not run."""
    networks = (answer.get("NetworkSettings") or {}).get("Networks") or {}
    for network in networks.values():
        # The address it was given is known even while it does not run.
        wanted = ((network or {}).get("IPAMConfig") or {}).get("IPv4Address")
        if found := (network or {}).get("IPAddress") or wanted:
            return str(found)
    return ""


def pods(containers: Iterable[Inspected]) -> list[PodRecord]:
    """One record a pod: its newest sandbox, and the containers of all its sandboxes.

    Containers of an older sandbox are told too, because logs of a previous run are asked for after a sandbox was
    replaced. A pod whose sandbox is gone is still told while containers of it exist: they have to be removed.
    """
    by_uid: dict[str, list[Inspected]] = {}
    for container in containers:
        by_uid.setdefault(container.identity.pod_uid, []).append(container)
    return [_pod(members) for members in by_uid.values()]


def _pod(members: list[Inspected]) -> PodRecord:
    sandboxes = sorted(
        (member for member in members if member.identity.is_sandbox),
        key=lambda member: (member.identity.attempt, member.record.created_at),
    )
    runs = sorted(
        (member.record for member in members if not member.identity.is_sandbox),
        key=lambda record: (record.created_at, record.attempt),
    )
    newest = sandboxes[-1] if sandboxes else None
    identity = (newest or members[0]).identity
    return PodRecord(
        sandbox_id=with_scheme(newest.id) if newest else "",
        namespace=identity.pod_namespace,
        name=identity.pod_name,
        uid=identity.pod_uid,
        attempt=newest.identity.attempt if newest else 0,
        ready=newest is not None and newest.state is ContainerState.RUNNING,
        ip=newest.ip if newest else "",
        created_at=newest.record.created_at if newest else 0.0,
        containers=tuple(runs),
        devices=newest.devices if newest else (),
    )
