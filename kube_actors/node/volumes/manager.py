"""Sets up, refreshes, mounts and removes the volumes of pods."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import structlog

from kube_actors.api import Obj
from kube_actors.api.errors import ApiError
from kube_actors.node.environment import ConfigFailure
from kube_actors.node.expansion import expand
from kube_actors.node.references import References
from kube_actors.node.runtime.interface import Mount
from kube_actors.node.volumes import (
    config_map,
    downward_api,
    empty_dir,
    host_path,
    image,
    persistent,
    projected,
    secret,
)
from kube_actors.node.volumes.context import SetUp, VolumeContext
from kube_actors.node.volumes.mounted import unmount_below
from kube_actors.node.volumes.payload import VolumeFailure
from kube_actors.node.volumes.tokens import Tokens
from kube_actors.rpc.errors import RpcError

log = structlog.get_logger(__name__)

KINDS: Mapping[str, SetUp] = {
    "configMap": config_map.set_up,
    "downwardAPI": downward_api.set_up,
    "emptyDir": empty_dir.set_up,
    "ephemeral": persistent.set_up,
    "hostPath": host_path.set_up,
    "image": image.set_up,
    "persistentVolumeClaim": persistent.set_up,
    "projected": projected.set_up,
    "secret": secret.set_up,
}
# The kinds whose content may change while the pod runs.
REFRESHED = ("configMap", "downwardAPI", "projected", "secret")
_PROPAGATION = {"HostToContainer": "rslave", "Bidirectional": "rshared"}


class Volumes:
    """The volumes of all pods of a node, under `root`/pods/UID/volumes/NAME."""

    def __init__(self, root: Path, references: References, tokens: Tokens, node_allocatable: Mapping[str, str]) -> None:
        self._root = root
        self._references = references
        self._tokens = tokens
        self._node_allocatable = node_allocatable
        self._paths: dict[str, dict[str, Path]] = {}

    def pod_dir(self, uid: str) -> Path:
        return self._root / "pods" / uid

    async def set_up(self, pod: Obj, since: float = 0.0) -> None:
        """Make all volumes, or refresh those that are there. Raises VolumeFailure with the text of FailedMount."""
        paths = self._paths.setdefault(str(pod["metadata"]["uid"]), {})
        for volume in pod["spec"].get("volumes") or ():
            paths[str(volume["name"])] = await self._set_up(pod, volume, since)

    async def refresh(self, pod: Obj) -> None:
        """Bring what is made of objects up to date; what cannot be read now stays as it is."""
        for volume in pod["spec"].get("volumes") or ():
            if any(volume.get(kind) is not None for kind in REFRESHED):
                try:
                    await self._set_up(pod, volume, 0.0)
                except VolumeFailure as error:
                    log.info("volume not refreshed", pod=pod["metadata"]["name"], error=str(error))

    def is_refreshed(self, pod: Obj) -> bool:
        """Whether the pod has volumes whose content may change."""
        return any(volume.get(kind) is not None for volume in pod["spec"].get("volumes") or () for kind in REFRESHED)

    async def mounts(self, pod: Obj, container: Obj, env: Mapping[str, str]) -> list[Mount]:
        """The mounts of a container. Raises ConfigFailure, or VolumeFailure where a volume cannot be had."""
        uid = str(pod["metadata"]["uid"])
        if uid not in self._paths and container.get("volumeMounts"):
            # An adopted pod of an agent that has restarted: its volumes are there and are found again.
            await self.set_up(pod)
        return [self._mount(pod, each, env) for each in container.get("volumeMounts") or ()]

    async def tear_down(self, uid: str) -> None:
        """Remove all that the pod had on this node. Raises OSError where something stays mounted."""
        self._paths.pop(uid, None)
        self._tokens.forget(uid)
        directory = self.pod_dir(uid)
        if uid not in self.known_pods():
            return
        await unmount_below(directory)
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    def known_pods(self) -> set[str]:
        """The uids of pods that have files here."""
        directory = self._root / "pods"
        return {each.name for each in directory.iterdir()} if directory.is_dir() else set()

    async def _set_up(self, pod: Obj, volume: Obj, since: float) -> Path:
        name = str(volume["name"])
        path = self.pod_dir(str(pod["metadata"]["uid"])) / "volumes" / name
        kind = next((each for each in KINDS if volume.get(each) is not None), "")
        prefix = f'MountVolume.SetUp failed for volume "{name}" : '
        if not kind:
            kinds = ", ".join(each for each in volume if each != "name")
            raise VolumeFailure(f"{prefix}this node has no volumes of the kind {kinds or 'none'}")
        context = VolumeContext(pod, path, self._references, self._tokens, self._node_allocatable, since)
        try:
            return await KINDS[kind](context, {"name": name} | volume[kind])
        except (VolumeFailure, ApiError, RpcError) as error:
            raise VolumeFailure(f"{prefix}{error}") from error
        except OSError as error:
            raise VolumeFailure(f"{prefix}{error.strerror}: {error.filename}") from error

    def _mount(self, pod: Obj, mount: Obj, env: Mapping[str, str]) -> Mount:
        name = str(mount["name"])
        host = self._paths.get(str(pod["metadata"]["uid"]), {}).get(name)
        if host is None:
            raise ConfigFailure(f'volume "{name}" of the mount {mount["mountPath"]} is not ready')
        sub_path = str(mount.get("subPath") or "")
        if mount.get("subPathExpr"):
            sub_path = expand(str(mount["subPathExpr"]), env.get)
        if sub_path:
            host = _sub_path(host, sub_path, name)
        return Mount(
            host_path=str(host),
            container_path=str(mount["mountPath"]),
            read_only=bool(mount.get("readOnly")),
            propagation=_PROPAGATION.get(str(mount.get("mountPropagation") or ""), "private"),
        )


def _sub_path(host: Path, sub_path: str, name: str) -> Path:
    """A directory or file inside a volume, made where it is missing; never outside of it."""
    relative = PurePosixPath(sub_path)
    if relative.is_absolute() or ".." in relative.parts or "`" in sub_path:
        raise ConfigFailure(f'failed to prepare subPath for volumeMount "{name}": {sub_path} is not inside the volume')
    path = host / relative
    try:
        if not path.exists():
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o777)
        resolved = path.resolve(strict=True)
        if not resolved.is_relative_to(host.resolve(strict=True)):
            raise ConfigFailure(f'failed to prepare subPath for volumeMount "{name}": it leads out of the volume')
    except OSError as error:
        raise ConfigFailure(f'failed to create subPath directory for volumeMount "{name}": {error.strerror}') from error
    return resolved
