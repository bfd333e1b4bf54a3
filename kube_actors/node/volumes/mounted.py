"""What is mounted below a folder of the node, from /proc/self/mountinfo."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

_ESCAPE = re.compile(r"\\([0-7]{3})")


def mount_points(mountinfo: str, below: Path) -> list[Path]:
    """The mount points in and below the folder, in the order in which they have to be unmounted.

    36 35 98:0 /mnt1 /a\\040folder rw,noatime master:1 - ext3 /dev/root rw    ->    /a folder
    """
    found = [Path(_plain(line.split(" ")[4])) for line in mountinfo.splitlines()]
    return [each for each in reversed(found) if each.is_relative_to(below)]


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)


def _mounted(folder: Path) -> list[Path]:
    return mount_points(Path("/proc/self/mountinfo").read_text(), folder.resolve())


async def unmount_below(folder: Path) -> None:
    """Raises OSError where something stays mounted: what is removed then would be the files of others."""
    for path in await asyncio.to_thread(_mounted, folder):
        process = await asyncio.create_subprocess_exec("umount", str(path), stderr=asyncio.subprocess.PIPE)
        _, error = await process.communicate()
        if process.returncode:
            raise OSError(f"cannot unmount {path}: {error.decode(errors='replace').strip()}")
