"""Labels of nodes that have a newer name."""

from __future__ import annotations

from collections.abc import Iterable

_RENAMED = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
}


def renamed(keys: Iterable[str], path: str) -> list[str]:
    """`PATH[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead`."""
    return [f"{path}[{key}]: {text}" for key in keys if (text := advice(key))]


def advice(key: str) -> str:
    """Empty for a label that is in use."""
    if key not in _RENAMED:
        return ""
    since, instead = _RENAMED[key]
    return f'deprecated since {since}; use "{instead}" instead'
