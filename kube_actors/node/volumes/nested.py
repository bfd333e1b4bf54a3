"""Volumes that are mounted inside of others. A volume made of objects is read-only for containers, and no engine can
make a mount point there: the node does, as pkg/volume/util/nested_volumes.go does it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path

from kube_actors.api import Obj
from kube_actors.node.pods.view import specs


def mount_points_in(pod: Obj, volume: str) -> set[str]:
    """Where in the volume the pod's containers mount others, relative to it. What is deeper is in those.

    v at /etc/app, w at /etc/app/a/b, x at /etc/app/a/b/c    ->    a/b
    """
    return {inside for container, _ in specs(pod) for inside in _in_container(container, volume)}


def make_mount_points(folder: Path, pod: Obj, volume: str) -> None:
    """Raises OSError."""
    for each in mount_points_in(pod, volume):
        (folder / each).mkdir(parents=True, exist_ok=True)


def _in_container(container: Obj, volume: str) -> Iterator[str]:
    mounts = container.get("volumeMounts") or ()
    points = sorted(posixpath.normpath(each["mountPath"]) for each in mounts)
    for mount in mounts:
        # A part of a volume (subPath) has its mount points where that part is, which is not known here.
        if mount["name"] != volume or mount.get("subPath") or mount.get("subPathExpr"):
            continue
        own = posixpath.normpath(mount["mountPath"]) + "/"
        found: list[str] = []
        for point in points:
            if point.startswith(own) and not any(point.startswith(f"{each}/") for each in found):
                found.append(point)
        yield from (point.removeprefix(own) for point in found)
