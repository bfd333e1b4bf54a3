"""File systems in memory, one a volume: what lies there is never on a disk, and is gone after a reboot.

A node that may not mount (it is not root, or lacks CAP_SYS_ADMIN), or whose engine does not see what it mounts, keeps
such volumes on its disk, and the log says so.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable
from pathlib import Path

import structlog

from kube_actors.node.runtime.process.shim import kernel
from kube_actors.node.volumes.ownership import ENTERED, WRITTEN
from kube_actors.node.volumes.payload import VolumeFailure

log = structlog.get_logger(__name__)

# Linux' own default: any user of a pod may write, and remove what is his.
MODE = 0o1777
NO_SWAP = "noswap"
_SWAPS = Path("/proc/swaps")

# Whether containers get what is mounted on a folder: `Runtime.sees`.
Seen = Callable[[Path], bool]
# source, target, kind, flags, options; see mount(2). Raises OSError.
Mount = Callable[[str, str, str, int, str], None]
Unmount = Callable[[str], None]


def options(size: int, group: int | None, *, no_swap: bool) -> str:
    """Owner and mode too, so that a volume is whole the moment it is there. `size` 0: half of the memory, Linux' own.

    4096, 2000, swap allowed    ->    mode=3777,gid=2000,size=4096
    """
    mode = MODE if group is None else MODE | stat.S_ISGID | WRITTEN | ENTERED
    chosen = [f"mode={mode:o}"]
    if group is not None:
        chosen.append(f"gid={group}")
    if size:
        chosen.append(f"size={size}")
    return ",".join([*chosen, NO_SWAP] if no_swap else chosen)


class Tmpfs:
    """Mounts them for one node."""

    def __init__(self, seen: Seen, mount: Mount = kernel.mount, unmount: Unmount = kernel.unmount) -> None:
        self._seen, self._mount, self._unmount = seen, mount, unmount
        # Until the kernel says that it knows no such option: it came with Linux 6.4.
        self._no_swap = True
        self._told = False

    def cover(self, folder: Path, size: int, group: int | None) -> bool:
        """Mount one there, unless there is one; False where this node may not. Raises VolumeFailure."""
        if folder.is_mount():
            return True
        try:
            self._try(folder, size, group)
        except PermissionError as error:
            self._tell(f"the node may not mount: {error.strerror}")
            return False
        except OSError as error:
            raise VolumeFailure(f"cannot mount a tmpfs: {error.strerror}") from error
        return self._is_seen(folder)

    def _is_seen(self, folder: Path) -> bool:
        """What containers do not get is undone."""
        seen = False
        try:
            seen = self._seen(folder)
        except OSError as error:
            raise VolumeFailure(f"the container engine cannot be reached: {error.strerror}") from error
        finally:
            if not seen:
                self._unmount(str(folder))
        if not seen:
            self._tell("the container engine does not see the node's mounts")
        return seen

    def _try(self, folder: Path, size: int, group: int | None) -> None:
        try:
            self._mount("tmpfs", str(folder), "tmpfs", 0, options(size, group, no_swap=self._no_swap))
        except OSError as error:
            if error.errno != errno.EINVAL or not self._no_swap:
                raise
            self._mount("tmpfs", str(folder), "tmpfs", 0, options(size, group, no_swap=False))
            self._no_swap = False
            if has_swap(_SWAPS.read_text()):
                log.warning("volumes in memory may be swapped to the disk: this kernel has no option against it")

    def _tell(self, why: str) -> None:
        if not self._told:
            self._told = True
            log.warning("secrets and volumes in memory are on the disk", why=why)


def has_swap(swaps: str) -> bool:
    """Whether /proc/swaps lists anything below its heading."""
    return len(swaps.strip().splitlines()) > 1
