"""downwardAPI volumes: fields of the pod as files."""

from __future__ import annotations

from pathlib import Path

from kube_actors.api import Obj
from kube_actors.node.containers.field_refs import field_value, resource_value
from kube_actors.node.volumes.context import VolumeContext
from kube_actors.node.volumes.empty_dir import MEMORY
from kube_actors.node.volumes.of_objects import show
from kube_actors.node.volumes.payload import File, Payload, VolumeFailure, mode_of


async def set_up(context: VolumeContext, source: Obj) -> Path:
    return await show(context, downward_payload(context, source, mode_of(source)), medium=MEMORY)


def downward_payload(context: VolumeContext, source: Obj, default_mode: int) -> Payload:
    payload: Payload = {}
    for item in source.get("items") or ():
        mode = item.get("mode")
        try:
            text = _text(context, item)
        except ValueError as error:
            raise VolumeFailure(str(error)) from error
        payload[str(item["path"])] = File(text.encode(), default_mode if mode is None else int(mode))
    return payload


def _text(context: VolumeContext, item: Obj) -> str:
    if item.get("fieldRef"):
        return field_value(context.pod, str(item["fieldRef"]["fieldPath"]))
    ref = item["resourceFieldRef"]
    return resource_value(context.pod, {}, ref, context.node_allocatable)
