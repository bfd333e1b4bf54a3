"""Writes the status of pods to the API server, and deletes pods that have ended.

    set(pod, status) ──> the latest status a pod ──> one write at a time a pod, many pods together
    finish(pod)      ──> after the last status: DELETE with grace 0, on condition of the uid

A write is a merge patch of what differs from the status in the API, on condition of the pod's uid, so
that fields and conditions of others stay. A write that fails is repeated with a growing delay.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.clock import Clock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.errors import ApiError, Conflict, NotFound
from kube_actors.api.meta import version_of
from kube_actors.api.resources import PODS
from kube_actors.client.interface import Client
from kube_actors.node.pods.static_pods import is_static
from kube_actors.node.status.conditions import with_others
from kube_actors.node.status.pod_status import OWNED_FIELDS
from kube_actors.rpc.errors import RpcError

log = structlog.get_logger(__name__)

RETRY = Backoff(initial=0.2, maximum=10.0)


@dataclass(slots=True)
class _Entry:
    """A pod, the status that it shall have, and what the API is known to have."""

    namespace: str
    name: str
    uid: str
    wanted: Obj
    known: Obj
    # The resourceVersion of our last write: what the informer shows of earlier ones is the past.
    version: int = 0
    finished: bool = False
    deleted: bool = False
    # Of a static pod: the uid of its mirror, empty while there is none. None: the pod is in the API itself.
    mirror: str | None = None
    task: asyncio.Task[None] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class StatusManager:
    """The statuses of the pods of one node."""

    def __init__(self, client: Client, clock: Clock, owner: str) -> None:
        self._client = client
        self._clock = clock
        self._tasks = Tasks(f"{owner}/statuses")
        self._entries: dict[str, _Entry] = {}
        # The uids of mirrors, by those of the static pods.
        self._mirrors: dict[str, str] = {}
        self.failures = 0

    async def stop(self) -> None:
        await self._tasks.stop()

    def get(self, uid: str) -> Obj | None:
        """The latest status set, whether written yet or not."""
        entry = self._entries.get(uid)
        return entry.wanted if entry else None

    def set(self, pod: Obj, status: Obj) -> None:
        """The status that the pod shall have from now on."""
        entry = self._entry(pod)
        entry.wanted = status
        if changes(entry.known, status):
            self._write_soon(entry)

    def finish(self, pod: Obj) -> None:
        """Nothing runs of the pod any more: once its status is written, the object may go."""
        entry = self._entry(pod)
        entry.finished = True
        self._write_soon(entry)

    def observed(self, pod: Obj) -> None:
        """The informer has seen the pod: if somebody else changed what is ours, it is set right."""
        entry = self._entries.get(str(pod["metadata"]["uid"]))
        if entry is None or version_of(pod) < entry.version:
            return
        entry.known = pod.get("status") or {}
        if changes(entry.known, entry.wanted):
            self._write_soon(entry)

    def mirrored(self, uid: str, mirror: Obj | None) -> None:
        """The API shows the static pod `uid` by `mirror`, to which its status goes; None: by nothing any more."""
        if mirror is None:
            self._mirrors.pop(uid, None)
        else:
            self._mirrors[uid] = str(mirror["metadata"]["uid"])
        entry = self._entries.get(uid)
        if entry is None:
            return
        entry.mirror = self._mirrors.get(uid, "")
        entry.known = (mirror or {}).get("status") or {}
        if mirror is not None and changes(entry.known, entry.wanted):
            self._write_soon(entry)

    def forget(self, uid: str) -> None:
        """The pod is gone from the API."""
        entry = self._entries.pop(uid, None)
        if entry is not None and entry.task is not None:
            entry.task.cancel()

    def _entry(self, pod: Obj) -> _Entry:
        metadata = pod["metadata"]
        uid = str(metadata["uid"])
        entry = self._entries.get(uid)
        if entry is None:
            status = pod.get("status") or {}
            mirror = self._mirrors.get(uid, "") if is_static(pod) else None
            entry = _Entry(str(metadata["namespace"]), str(metadata["name"]), uid, status, status, mirror=mirror)
            self._entries[uid] = entry
        return entry

    def _write_soon(self, entry: _Entry) -> None:
        entry.changed.set()
        if entry.task is None or entry.task.done():
            entry.task = self._tasks.spawn(self._write(entry), f"{entry.namespace}/{entry.name}")

    async def _write(self, entry: _Entry) -> None:
        """Write until nothing is left to write."""
        failures = 0
        while entry.changed.is_set() and not entry.deleted:
            entry.changed.clear()
            try:
                await self._write_once(entry)
                failures = 0
            except (NotFound, Conflict):
                # The pod is gone, or another one has its name: the informer will say so.
                return
            except (ApiError, RpcError) as error:
                failures += 1
                self.failures += 1
                log.info("status not written", pod=f"{entry.namespace}/{entry.name}", error=str(error))
                entry.changed.set()
                await self._clock.sleep(RETRY.delay(failures))

    async def _write_once(self, entry: _Entry) -> None:
        if entry.mirror == "":
            # Written as soon as there is something to write it to.
            return
        wanted = entry.wanted
        patch = changes(entry.known, wanted)
        if patch:
            body = {"metadata": {"uid": entry.mirror or entry.uid}, "status": patch}
            written = await self._client.patch(PODS, entry.name, body, entry.namespace, subresource="status")
            entry.known = written.get("status") or {}
            entry.version = version_of(written)
        if entry.finished and entry.wanted is wanted and entry.mirror is None:
            await self._client.delete(PODS, entry.name, entry.namespace, uid=entry.uid, grace_seconds=0)
            entry.deleted = True


def changes(known: Obj, wanted: Obj) -> Obj:
    """The merge patch that makes the node's fields of `known` those of `wanted`; empty where nothing differs."""
    patch: Obj = {}
    for key in OWNED_FIELDS:
        new = wanted.get(key)
        if key == "conditions":
            new = with_others(new or [], known.get(key) or [])
        if new != known.get(key):
            patch[key] = new
    return patch
