"""Which groups there are and what is written into their files. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from kube_actors.node.runtime.interface import CPU_PERIOD_US, MAX_SHARES, MIN_SHARES, Limits

PARENT = "kube-actors"
KUBEPODS = "kubepods"
BURSTABLE, BEST_EFFORT = "burstable", "besteffort"
# Of the classes of pods that have a group of their own; those of Guaranteed pods stand beside these.
CLASSES = {"Burstable": BURSTABLE, "BestEffort": BEST_EFFORT}


def domain_of(cluster: str, node: str, place: str) -> str:
    """The name of a node's own group. `place` tells nodes of one name apart: where they keep their containers."""
    digest = hashlib.sha256(f"{cluster}\0{node}\0{place}".encode()).hexdigest()[:8]
    return f"{cluster}-{node}-{digest}"


def kubepods(domain: str) -> PurePosixPath:
    """From the root of a hierarchy, as all paths here."""
    return PurePosixPath(PARENT, domain, KUBEPODS)


def class_path(domain: str, qos_class: str) -> PurePosixPath:
    """The group in which those of the class's pods stand."""
    return kubepods(domain) / CLASSES.get(qos_class, "")


def pod_name(uid: str) -> str:
    return f"pod{uid}"


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
