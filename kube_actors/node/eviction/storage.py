"""Which pods take more of the disk than they may: emptyDirs, the pod as a whole, containers, in kubelet's order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from kube_actors.api import Obj, quantity
from kube_actors.api.quota import pod_resources
from kube_actors.node.containers.resources import limit_of
from kube_actors.node.machine.disk import disk_use

RESOURCE = "ephemeral-storage"


def local_volumes(pod: Obj) -> Iterable[tuple[str, str]]:
    """(name, limit) of the emptyDirs on the disk, where they have a sizeLimit; those in memory are full by
    themselves."""
    for volume in pod["spec"].get("volumes") or ():
        source = volume.get("emptyDir")
        if source is not None and source.get("medium") != "Memory":
            yield str(volume["name"]), str(source.get("sizeLimit") or "")


def limits_containers(pod: Obj) -> bool:
    return RESOURCE in pod_resources(pod["spec"], "limits")


def outgrown(pod: Obj, volumes: Path, written: Mapping[str, int]) -> str:
    """Why the pod has to go, empty where it has not. `volumes` is the pod's folder of volumes, `written` what
    containers have written into their own file systems and to their logs."""
    total = sum(written.values())
    for name, limit in local_volumes(pod):
        used = disk_use(volumes / name)
        total += used
        if limit and used > quantity.to_int(limit):
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
    whole = pod_resources(pod["spec"], "limits").get(RESOURCE)
    if whole is not None and total > quantity.to_int(whole):
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {whole}. "
    for container in pod["spec"].get("containers") or ():
        name, limit = str(container["name"]), limit_of(container, RESOURCE)
        if limit != "0" and written.get(name, 0) > quantity.to_int(limit):
            return f'Container {name} exceeded its local ephemeral storage limit "{limit}". '
    return ""
