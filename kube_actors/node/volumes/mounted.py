"""Mounting, unmounting, and what is mounted below a folder of the node, from /proc/self/mountinfo."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from kube_actors.node.runtime.process.shim import kernel
from kube_actors.node.volumes.payload import VolumeFailure

_ESCAPE = re.compile(r"\\([0-7]{3})")


def mount_points(mountinfo: str, below: Path) -> list[Path]:
    """The mount points in and below the folder, in the order in which they have to be unmounted.

    36 35 98:0 /mnt1 /a\\040folder rw,noatime master:1 - ext3 /dev/root rw    ->    /a folder
    """
    # Texts, not paths: a machine may have thousands of mounts.
    top, inside = str(below), f"{str(below).rstrip('/')}/"
    found = [_plain(line.split(" ", 5)[4]) for line in mountinfo.splitlines()]
    return [Path(each) for each in reversed(found) if each == top or each.startswith(inside)]


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text) if "\\" in text else text


def _mounted_below(folder: Path) -> list[Path]:
    return mount_points(Path("/proc/self/mountinfo").read_text(), folder.resolve())


async def is_mounted(path: Path) -> bool:
    """Not `Path.is_mount`, which does not see mounts of folders of the same file system."""
    return bool(await asyncio.to_thread(_mounted_below, path))


async def unmount_below(folder: Path) -> None:
    """Raises OSError where something stays mounted: what is removed then would be the files of others."""
    for path in await asyncio.to_thread(_mounted_below, folder):
        await asyncio.to_thread(kernel.unmount, str(path))


async def mount(what: str, *arguments: str) -> None:
    """Raises VolumeFailure, which names `what`."""
    if complaint := await _complaint("mount", *arguments):
        raise VolumeFailure(f"cannot mount {what}: {complaint}")


async def _complaint(*command: str) -> str:
    """What the command says when it fails."""
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, error = await process.communicate()
    return (error.decode(errors="replace").strip() or f"exit code {process.returncode}") if process.returncode else ""
