"""Volumes behind a claim: the folder or the block device of the PersistentVolume that the claim is bound to.

A folder of this cluster's provisioners is made when it is first used; it outlives the pod. Raw devices and network
file systems are not mounted here: an administrator mounts them and names the folder (hostPath, local). A device of a
local volume goes into the container as it is (volumeMode Block).
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from kube_actors.api import Obj
from kube_actors.api.errors import ApiError
from kube_actors.api.meta import annotations_of, get_path, name_of, uid_of
from kube_actors.api.volumes import BLOCK, PROVISIONED_BY, claim_name, is_fully_bound, is_made_for, mode_of
from kube_actors.node.volumes import host_path
from kube_actors.node.volumes.context import VolumeContext
from kube_actors.node.volumes.ownership import give, group_of
from kube_actors.node.volumes.payload import VolumeFailure
from kube_actors.rpc.errors import RpcError

# Any user of a pod may write, as in an emptyDir.
MODE = 0o777


async def set_up(context: VolumeContext, source: Obj) -> Path:
    """`source`: a persistentVolumeClaim or ephemeral source. Raises VolumeFailure."""
    volume = await _volume(context, source)
    _require_use(context.pod, context.name, mode_of(volume))
    if mode_of(volume) == BLOCK:
        return _device(volume)
    path = _folder(volume)
    if _is_given_away(volume) and not source.get("readOnly"):
        policy = get_path(context.pod, "spec", "securityContext", "fsGroupChangePolicy", default="Always")
        await asyncio.to_thread(give, path, group_of(context.pod), policy=policy)
    return path


async def _volume(context: VolumeContext, source: Obj) -> Obj:
    """The PersistentVolume behind the source."""
    ephemeral = "claimName" not in source
    name = str(source.get("claimName") or claim_name(context.pod, {"name": context.name, "ephemeral": source}))
    what = f"error processing PVC {context.namespace}/{name}"
    try:
        claim = await context.references.claim(context.namespace, name)
    except (ApiError, RpcError) as error:
        raise VolumeFailure(f"{what}: failed to fetch PVC from API server: {error}") from error
    if ephemeral and not is_made_for(claim, context.pod):
        pod = f"{context.namespace}/{name_of(context.pod)}"
        raise VolumeFailure(f"{what}: PVC {context.namespace}/{name} was not created for pod {pod} (pod is not owner)")
    if not is_fully_bound(claim):
        raise VolumeFailure(f"{what}: PVC is not bound")
    name = str(claim["spec"]["volumeName"])
    try:
        volume = await context.references.volume(name)
    except (ApiError, RpcError) as error:
        raise VolumeFailure(f"{what}: failed to fetch PV {name} from API server: {error}") from error
    if get_path(volume, "spec", "claimRef", "uid") != uid_of(claim):
        raise VolumeFailure(f"{what}: PV {name_of(volume)} is bound to another claim")
    return volume


def _require_use(pod: Obj, name: str, mode: str) -> None:
    """A device is not mounted, and a file system is no device."""
    wrong = "volumeMounts" if mode == BLOCK else "volumeDevices"
    containers = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
    if any(each["name"] == name for container in containers for each in container.get(wrong) or ()):
        raise VolumeFailure(f"volume {name} has volumeMode {mode}, but is specified in {wrong}")


def _device(volume: Obj) -> Path:
    if volume["spec"].get("local") is None:
        raise VolumeFailure("this node has block devices of local persistent volumes only")
    return host_path.check(Path(str(volume["spec"]["local"]["path"])), "BlockDevice")


def _folder(volume: Obj) -> Path:
    spec = volume["spec"]
    if spec.get("hostPath") is not None:
        path = Path(str(spec["hostPath"]["path"]))
        fresh = not path.exists()
        host_path.check(path, str(spec["hostPath"].get("type") or ""))
        if fresh and _is_provisioned(volume):
            path.chmod(MODE)
        return path
    if spec.get("local") is not None:
        return host_path.check(Path(str(spec["local"]["path"])), "Directory")
    kinds = {"capacity", "accessModes", "claimRef", "persistentVolumeReclaimPolicy", "storageClassName"}
    found = ", ".join(sorted(set(spec) - kinds - {"volumeMode", "mountOptions", "nodeAffinity"}))
    raise VolumeFailure(f"this node has no persistent volumes of the kind {found or 'none'}")


def _is_provisioned(volume: Obj) -> bool:
    return bool(annotations_of(volume).get(PROVISIONED_BY))


def _is_given_away(volume: Obj) -> bool:
    """Whether fsGroup goes for it: a hostPath by hand stays as the node has it."""
    return volume["spec"].get("hostPath") is None or _is_provisioned(volume)
