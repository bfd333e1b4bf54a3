"""Volumes behind a claim: the folder of the PersistentVolume that the claim is bound to.

A folder of this cluster's provisioners is made when it is first used; it outlives the pod. Raw devices and network
file systems are not mounted here: an administrator mounts them and names the folder (hostPath, local).
"""

from __future__ import annotations

import os
from pathlib import Path

from kube_actors.api import Obj
from kube_actors.api.errors import ApiError
from kube_actors.api.meta import annotations_of, get_path, name_of, uid_of
from kube_actors.api.volumes import PROVISIONED_BY, claim_name, is_fully_bound
from kube_actors.node.volumes import host_path
from kube_actors.node.volumes.context import VolumeContext
from kube_actors.node.volumes.payload import VolumeFailure
from kube_actors.rpc.errors import RpcError

# Any user of a pod may write, as in an emptyDir.
MODE = 0o777


async def set_up(context: VolumeContext, source: Obj) -> Path:
    """`source`: a persistentVolumeClaim or ephemeral source with the volume's name. Raises VolumeFailure."""
    name = str(source.get("claimName") or claim_name(context.pod, {"name": source["name"], "ephemeral": source}))
    what = f"error processing PVC {context.namespace}/{name}"
    try:
        claim = await context.references.claim(context.namespace, name)
        if not is_fully_bound(claim):
            raise VolumeFailure(f"{what}: PVC is not bound")
        volume = await context.references.volume(str(claim["spec"]["volumeName"]))
    except (ApiError, RpcError) as error:
        raise VolumeFailure(f"{what}: failed to fetch PVC from API server: {error}") from error
    if get_path(volume, "spec", "claimRef", "uid") != uid_of(claim):
        raise VolumeFailure(f"{what}: PV {name_of(volume)} is bound to another claim")
    return _folder(volume, context.group)


def _folder(volume: Obj, group: int | None) -> Path:
    spec = volume["spec"]
    if spec.get("hostPath") is not None:
        path = Path(str(spec["hostPath"]["path"]))
        fresh = not path.exists()
        host_path.check(path, str(spec["hostPath"].get("type") or ""))
        if fresh and annotations_of(volume).get(PROVISIONED_BY):
            path.chmod(MODE)
    elif spec.get("local") is not None:
        path = host_path.check(Path(str(spec["local"]["path"])), "Directory")
    else:
        kinds = {"capacity", "accessModes", "claimRef", "persistentVolumeReclaimPolicy", "storageClassName"}
        found = ", ".join(sorted(set(spec) - kinds - {"volumeMode", "mountOptions", "nodeAffinity"}))
        raise VolumeFailure(f"this node has no persistent volumes of the kind {found or 'none'}")
    if group is not None and os.geteuid() == 0:
        _give(path, group)
    return path


def _give(path: Path, group: int) -> None:
    """fsGroup: the group owns the folder, and what is made in it (setgid)."""
    status = path.stat()
    if status.st_gid != group or not status.st_mode & 0o2000:
        os.chown(path, -1, group)
        path.chmod(status.st_mode & 0o7777 | 0o2770)
