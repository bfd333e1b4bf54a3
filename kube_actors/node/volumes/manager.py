"""Sets up, refreshes, mounts and removes the volumes of pods."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

from kube_actors.api import Obj
from kube_actors.api.errors import ApiError
from kube_actors.node.containers.environment import ConfigFailure
from kube_actors.node.containers.references import References
from kube_actors.node.runtime.interface import BlockDevice, Mount
from kube_actors.node.status.container_status import full_name
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
from kube_actors.node.volumes.sub_path import inner_path, prepare
from kube_actors.node.volumes.tmpfs import Tmpfs
from kube_actors.node.volumes.tokens import Tokens
from kube_actors.rpc.errors import RpcError

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

    def __init__(
        self,
        root: Path,
        references: References,
        tokens: Tokens,
        node_allocatable: Mapping[str, str],
        tmpfs: Tmpfs,
    ) -> None:
        self._root = root
        self._references = references
        self._tokens = tokens
        self._tmpfs = tmpfs
        self._node_allocatable = node_allocatable
        self._paths: dict[str, dict[str, Path]] = {}

    def pod_dir(self, uid: str) -> Path:
        return self._root / "pods" / uid

    async def set_up(self, pod: Obj, since: float = 0.0) -> None:
        """Make all volumes, or refresh those that are there. Raises VolumeFailure with the text of FailedMount."""
        paths = self._paths.setdefault(str(pod["metadata"]["uid"]), {})
        for volume in pod["spec"].get("volumes") or ():
            paths[str(volume["name"])] = await self._set_up(pod, volume, since)

    async def refresh(self, pod: Obj, since: float = 0.0) -> list[str]:
        """Bring what is made of objects up to date; what cannot be read now stays as it is, and is answered why."""
        failures = []
        for volume in pod["spec"].get("volumes") or ():
            if _is_refreshed(volume):
                try:
                    await self._set_up(pod, volume, since)
                except VolumeFailure as error:
                    failures.append(str(error))
        return failures

    def is_refreshed(self, pod: Obj) -> bool:
        """Whether the pod has volumes whose content may change."""
        return any(_is_refreshed(volume) for volume in pod["spec"].get("volumes") or ())

    async def mounts(self, pod: Obj, container: Obj, env: Mapping[str, str]) -> list[Mount]:
        """The mounts of a container. Raises ConfigFailure, or VolumeFailure where a volume cannot be had."""
        if container.get("volumeMounts"):
            await self._find_again(pod)
        return [self._mount(pod, container, each, env) for each in container.get("volumeMounts") or ()]

    async def devices(self, pod: Obj, container: Obj) -> list[BlockDevice]:
        """The block devices that a container gets from volumes. Raises as `mounts` does."""
        if container.get("volumeDevices"):
            await self._find_again(pod)
        return [
            BlockDevice(str(self._path(pod, str(each["name"]))), str(each["devicePath"]))
            for each in container.get("volumeDevices") or ()
        ]

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
        context = VolumeContext(
            pod, name, path, self._references, self._tokens, self._tmpfs, self._node_allocatable, since
        )
        try:
            return await KINDS[kind](context, volume[kind])
        except (VolumeFailure, ApiError, RpcError) as error:
            raise VolumeFailure(f"{prefix}{error}") from error
        except OSError as error:
            raise VolumeFailure(f"{prefix}{error.strerror}: {error.filename}") from error

    async def _find_again(self, pod: Obj) -> None:
        """The volumes of an adopted pod of an agent that has restarted are there."""
        if str(pod["metadata"]["uid"]) not in self._paths:
            await self.set_up(pod)

    def _path(self, pod: Obj, name: str) -> Path:
        path = self._paths.get(str(pod["metadata"]["uid"]), {}).get(name)
        if path is None:
            raise ConfigFailure(f'cannot find volume "{name}" of pod {full_name(pod)}')
        return path

    def _mount(self, pod: Obj, container: Obj, mount: Obj, env: Mapping[str, str]) -> Mount:
        name = str(mount["name"])
        host = self._path(pod, name)
        is_link = host.is_symlink()
        inside = inner_path(mount, env)
        if inside:
            host = prepare(host, inside, name, str(container["name"]))
        volume = next(each for each in pod["spec"]["volumes"] if each["name"] == name)
        # It is mounted read-only and noexec already. A runtime that is asked for read-only mounts anew, without noexec.
        is_guarded = volume.get("image") is not None and not is_link
        return Mount(
            host_path=str(host),
            container_path=str(mount["mountPath"]),
            read_only=(bool(mount.get("readOnly")) or _is_read_only(volume)) and not is_guarded,
            propagation=_PROPAGATION.get(str(mount.get("mountPropagation") or ""), "private"),
            recursive_read_only=str(mount.get("recursiveReadOnly") or "Disabled"),
        )


def _is_refreshed(volume: Obj) -> bool:
    return any(volume.get(kind) is not None for kind in REFRESHED)


def _is_read_only(volume: Obj) -> bool:
    """What is made of objects or images belongs to the node: a container only reads it."""
    return (
        _is_refreshed(volume)
        or volume.get("image") is not None
        or bool((volume.get("persistentVolumeClaim") or {}).get("readOnly"))
    )
