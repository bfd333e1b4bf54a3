"""Volumes made of objects: an emptyDir, on disk or in memory, that shows a payload."""

from __future__ import annotations

from pathlib import Path

from kube_actors.node.volumes import empty_dir
from kube_actors.node.volumes.atomic_writer import write_atomically
from kube_actors.node.volumes.context import VolumeContext
from kube_actors.node.volumes.nested import make_mount_points
from kube_actors.node.volumes.ownership import group_of
from kube_actors.node.volumes.payload import Payload


async def show(context: VolumeContext, payload: Payload, *, medium: str) -> Path:
    """Make or refresh the volume; answers its path. Raises VolumeFailure or OSError."""
    path = await empty_dir.set_up(context, {"medium": medium})
    make_mount_points(path, context.pod, context.name)
    write_atomically(path, payload, group_of(context.pod))
    return path
