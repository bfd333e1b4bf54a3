"""configMap volumes."""

from __future__ import annotations

from pathlib import Path

from kube_actors.api import Obj
from kube_actors.node.volumes.context import VolumeContext
from kube_actors.node.volumes.empty_dir import DISK
from kube_actors.node.volumes.of_objects import show
from kube_actors.node.volumes.payload import Payload, VolumeFailure, content_of, mode_of, select


async def set_up(context: VolumeContext, source: Obj) -> Path:
    payload = await config_map_payload(context, source, mode_of(source))
    return await show(context, payload, medium=DISK)


async def config_map_payload(context: VolumeContext, source: Obj, mode: int) -> Payload:
    name, optional = str(source.get("name") or ""), bool(source.get("optional"))
    found = await context.references.config_map(context.namespace, name, context.since)
    if found is None:
        if optional:
            return {}
        raise VolumeFailure(f'configmap "{name}" not found')
    return select(
        content_of(found),
        source.get("items"),
        mode,
        optional=optional,
        what="configmap references non-existent config key",
    )
