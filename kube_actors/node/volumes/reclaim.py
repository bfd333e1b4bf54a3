"""Removes the files of deleted volumes: the node's end of reclaimPolicy Delete.

A volume of this cluster's provisioners holds a finalizer from its creation. Once it is deleted, a node that sees its
folder removes the folder, then the finalizer. A node that dies in between begins again: both steps may be repeated.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

import structlog

from kube_actors.aio.clock import Clock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError, NotFound
from kube_actors.api.meta import annotations_of, get_path, is_deleting, key_of, name_of
from kube_actors.api.volumes import DATA_FINALIZER, LOCAL_PATH, PROVISIONED_BY, SHARED, VOLUMES, reaches
from kube_actors.client.informer import Informer
from kube_actors.client.interface import Client
from kube_actors.client.workqueue import WorkQueue

log = structlog.get_logger(__name__)


def folder_to_remove(volume: Obj) -> Path | None:
    """The folder of a deleted volume; None where none is to be removed.

    Only one that is named as the volume is, as our provisioners name them: a volume by hand with our finalizer must
    not make a node remove a folder of somebody else's.
    """
    path = Path(str(get_path(volume, "spec", "hostPath", "path", default="")))
    ours = annotations_of(volume).get(PROVISIONED_BY) in (LOCAL_PATH, SHARED)
    return path if ours and path.is_absolute() and path.name == name_of(volume) else None


def is_due(volume: Obj, node: Obj) -> bool:
    """Whether that node is to remove the volume's files now: nothing else holds the volume any more."""
    return (
        is_deleting(volume)
        and list(volume["metadata"].get("finalizers") or ()) == [DATA_FINALIZER]
        and reaches(volume, node)
    )


class Reclaimer:
    """Watches the volumes for one node."""

    def __init__(self, client: Client, name: str, labels: Mapping[str, str], clock: Clock) -> None:
        self._client = client
        self._node: Obj = {"metadata": {"name": name, "labels": dict(labels)}}
        self._volumes = Informer(client, VOLUMES, clock=clock)
        self._queue: WorkQueue[str] = WorkQueue()
        self._tasks = Tasks(f"node/{name}/volumes")
        self._volumes.add_handler(self)

    async def start(self) -> None:
        await self._volumes.start()
        self._tasks.spawn(self._work(), "reclaim")

    async def stop(self) -> None:
        self._queue.shut_down()
        await self._tasks.stop()
        await self._volumes.stop()

    # The informer's handler

    def on_add(self, obj: Obj, is_initial: bool) -> None:
        if is_due(obj, self._node):
            self._queue.add(key_of(obj))

    def on_update(self, old: Obj, new: Obj) -> None:
        self.on_add(new, False)

    def on_delete(self, obj: Obj) -> None:
        return

    async def _work(self) -> None:
        while (name := await self._queue.get()) is not None:
            try:
                await self._reclaim(name)
            except (OSError, KubeActorsError) as error:
                log.warning("volume not reclaimed", volume=name, error=str(error))
                self._queue.add_rate_limited(name)
            else:
                self._queue.forget(name)
            finally:
                self._queue.done(name)

    async def _reclaim(self, name: str) -> None:
        volume = self._volumes.get(name)
        if volume is None or not is_due(volume, self._node):
            return
        folder = folder_to_remove(volume)
        if folder is not None:
            await asyncio.to_thread(_remove, folder)
        version = volume["metadata"]["resourceVersion"]
        try:
            await self._client.patch(VOLUMES, name, {"metadata": {"finalizers": None, "resourceVersion": version}})
        except NotFound:
            return
        log.info("volume reclaimed", volume=name, folder=str(folder or ""))


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
