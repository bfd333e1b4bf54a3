"""The loop that removes images, every five minutes and when the disk is under pressure."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from kube_actors.aio.clock import Clock
from kube_actors.aio.tasks import Tasks
from kube_actors.api.errors import KubeActorsError
from kube_actors.node.images.garbage import (
    Disk,
    ImageGcPolicy,
    Seen,
    in_order,
    is_of_age,
    is_outdated,
    observed,
    to_free,
)
from kube_actors.node.images.pulled import PulledImages
from kube_actors.node.images.volume import UnpackedImages
from kube_actors.node.runtime.interface import Image, Runtime, RuntimeFailure

log = structlog.get_logger(__name__)

EVERYTHING = 1 << 62


class CollectionFailure(KubeActorsError):
    """Images could not be removed as they should be; the text of an event ImageGCFailed."""


def read_disk(folder: Path) -> Disk:
    """Raises OSError."""
    found = os.statvfs(folder)
    return Disk(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


class ImageCollector:
    """`warn(reason, message)` tells of the node. `read` measures the file system of a folder."""

    def __init__(
        self,
        policy: ImageGcPolicy,
        runtime: Runtime,
        pulled: PulledImages,
        unpacked: UnpackedImages,
        warn: Callable[[str, str], None],
        clock: Clock,
        owner: str,
        read: Callable[[Path], Disk] = read_disk,
    ) -> None:
        self._policy, self._runtime, self._pulled, self._unpacked = policy, runtime, pulled, unpacked
        self._warn, self._clock, self._read = warn, clock, read
        self._started_at = clock.now()
        self._seen: dict[str, Seen] = {}
        self._tasks = Tasks(f"{owner}/images")

    def start(self) -> None:
        self._tasks.spawn_forever(self._run(), "collect")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def collect(self) -> None:
        """One round. Raises CollectionFailure, RuntimeFailure or OSError."""
        now = self._clock.now()
        await self._unpacked.drop_unused()
        candidates = await self._candidates(now)
        candidates = await self._remove_outdated(candidates, now)
        folder = await self._runtime.image_folder()
        if folder is None:
            return
        disk = self._read(folder)
        if not disk.capacity:
            self._warn("InvalidDiskCapacity", "invalid capacity 0 on image filesystem")
            raise CollectionFailure("invalid capacity 0 on image filesystem")
        amount = to_free(disk, self._policy)
        if not amount:
            return
        log.info("the disk of images is over the high threshold", used_percent=disk.used_percent, bytes_to_free=amount)
        freed = await self._free(amount, candidates, now)
        if freed < amount:
            # Usually the disk is full of other things than images.
            text = f"Failed to garbage collect required amount of images. Attempted to free {amount} bytes, "
            text += f"but only found {freed} bytes eligible to free."
            self._warn("FreeDiskSpaceFailed", text)
            raise CollectionFailure(text)

    async def remove_unused(self) -> None:
        """All that may go: the disk is under pressure. Raises as `collect` does."""
        now = self._clock.now()
        await self._unpacked.drop_unused()
        await self._free(EVERYTHING, await self._candidates(now), now)

    async def _run(self) -> None:
        failed = False
        # What is here already has been here for longer than anybody knows.
        with contextlib.suppress(KubeActorsError):
            await self._candidates(0.0)
        while True:
            await self._clock.sleep(self._policy.period)
            try:
                await self.collect()
                failed = False
            except (KubeActorsError, OSError) as error:
                log.warning("image garbage collection failed", error=str(error))
                if failed:
                    # Once may be bad luck, as an image that comes into use just now.
                    self._warn("ImageGCFailed", str(error))
                failed = True

    async def _candidates(self, now: float) -> list[Image]:
        images = await self._runtime.images()
        used = await self._runtime.images_in_use() | self._unpacked.in_use()
        self._seen = observed(self._seen, images, used, self._pulled.pulled_at(), now)
        try:
            self._pulled.keep(each.id for each in images)
        except OSError as error:
            # On a full disk nothing can be written, which must not keep images from being removed.
            log.info("the record of pulled images is not written", error=str(error))
        unused = in_order(images, self._seen, now)
        return [each for each in unused if self._policy.all_images or self._pulled.is_ours(each)]

    async def _remove_outdated(self, candidates: Iterable[Image], now: float) -> list[Image]:
        """The candidates that are left."""
        left: list[Image] = []
        for image in candidates:
            if is_outdated(self._seen[image.id], self._policy, now, self._started_at):
                try:
                    await self._runtime.remove_image(image.id)
                    continue
                except RuntimeFailure as error:
                    log.info("image not removed", image=image.id, error=str(error))
            left.append(image)
        return left

    async def _free(self, amount: int, candidates: Iterable[Image], now: float) -> int:
        """The bytes that were freed. Raises CollectionFailure where too few were because removals failed."""
        freed, failures = 0, []
        for image in candidates:
            if freed >= amount:
                break
            if not is_of_age(self._seen[image.id], self._policy, now):
                continue
            try:
                await self._runtime.remove_image(image.id)
            except RuntimeFailure as error:
                failures.append(str(error))
                continue
            freed += image.size_bytes
            log.info("image removed", image=image.id, names=image.names, bytes=image.size_bytes)
        if failures and freed < amount:
            text = f"wanted to free {amount} bytes, but freed {freed} bytes space with errors in image deletion: "
            raise CollectionFailure(f"failed to garbage collect images: {text}{'; '.join(failures)}")
        return freed
