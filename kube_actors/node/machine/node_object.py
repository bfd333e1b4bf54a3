"""The Node object and its status, as pure functions of the machine, the settings and what was observed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.api.quantity import canonical, compare, sub, to_int
from kube_actors.node.config import KUBELET_VERSION, NodeConfig
from kube_actors.node.eviction.signals import MEMORY, NODE_FS, Level
from kube_actors.node.eviction.thresholds import parse as parse_thresholds
from kube_actors.node.machine.facts import Machine
from kube_actors.node.runtime.interface import Image

# Kubernetes shows this many images of a node, the largest first.
MAX_IMAGES = 50
MAX_NAMES = 5
# Reason and message of each condition of pressure, when it holds and when it does not.
PRESSURES = {
    "MemoryPressure": (
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ),
    "DiskPressure": (
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ),
    "PIDPressure": (
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ),
}
# What kubelet calls a condition's new status in an event.
NEWS = {
    "MemoryPressure": {"True": "NodeHasInsufficientMemory", "False": "NodeHasSufficientMemory"},
    "DiskPressure": {"True": "NodeHasDiskPressure", "False": "NodeHasNoDiskPressure"},
    "PIDPressure": {"True": "NodeHasInsufficientPID", "False": "NodeHasSufficientPID"},
    "Ready": {"True": "NodeReady", "False": "NodeNotReady"},
}


@dataclass(frozen=True, slots=True)
class Observed:
    """What the agent knows at the moment. `problem`: why the node is not ready, empty where it is."""

    now: float
    port: int
    runtime_version: str
    problem: str = ""
    images: tuple[Image, ...] = ()
    # Conditions of pressure that hold: MemoryPressure, DiskPressure, PIDPressure.
    pressures: frozenset[str] = frozenset()
    # Of devices: how many there are, how many may be given, what labels tell of them (None: no such label).
    device_capacity: Mapping[str, str] = field(default_factory=dict)
    device_allocatable: Mapping[str, str] = field(default_factory=dict)
    device_labels: Mapping[str, str | None] = field(default_factory=dict)


def capacity_of(config: NodeConfig, machine: Machine) -> dict[str, str]:
    """status.capacity: what was measured, then what the settings say."""
    measured = {
        "cpu": str(machine.cpus),
        "ephemeral-storage": f"{machine.disk // 1024}Ki",
        "memory": f"{machine.memory // 1024}Ki",
        "pods": str(config.max_pods),
    }
    return measured | {name: canonical(amount) for name, amount in config.capacity.items()}


def allocatable_of(config: NodeConfig, capacity: Mapping[str, str]) -> dict[str, str]:
    """status.allocatable: the capacity less what is reserved and what eviction keeps free, never less than nothing."""
    result = dict(capacity)
    for name, amount in (*config.reserved.items(), *_kept_free(config, capacity)):
        if name in result:
            result[name] = sub(result[name], amount) if compare(result[name], amount) > 0 else "0"
    return result


def _kept_free(config: NodeConfig, capacity: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The hard thresholds of eviction, as kubelet's GetNodeAllocatableReservation: what pods get is not below them."""
    for threshold in parse_thresholds(config.eviction_hard):
        resource = {MEMORY: "memory", NODE_FS: "ephemeral-storage"}.get(threshold.signal, "")
        if resource in capacity:
            whole = to_int(capacity[resource])
            yield resource, str(threshold.value(Level(whole, whole)))


def labels_of(config: NodeConfig, machine: Machine) -> dict[str, str]:
    system = {
        "beta.kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/os": machine.os,
        "kubernetes.io/arch": machine.architecture,
        "kubernetes.io/hostname": config.name,
        "kubernetes.io/os": machine.os,
    }
    return system | dict(config.labels)


def node_object(config: NodeConfig, machine: Machine, observed: Observed) -> Obj:
    """The Node to create."""
    spec: Obj = {}
    if config.pod_cidr:
        spec |= {"podCIDR": config.pod_cidr, "podCIDRs": [config.pod_cidr]}
    if config.taints:
        spec["taints"] = [dict(each) for each in config.taints]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": config.name,
            "labels": labels_of(config, machine) | {key: text for key, text in observed.device_labels.items() if text},
            "annotations": dict(config.annotations),
        },
        "spec": spec,
        "status": node_status(config, machine, observed, {}),
    }


def node_status(config: NodeConfig, machine: Machine, observed: Observed, old: Obj) -> Obj:
    """The node's status. Extended resources that others have added to the old capacity stay."""
    capacity = (old.get("capacity") or {}) | capacity_of(config, machine) | dict(observed.device_capacity)
    allocatable = allocatable_of(config, capacity) | dict(observed.device_allocatable)
    status: Obj = {
        "addresses": [
            {"type": "InternalIP", "address": config.advertise_address},
            {"type": "Hostname", "address": config.name},
        ],
        "capacity": capacity,
        "allocatable": allocatable,
        "conditions": conditions_of(observed, old.get("conditions") or []),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": observed.port}},
        "images": images_of(observed.images),
        "nodeInfo": {
            "architecture": machine.architecture,
            "bootID": machine.boot_id,
            "containerRuntimeVersion": observed.runtime_version,
            "kernelVersion": machine.kernel,
            "kubeProxyVersion": "",
            "kubeletVersion": KUBELET_VERSION,
            "machineID": machine.machine_id,
            "operatingSystem": machine.os,
            "osImage": machine.os_image,
            "systemUUID": machine.system_uuid,
        },
    }
    return status


def changed_labels(node: Obj, wanted: Mapping[str, str | None]) -> dict[str, str | None]:
    """Those of the wanted labels that the Node does not have so; None: to be taken away."""
    present = node["metadata"].get("labels") or {}
    return {name: text for name, text in wanted.items() if present.get(name) != text}


def conditions_of(observed: Observed, old: Sequence[Obj]) -> list[Obj]:
    """The node's own conditions, then those that others wrote."""
    ready = ("Ready", "True", "KubeletReady", "kubelet is posting ready status")
    if observed.problem:
        ready = ("Ready", "False", "KubeletNotReady", observed.problem)
    rows = (*(_pressure(kind, observed.pressures) for kind in PRESSURES), ready)
    now = rfc3339(observed.now)
    known = {str(each["type"]): each for each in old}
    mine = []
    for kind, status, reason, message in rows:
        before = known.get(kind, {})
        since = before.get("lastTransitionTime") if before.get("status") == status else now
        mine.append(
            {
                "type": kind,
                "status": status,
                "lastHeartbeatTime": now,
                "lastTransitionTime": since or now,
                "reason": reason,
                "message": message,
            }
        )
    own = {row[0] for row in rows}
    return mine + [each for each in old if each["type"] not in own]


def _pressure(kind: str, pressures: Collection[str]) -> tuple[str, str, str, str]:
    """A condition as (type, status, reason, message)."""
    held, free = PRESSURES[kind]
    return (kind, "True", *held) if kind in pressures else (kind, "False", *free)


def news_of(before: Obj, node: Obj, *, first: bool) -> list[str]:
    """Reasons of the events about what has changed; at the agent's `first` word all pressures are news."""
    then, now = _statuses(before), _statuses(node)
    if first:
        then = {kind: status for kind, status in then.items() if kind not in PRESSURES}
    changed = (kind for kind in NEWS if now.get(kind) != then.get(kind) and (kind in then or kind in PRESSURES))
    return [reason for kind in changed if (reason := NEWS[kind].get(now.get(kind, "")))]


def _statuses(node: Obj) -> dict[str, str]:
    return {each["type"]: each["status"] for each in (node.get("status") or {}).get("conditions") or ()}


def boot_id(node: Obj) -> str:
    """Which start of the machine a Node tells of; empty where it does not."""
    return str(((node.get("status") or {}).get("nodeInfo") or {}).get("bootID") or "")


def images_of(images: Sequence[Image]) -> list[Obj]:
    """The largest first; names in registries before tags."""
    named = sorted(
        ((each.digests + each.names, each.size_bytes) for each in images if each.digests or each.names),
        key=lambda each: each[1],
        reverse=True,
    )
    return [{"names": list(names[:MAX_NAMES]), "sizeBytes": size} for names, size in named[:MAX_IMAGES]]


def same_but_for_heartbeat(one: Obj, other: Obj) -> bool:
    """Whether two statuses differ in nothing but the time of the heartbeat."""

    def quiet(status: Obj) -> Obj:
        conditions = [
            {key: value for key, value in each.items() if key != "lastHeartbeatTime"}
            for each in status.get("conditions") or ()
        ]
        return {key: value for key, value in status.items() if value} | {"conditions": conditions}

    return quiet(one) == quiet(other)
