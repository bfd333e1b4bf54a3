"""A client in memory, for unit tests of whatever is built on the client: no IO, no server, one loop.

It keeps what callers rely on: resourceVersion and conflicts, uid, generateName, creationTimestamp,
generation, finalizers, status as a subresource, patches, selectors, bindings, watches from a
resourceVersion on. It does not validate, default, admit or collect garbage: what is not in the object
that a test creates is not there. A deletion is immediate unless there are finalizers.

    client = FakeKubeClient([pod, node])            objects that are there from the beginning
    client.fail("create", PODS, errors.Forbidden("no"))      the next create of a pod is refused
    client.writes                                   what was written, in order: (verb, plural, key)
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import uuid
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kube_actors.aio.clock import Clock, SystemClock, rfc3339
from kube_actors.api import Obj, encoding, errors, schema
from kube_actors.api.errors import KubeActorsError
from kube_actors.api.meta import get_path, key_of, labels_of, make_key, name_of, namespace_of
from kube_actors.api.patch.json_patch import json_patch
from kube_actors.api.patch.merge import merge_patch
from kube_actors.api.patch.strategic import strategic_merge
from kube_actors.api.resources import BUILTIN, PODS, Resource
from kube_actors.api.selectors import FieldSelector, LabelSelector
from kube_actors.client.types import (
    ADDED,
    BOOKMARK,
    DELETED,
    INITIAL_EVENTS_END,
    JSON_PATCH,
    MERGE_PATCH,
    MODIFIED,
    STRATEGIC_MERGE_PATCH,
    Binding,
    Event,
    Events,
    ObjList,
)

SUCCESS: Obj = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


class FakeKubeClient:
    """The interface of `KubeClient` over dicts."""

    def __init__(self, objects: Iterable[Obj] = (), clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._objects: dict[str, dict[str, Obj]] = defaultdict(dict)
        # Every change since the beginning, for watches: (revision, plural, event, object before).
        self._history: list[tuple[int, str, Event, Obj | None]] = []
        self._changed = asyncio.Event()
        self._revision = 0
        self._names = itertools.count()
        self._failures: dict[tuple[str, str], deque[KubeActorsError]] = defaultdict(deque)
        self.writes: list[tuple[str, str, str]] = []
        # Revisions before this one are compacted: a watch from there is Expired.
        self.compacted = 0
        for obj in objects:
            self.put(obj)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def put(self, obj: Obj) -> Obj:
        """Create or replace an object at once, status and all, as the world outside would."""
        resource = BUILTIN.of_kind(obj["apiVersion"], obj["kind"])
        if resource is None:
            raise KeyError(f"{obj['apiVersion']} {obj['kind']} is no built-in kind")
        old = self._objects[resource.qualified].get(key_of(obj))
        new = copy.deepcopy(obj)
        return self._store(resource, self._born(new) if old is None else _same_object(old, new), old)

    def remove(self, resource: Resource, key: str) -> None:
        """Delete an object at once, finalizers or not."""
        self._gone(resource, self._objects[resource.qualified][key])

    def peek(self, resource: Resource, key: str) -> Obj | None:
        """A copy of an object, without a coroutine."""
        return copy.deepcopy(self._objects[resource.qualified].get(key))

    def objects(self, resource: Resource) -> list[Obj]:
        """Copies of all objects of a resource, without a coroutine."""
        return copy.deepcopy(list(self._objects[resource.qualified].values()))

    def fail(self, verb: str, resource: Resource, error: KubeActorsError, times: int = 1) -> None:
        """Let the next calls of a verb (get, list, watch, create, update, patch, delete, bind) raise."""
        self._failures[verb, resource.qualified].extend([error] * times)

    async def get(self, resource: Resource, name: str, namespace: str = "", *, subresource: str = "") -> Obj:
        await self._begin("get", resource)
        return copy.deepcopy(self._find(resource, make_key(namespace, name)))

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> ObjList:
        """Everything; `limit` is not followed."""
        await self._begin("list", resource)
        match = _Match(namespace, labels, fields)
        found = [obj for _, obj in sorted(self._objects[resource.qualified].items()) if match(obj)]
        return ObjList(copy.deepcopy(found), str(self._revision))

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        send_initial_events: bool = False,
        timeout_seconds: int = 0,
    ) -> AsyncGenerator[Events, None]:
        """Changes after `resource_version`; without end, and each change as one batch with its neighbours."""
        await self._begin("watch", resource)
        match = _Match(namespace, labels, fields)
        since = int(resource_version) if resource_version else self._revision
        if send_initial_events:
            since = self._revision
            listed = await self.list(resource, namespace, labels=labels, fields=fields)
            mark = {"resourceVersion": listed.resource_version, "annotations": {INITIAL_EVENTS_END: "true"}}
            yield [*(Event(ADDED, obj) for obj in listed.items), Event(BOOKMARK, {"metadata": mark})]
        seen = 0
        while True:
            if self._failures["watch", resource.qualified]:
                raise self._failures["watch", resource.qualified].popleft()
            if since < self.compacted:
                raise errors.Expired(f"too old resource version: {since} ({self.compacted})")
            news = self._history[seen:]
            seen += len(news)
            events = [
                changed
                for revision, plural, event, before in news
                if plural == resource.qualified and revision > since and (changed := match.event(event, before))
            ]
            if events:
                yield copy.deepcopy(events)
            elif seen == len(self._history):
                await self._changed.wait()

    async def create(
        self,
        resource: Resource,
        obj: Obj,
        *,
        namespace: str | None = None,
        name: str = "",
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: str = "",
    ) -> Obj:
        await self._begin("create", resource)
        new = copy.deepcopy(obj)
        if subresource:
            raise NotImplementedError(f"the fake client does not create {subresource}")
        metadata = new["metadata"]
        if namespace:
            metadata["namespace"] = namespace
        if not metadata.get("name"):
            metadata["name"] = f"{metadata['generateName']}{next(self._names):05x}"
        if key_of(new) in self._objects[resource.qualified]:
            raise errors.already_exists(resource.plural, resource.group, name_of(new))
        new.setdefault("apiVersion", resource.api_version)
        new.setdefault("kind", resource.kind)
        if "status" in resource.subresources:
            new.pop("status", None)
        metadata.pop("uid", None)
        new = self._born(new)
        if dry_run:
            return new
        self.writes.append(("create", resource.qualified, key_of(new)))
        return copy.deepcopy(self._store(resource, new, None))

    async def update(
        self,
        resource: Resource,
        obj: Obj,
        *,
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: str = "",
    ) -> Obj:
        await self._begin("update", resource)
        return self._replace("update", resource, obj, subresource, dry_run)

    async def update_status(self, resource: Resource, obj: Obj, *, field_manager: str = "") -> Obj:
        return await self.update(resource, obj, subresource="status")

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Obj | Sequence[Any] | bytes,
        namespace: str = "",
        *,
        type: str = MERGE_PATCH,
        subresource: str = "",
        force: bool = False,
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: str = "",
    ) -> Obj:
        """Merge, strategic merge and JSON patches; apply patches would need managed fields."""
        await self._begin("patch", resource)
        change: Any = encoding.loads(patch) if isinstance(patch, bytes) else patch
        old = copy.deepcopy(self._find(resource, make_key(namespace, name)))
        if type == MERGE_PATCH:
            patched = merge_patch(old, change)
        elif type == STRATEGIC_MERGE_PATCH:
            patched = strategic_merge(schema.of(resource), old, change)
        elif type == JSON_PATCH:
            patched = json_patch(old, change)
        else:
            raise NotImplementedError(f"the fake client does not know {type}")
        return self._replace("patch", resource, patched, subresource, dry_run)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
        grace_seconds: int | None = None,
        propagation: str = "",
        dry_run: bool = False,
    ) -> Obj:
        await self._begin("delete", resource)
        old = self._find(resource, make_key(namespace, name))
        for key, wanted in (("uid", uid), ("resourceVersion", resource_version)):
            present = old["metadata"].get(key)
            if wanted and wanted != present:
                reason = f"the {key} in the precondition ({wanted}) does not match the one of the record ({present})"
                raise errors.conflict(resource.plural, resource.group, name, f"Precondition failed: {reason}")
        if dry_run:
            return copy.deepcopy(old)
        self.writes.append(("delete", resource.qualified, key_of(old)))
        if not old["metadata"].get("finalizers"):
            self._gone(resource, old)
            return SUCCESS
        if old["metadata"].get("deletionTimestamp"):
            return copy.deepcopy(old)
        new = copy.deepcopy(old)
        new["metadata"] |= {"deletionTimestamp": rfc3339(self._clock.now()), "deletionGracePeriodSeconds": 0}
        return copy.deepcopy(self._store(resource, new, old))

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        grace_seconds: int | None = None,
        propagation: str = "",
        dry_run: bool = False,
    ) -> Obj:
        found = await self.list(resource, namespace, labels=labels, fields=fields)
        for obj in found.items:
            await self.delete(resource, name_of(obj), namespace_of(obj), dry_run=dry_run)
        return SUCCESS

    async def bind(self, bindings: Sequence[Binding]) -> Sequence[errors.ApiError | None]:
        await self._begin("bind", PODS)
        return [self._bind(binding) for binding in bindings]

    def _bind(self, binding: Binding) -> errors.ApiError | None:
        key = make_key(binding.namespace, binding.name)
        old = self._objects[PODS.qualified].get(key)
        if old is None:
            return errors.not_found("pods", "", binding.name)
        if binding.uid and binding.uid != old["metadata"]["uid"]:
            return errors.conflict("pods", "", binding.name, f"uid {binding.uid} is not that of the pod")
        if old["spec"].get("nodeName"):
            text = f"pod {binding.name} is already assigned to node {old['spec']['nodeName']!r}".replace("'", '"')
            return errors.conflict("pods/binding", "", binding.name, text)
        new = copy.deepcopy(old)
        new["spec"]["nodeName"] = binding.node
        conditions = new.setdefault("status", {}).setdefault("conditions", [])
        conditions[:] = [each for each in conditions if each["type"] != "PodScheduled"]
        conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": rfc3339(self._clock.now())})
        self.writes.append(("bind", PODS.qualified, key))
        self._store(PODS, new, old)
        return None

    async def _begin(self, verb: str, resource: Resource) -> None:
        # A turn of the loop, as a call over the network would give to others.
        await asyncio.sleep(0)
        waiting = self._failures[verb, resource.qualified]
        if waiting and verb != "watch":
            raise waiting.popleft()

    def _find(self, resource: Resource, key: str) -> Obj:
        found = self._objects[resource.qualified].get(key)
        if found is None:
            raise errors.not_found(resource.plural, resource.group, key.rpartition("/")[2])
        return found

    def _born(self, obj: Obj) -> Obj:
        metadata = obj["metadata"]
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("creationTimestamp", rfc3339(self._clock.now()))
        if "spec" in obj:
            metadata.setdefault("generation", 1)
        return obj

    def _replace(self, verb: str, resource: Resource, obj: Obj, subresource: str, dry_run: bool) -> Obj:
        old = self._find(resource, key_of(obj))
        version = obj["metadata"].get("resourceVersion")
        uid = obj["metadata"].get("uid")
        if version and version != old["metadata"]["resourceVersion"]:
            raise errors.conflict(resource.plural, resource.group, name_of(obj), errors.MODIFIED)
        if uid and uid != old["metadata"]["uid"]:
            reason = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}"
            raise errors.conflict(resource.plural, resource.group, name_of(obj), reason)
        if subresource == "status":
            new = copy.deepcopy(old)
            new["status"] = copy.deepcopy(obj.get("status") or {})
        else:
            new = _same_object(old, copy.deepcopy(obj))
            if "status" in resource.subresources:
                new.pop("status", None)
                if "status" in old:
                    new["status"] = copy.deepcopy(old["status"])
            if new.get("spec") != old.get("spec"):
                new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        if dry_run or new == old:
            return new
        self.writes.append((f"{verb}/{subresource}" if subresource else verb, resource.qualified, key_of(new)))
        metadata = new["metadata"]
        # A pod that a test put there with a grace period stays until its node deletes it.
        if metadata.get("deletionTimestamp") and not (
            metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds")
        ):
            return copy.deepcopy(self._gone(resource, old))
        return copy.deepcopy(self._store(resource, new, old))

    def _store(self, resource: Resource, new: Obj, old: Obj | None) -> Obj:
        self._revision += 1
        new["metadata"]["resourceVersion"] = str(self._revision)
        self._objects[resource.qualified][key_of(new)] = new
        self._record(resource, Event(ADDED if old is None else MODIFIED, new), old)
        return new

    def _gone(self, resource: Resource, old: Obj) -> Obj:
        self._revision += 1
        del self._objects[resource.qualified][key_of(old)]
        last = copy.deepcopy(old)
        last["metadata"]["resourceVersion"] = str(self._revision)
        self._record(resource, Event(DELETED, last), old)
        return last

    def _record(self, resource: Resource, event: Event, before: Obj | None) -> None:
        self._history.append((self._revision, resource.qualified, event, before))
        self._changed.set()
        self._changed = asyncio.Event()


class _Match:
    """What a list or watch asks for. A change that moves an object in or out is an ADDED or a DELETED."""

    def __init__(self, namespace: str, labels: str, fields: str) -> None:
        self._namespace = namespace
        self._labels = LabelSelector.parse(labels)
        self._fields = FieldSelector.parse(fields)

    def __call__(self, obj: Obj) -> bool:
        if self._namespace and namespace_of(obj) != self._namespace:
            return False
        fields = {
            each.field: str(get_path(obj, *each.field.split("."), default="")) for each in self._fields.requirements
        }
        return self._labels.matches(labels_of(obj)) and self._fields.matches(fields)

    def event(self, event: Event, before: Obj | None) -> Event | None:
        was, now = before is not None and self(before), self(event.object)
        if event.type == DELETED:
            return event if was else None
        if now:
            return Event(MODIFIED if was else ADDED, event.object)
        return Event(DELETED, event.object) if was else None


def _same_object(old: Obj, new: Obj) -> Obj:
    """`new` with the metadata that an object keeps all its life."""
    for key in ("uid", "creationTimestamp", "generation"):
        if key in old["metadata"]:
            new["metadata"][key] = old["metadata"][key]
    if "deletionTimestamp" in old["metadata"] and "deletionTimestamp" not in new["metadata"]:
        for key in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            new["metadata"][key] = old["metadata"].get(key, 0)
    return new


if TYPE_CHECKING:
    from kube_actors.client.client import KubeClient
    from kube_actors.client.interface import Client

    def _same_interface(fake: FakeKubeClient, real: KubeClient) -> tuple[Client, Client]:
        return fake, real
