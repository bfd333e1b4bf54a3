"""The priority classes of system pods."""

from __future__ import annotations

from kube_actors.api.kinds.priority_class import SYSTEM_CLASSES
from kube_actors.api.resources import builtin
from kube_actors.apiserver.bootstrap.writing import First

_PRIORITY_CLASSES = builtin("scheduling.k8s.io/v1", "priorityclasses")
_DESCRIPTIONS = {
    "system-node-critical": "Used for system critical pods that must not be moved from their current node.",
    "system-cluster-critical": "Used for system critical pods that must run in the cluster, but can be moved to "
    "another node if necessary.",
}


def objects() -> list[First]:
    return [
        First(
            _PRIORITY_CLASSES,
            {"metadata": {"name": name}, "value": value, "description": _DESCRIPTIONS[name]},
        )
        for name, value in SYSTEM_CLASSES.items()
    ]
