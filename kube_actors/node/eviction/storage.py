"""Disk use of pods' emptyDirs, and which of them have outgrown their limit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from kube_actors.api import Obj, quantity


def disk_use(folder: Path) -> int:
    """The bytes of all files below, as they lie on the disk. What goes while it is measured is left out."""
    total = 0
    for directory, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(directory, name)).st_blocks * 512
            except OSError:
                continue
    return total


def limited_volumes(pod: Obj) -> Iterable[tuple[str, str]]:
    """(name, limit) of the emptyDirs with a sizeLimit that lie on the disk; those in memory are full by themselves."""
    for volume in pod["spec"].get("volumes") or ():
        source = volume.get("emptyDir")
        if source and source.get("sizeLimit") and source.get("medium") != "Memory":
            yield str(volume["name"]), str(source["sizeLimit"])


def outgrown(pod: Obj, volumes: Path) -> str:
    """Why the pod has to go, empty where it has not. `volumes` is the pod's folder of volumes."""
    for name, limit in limited_volumes(pod):
        if disk_use(volumes / name) > quantity.to_int(limit):
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
    return ""
