"""Defaults of claims, which StatefulSets hold, too."""

from __future__ import annotations

from kube_actors.api import Obj


def claim(obj: Obj) -> None:
    """Defaults of a PersistentVolumeClaim, also of one in a StatefulSet's templates."""
    obj.setdefault("status", {}).setdefault("phase", "Pending")
    obj.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
