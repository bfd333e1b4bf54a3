"""fsGroup: the files of a volume belong to the pod's group, as pkg/volume/volume_linux.go sets it.

files         rw-rw---- at least; of a volume that is only read r--r-----
directories   the same with x, and setgid: what is made in them is the group's too
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from kube_actors.api import Obj

WRITTEN, READ, ENTERED = 0o660, 0o440, 0o110
ON_ROOT_MISMATCH = "OnRootMismatch"


def may_give() -> bool:
    """Whether this node may give files to others: one that is not root cannot."""
    return os.geteuid() == 0


def group_of(pod: Obj) -> int | None:
    """The pod's fsGroup."""
    group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
    return None if group is None else int(group)


def user_of(pod: Obj) -> int | None:
    """The user as whom all containers run, if there is one and all name it (FsUserFrom of kubelet)."""
    shared = (pod["spec"].get("securityContext") or {}).get("runAsUser")
    containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
    own = [(each.get("securityContext") or {}).get("runAsUser") for each in containers]
    users = {shared if each is None else each for each in own}
    user = users.pop()
    return None if users or user is None else int(user)


def give(root: Path, group: int | None, *, read_only: bool = False, policy: str = "Always") -> None:
    """Give a volume to the group, whole; with OnRootMismatch only where its top is not the group's yet."""
    if group is None or not may_give() or (policy == ON_ROOT_MISMATCH and _is_given(root, group)):
        return
    for path in _all(root):
        status = path.lstat()
        os.lchown(path, -1, group)
        if not stat.S_ISLNK(status.st_mode):
            path.chmod(stat.S_IMODE(status.st_mode) | _least(status.st_mode, read_only))


def _is_given(root: Path, group: int) -> bool:
    status = root.stat()
    least = _least(status.st_mode, read_only=False)
    return stat.S_ISDIR(status.st_mode) and status.st_gid == group and status.st_mode & least == least


def _least(mode: int, read_only: bool) -> int:
    least = READ if read_only else WRITTEN
    return least | ENTERED | stat.S_ISGID if stat.S_ISDIR(mode) else least


def _all(root: Path) -> Iterator[Path]:
    """What lies in the volume, the top last: a walk that was cut short is not taken for one that is done."""
    for directory, folders, files in os.walk(root, topdown=False):
        for name in (*folders, *files):
            yield Path(directory, name)
    yield root
