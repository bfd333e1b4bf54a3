"""emptyDir volumes: a directory that lives as long as the pod, on disk or in memory."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from kube_actors.api import Obj
from kube_actors.api.quantity import to_int
from kube_actors.node.volumes.context import VolumeContext
from kube_actors.node.volumes.payload import VolumeFailure

MODE = 0o777


async def set_up(context: VolumeContext, source: Obj) -> Path:
    if _make(context.path) and source.get("medium") == "Memory" and os.geteuid() == 0:
        await _mount_tmpfs(context.path, source)
    _open_to_all(context.path, context.group)
    return context.path


def _make(path: Path) -> bool:
    """Whether nothing is mounted there yet."""
    path.mkdir(parents=True, exist_ok=True)
    return not path.is_mount()


def _open_to_all(path: Path, group: int | None) -> None:
    mode = MODE
    if group is not None and os.geteuid() == 0:
        os.chown(path, -1, group)
        mode |= 0o2000
    path.chmod(mode)


async def _mount_tmpfs(path: Path, source: Obj) -> None:
    options = f"size={to_int(source['sizeLimit'])}" if source.get("sizeLimit") else "rw"
    process = await asyncio.create_subprocess_exec(
        "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path), stderr=asyncio.subprocess.PIPE
    )
    _, error = await process.communicate()
    if process.returncode:
        raise VolumeFailure(f"cannot mount a tmpfs: {error.decode(errors='replace').strip()}")
