"""Volumes that are an image's files: `volumes[].image`.

    ROOT/image-volumes/ID                   the files, unpacked once for all pods of the node
    ROOT/pods/UID/image-volumes/NAME        a link to them: what the pod holds in use, also after a restart
    ROOT/pods/UID/volumes/NAME              the same, mounted read-only and noexec; a link where we may not mount

The image is pulled by the rules of containers' images, and what fails is shown on the containers that mount it. A
volume is resolved once in a pod's life: what a tag names later is for pods that come later.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from kube_actors.api import Obj
from kube_actors.node.images.manager import EmitEvent, Images
from kube_actors.node.runtime.interface import Image, Runtime
from kube_actors.node.volumes.mounted import is_mounted, mount
from kube_actors.node.volumes.payload import VolumeFailure

FOLDER = "image-volumes"
OPTIONS = "bind,ro,nosuid,nodev,noexec"


class UnpackedImages:
    """The files of images below `root`. They go when no pod has a link to them any more."""

    def __init__(self, root: Path, runtime: Runtime) -> None:
        self._pods, self._folder = root / "pods", root / FOLDER
        self._runtime = runtime
        self._lock = asyncio.Lock()

    async def provide(self, image: Image, link: Path) -> Path:
        """The image's files, to which `link` now points. Raises RuntimeFailure or OSError."""
        async with self._lock:
            self._folder.mkdir(mode=0o755, exist_ok=True)
            files = await self._runtime.unpack(image, self._folder)
            _link(link, files)
        return files

    def in_use(self) -> frozenset[str]:
        """The ids of images of which a pod has files. Runtimes name unpacked ones by their ids, wherever they lie."""
        return frozenset(f"sha256:{each.name}" for each in self._linked())

    async def drop_unused(self) -> None:
        """Also what an agent left that died while it unpacked."""
        if not self._folder.is_dir():
            return
        async with self._lock:
            linked = self._linked()
            for each in set(self._folder.iterdir()) - linked:
                await asyncio.to_thread(_remove, each)

    def _linked(self) -> set[Path]:
        return {each.readlink() for each in self._pods.glob(f"*/{FOLDER}/*") if each.is_symlink()}


class ImageVolumes:
    """Makes the image volumes of pods under `pods`."""

    def __init__(self, pods: Path, images: Images, unpacked: UnpackedImages) -> None:
        self._pods, self._images, self._unpacked = pods, images, unpacked

    async def prepare(self, pod: Obj, container: Obj, emit: EmitEvent) -> None:
        """Those that the container mounts, where they are not there yet. Raises ImageUnavailable, VolumeFailure."""
        mounted = {each["name"] for each in container.get("volumeMounts") or ()}
        for volume in pod["spec"].get("volumes") or ():
            if volume.get("image") is not None and volume["name"] in mounted:
                await self._prepare(pod, str(volume["name"]), volume["image"], emit)

    async def _prepare(self, pod: Obj, name: str, source: Obj, emit: EmitEvent) -> None:
        directory = self._pods / str(pod["metadata"]["uid"])
        path = directory / "volumes" / name
        if path.is_symlink() or await is_mounted(path):
            return
        reference, policy = str(source.get("reference") or ""), str(source.get("pullPolicy") or "")
        image = await self._images.ensure(pod, reference, policy, emit)
        prefix = f'MountVolume.SetUp failed for volume "{name}" : '
        try:
            await _mount(await self._unpacked.provide(image, directory / FOLDER / name), path)
        except (VolumeFailure, OSError) as error:
            raise VolumeFailure(f"{prefix}{error}") from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _link(path: Path, files: Path) -> None:
    """In place of a link or an empty folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.symlink_to(files)


async def _mount(files: Path, path: Path) -> None:
    """Raises VolumeFailure or OSError."""
    if os.geteuid() != 0:
        _link(path, files)
    else:
        await mount("the image", "-o", OPTIONS, str(files), str(path))
