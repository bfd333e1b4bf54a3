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
        if kind == "DirectoryOrCreate":
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
        elif kind == "FileOrCreate":
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            path.touch(mode=0o644)
        rule = _CHECKS.get(kind.removesuffix("OrCreate") if kind else "")
        if rule is not None and not rule[0](path.stat().st_mode):
            raise VolumeFailure(f"hostPath type check failed: {path} {rule[1]}")
    except OSError as error:
        reason = _CHECKS.get(kind.removesuffix("OrCreate"), (None, error.strerror))[1]
        raise VolumeFailure(f"hostPath type check failed: {path} {reason}") from error
    return path
