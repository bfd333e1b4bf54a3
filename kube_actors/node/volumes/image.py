"""Image volumes: only the place for them. Their images come with the containers that mount them: `images/volume.py`."""

from __future__ import annotations

from pathlib import Path

from kube_actors.api import Obj
from kube_actors.node.volumes.context import VolumeContext


async def set_up(context: VolumeContext, source: Obj) -> Path:
    if not context.path.is_symlink():
        context.path.mkdir(parents=True, exist_ok=True)
    return context.path
