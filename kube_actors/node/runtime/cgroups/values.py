"""Which groups there are and what is written into their files. Pure."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from kube_actors.node.runtime.interface import CPU_PERIOD_US, MAX_SHARES, MIN_SHARES, Limits

PARENT = "kube-actors"
KUBEPODS = "kubepods"
KUBEPODS_DEPTH = 3
BURSTABLE, BEST_EFFORT = "burstable", "besteffort"
# Made to see whether it can be.
PROBE = "probe"
# Of the classes of pods that have a group of their own; those of Guaranteed pods stand beside these.
CLASSES = {"Burstable": BURSTABLE, "BestEffort": BEST_EFFORT}
QOS_CLASSES = ("Guaranteed", *CLASSES)
# What names of clusters and nodes may take of the name of a slice, which has up to 255 characters.
READABLE = 150
# systemd's word for no limit, and the steps in which it keeps a quota: hundredths of a core.
INFINITY = (1 << 64) - 1
QUOTA_STEP_US = 10_000


def domain_of(cluster: str, node: str, place: str) -> str:
    """The name of a node's own group. `place` tells nodes of one name apart: where they keep their containers."""
    digest = hashlib.sha256(f"{cluster}\0{node}\0{place}".encode()).hexdigest()[:8]
    return f"{f'{cluster}-{node}'[:READABLE]}-{digest}"


def kubepods(domain: str) -> PurePosixPath:
    """From the root of a hierarchy, as all paths here."""
    return PurePosixPath(PARENT, domain, KUBEPODS)


def class_path(domain: str, qos_class: str) -> PurePosixPath:
    """The group in which those of the class's pods stand."""
    return kubepods(domain) / CLASSES.get(qos_class, "")


def pod_name(uid: str) -> str:
    return f"pod{uid}"


def shares_of_parent(path: PurePosixPath) -> int | None:
    """Of a group above those of pods. None: as it comes, or what its pods have together."""
    if len(path.parts) <= KUBEPODS_DEPTH:
        return 1024 * (os.cpu_count() or 1)
    return MIN_SHARES if path == class_path(path.parts[1], "BestEffort") else None


def slice_of(path: PurePosixPath) -> str:
    """The systemd unit that stands for a group, in which dashes tell what is above it.

    A node's own stands at the root: one that nodes share could not be removed while another node looks at it.
    """
    top, domain, *below = path.parts
    return "-".join(map(_escaped, (f"{top}-{domain}", *below))) + ".slice"


def name_of_slice(unit: str) -> str:
    """The last part of the path that the slice stands for."""
    return unit.removesuffix(".slice").rpartition("-")[2].replace("_", "-").replace("\\x5f", "_")


def slices_to(path: PurePosixPath) -> list[PurePosixPath]:
    """The groups that are slices, from a node's own down to the path."""
    return [PurePosixPath(*path.parts[:length]) for length in range(2, len(path.parts) + 1)]


def slice_folder(path: PurePosixPath) -> PurePosixPath:
    """Where the group that a slice stands for is."""
    return PurePosixPath(*map(slice_of, slices_to(path)))


def _escaped(name: str) -> str:
    """As kubelet, and what it cannot meet as systemd."""
    return name.replace("_", "\\x5f").replace("-", "_")


def slice_weight(shares: int) -> dict[str, int]:
    """Shares alone, by property."""
    return {"CPUWeight": weight_of(shares)}


def slice_limits(limits: Limits) -> dict[str, int]:
    """By property, all limits, also those that are none."""
    memory = limits.memory_bytes or INFINITY
    quota = limits.cpu_quota_us * 1_000_000 // CPU_PERIOD_US
    return {
        **slice_weight(limits.cpu_shares),
        "CPUQuotaPerSecUSec": -(-quota // QUOTA_STEP_US) * QUOTA_STEP_US or INFINITY,
        "CPUQuotaPeriodUSec": CPU_PERIOD_US,
        "MemoryMax": memory,
        "MemorySwapMax": 0 if limits.memory_bytes else INFINITY,
    }


def weight_of(shares: int) -> int:
    """Weights of version 2 run from 1 to 10000 where shares run from 2 to 262144 (KEP-2254)."""
    return 1 + (max(MIN_SHARES, min(shares, MAX_SHARES)) - 2) * 9999 // 262142


def shares_of_weight(weight: int) -> int:
    """The fewest shares that have the weight."""
    return MIN_SHARES + -(-(weight - 1) * 262142 // 9999)


def shares_of_class(pods: Iterable[int]) -> int:
    """What a class has for its pods together."""
    return max(MIN_SHARES, min(sum(pods), MAX_SHARES))


def v2_values(limits: Limits) -> dict[str, str]:
    """By file, all limits, also those that are none."""
    quota, memory = limits.cpu_quota_us or "max", limits.memory_bytes
    return {
        "cpu.weight": str(weight_of(limits.cpu_shares)),
        "cpu.max": f"{quota} {CPU_PERIOD_US}",
        "memory.max": str(memory or "max"),
        # Kubernetes counts memory without swap.
        "memory.swap.max": "0" if memory else "max",
    }


def v1_values(limits: Limits) -> dict[str, dict[str, str]]:
    """The same by controller."""
    cpu = {
        "cpu.shares": str(max(MIN_SHARES, limits.cpu_shares)),
        "cpu.cfs_period_us": str(CPU_PERIOD_US),
        "cpu.cfs_quota_us": str(limits.cpu_quota_us or -1),
    }
    return {"cpu": cpu, "memory": {"memory.limit_in_bytes": str(limits.memory_bytes or -1)}}


def share_values(shares: int) -> Mapping[str, str]:
    """Shares alone, by file; a group has one of the two."""
    return {"cpu.weight": str(weight_of(shares)), "cpu.shares": str(shares)}
