"""hostPath volumes: what is on the node already, checked or made by `type`."""

from __future__ import annotations

import stat
from pathlib import Path

from kube_actors.api import Obj
from kube_actors.node.volumes.context import VolumeContext
from kube_actors.node.volumes.payload import VolumeFailure

_CHECKS = {
    "Directory": (stat.S_ISDIR, "is not a directory"),
    "File": (stat.S_ISREG, "is not a file"),
    "Socket": (stat.S_ISSOCK, "is not a socket file"),
    "CharDevice": (stat.S_ISCHR, "is not a character device"),
    "BlockDevice": (stat.S_ISBLK, "is not a block device"),
}


async def set_up(context: VolumeContext, source: Obj) -> Path:
    return check(Path(str(source["path"])), str(source.get("type") or ""))


def check(path: Path, kind: str) -> Path:
    """The path, made where `kind` wants it. Raises VolumeFailure where it is of another kind."""
    try:
        if kind == "DirectoryOrCreate" and not path.exists():
            path.mkdir(mode=0o755, parents=True)
        elif kind == "FileOrCreate" and not path.exists():
            # In a folder that is there: kubelet makes none for it.
            path.touch(mode=0o644)
    except OSError as error:
        raise VolumeFailure(f"open {path}: {str(error.strerror).lower()}") from error
    rule = _CHECKS.get(kind.removesuffix("OrCreate"))
    if rule is not None and not rule[0](_mode(path)):
        raise VolumeFailure(f"hostPath type check failed: {path} {rule[1]}")
    return path


def _mode(path: Path) -> int:
    """0 for what is not there."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0
