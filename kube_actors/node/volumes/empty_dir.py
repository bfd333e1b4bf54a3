"""emptyDir volumes: a directory that lives as long as the pod, on disk or in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kube_actors.api import Obj
from kube_actors.api.quantity import to_int
from kube_actors.node.containers.resources import pod_limits
from kube_actors.node.volumes.context import VolumeContext
from kube_actors.node.volumes.ownership import give, group_of
from kube_actors.node.volumes.payload import VolumeFailure

MODE = 0o777
DISK, MEMORY = "", "Memory"


async def set_up(context: VolumeContext, source: Obj) -> Path:
    path, medium = context.path, str(source.get("medium") or DISK)
    if medium not in (DISK, MEMORY):
        raise VolumeFailure(f"this node has no emptyDir volumes of the medium {medium}")
    group, is_new = group_of(context.pod), not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    if medium == MEMORY:
        size = memory_size(context.pod, source, context.node_allocatable)
        if context.tmpfs.cover(path, size, group):
            return path
    if is_new:
        # Later it is the pod's own, with the modes that the pod gave it.
        path.chmod(MODE)
        give(path, group)
    return path


def memory_size(pod: Obj, source: Obj, node_allocatable: Mapping[str, str]) -> int:
    """The least of the volume's limit, the memory that the pod may have and that of the node; 0: unknown."""
    of_node = to_int(node_allocatable.get("memory", "0"))
    chosen = (to_int(source.get("sizeLimit") or "0"), of_node, pod_limits(pod).memory_bytes)
    return min((each for each in chosen if each > 0), default=0)
