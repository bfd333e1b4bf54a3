"""Creates, updates and deletions of any kind, as compared writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kube_actors.aio.clock import Clock
from kube_actors.api import Obj, encoding, errors, managed, validation
from kube_actors.api.meta import uid_of
from kube_actors.api.resources import Resource
from kube_actors.apiserver import ownership, strategies, versions
from kube_actors.apiserver.admission.chain import Attributes, Chain, Operation
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.cache.entry import Entry
from kube_actors.apiserver.custom.conversion import Conversions
from kube_actors.apiserver.ownership import Record
from kube_actors.apiserver.registry import deletion, metadata
from kube_actors.apiserver.registry.allocation import Allocators
from kube_actors.apiserver.registry.deletion import Step
from kube_actors.apiserver.registry.leases import LeasePool
from kube_actors.apiserver.request import DeleteOptions, Request, Target, WriteOptions
from kube_actors.apiserver.storage import KV, Storage
from kube_actors.apiserver.strategies.base import Reservation, Strategy
from kube_actors.store.errors import RevisionConflict

# Makes the new state of an object from the present one, which it may change and return; None: it does not exist.
Change = Callable[[Obj | None], Obj]
Prepare = Callable[[Strategy, Obj, Obj], None]
Validate = Callable[[Resource, Obj, Obj], list[errors.Cause]]
# An update that is not tied to a version is tried anew after each conflict, so often.
ATTEMPTS = 50
# A generated name that exists is generated anew, so often.
NAME_ATTEMPTS = 8
AFTER_ADMISSION = " after mutating admission happens"


@dataclass(frozen=True, slots=True)
class Written:
    """The answer to a write: the object's bytes as served."""

    data: bytes
    created: bool = False


@dataclass(frozen=True, slots=True)
class Removed:
    """The answer to a deletion. `gone`: the object is no more, and this was its last state."""

    obj: Obj
    gone: bool


@dataclass(frozen=True, slots=True)
class View:
    """How a subresource shows an object to admission, and what it takes back from what it showed."""

    kind: Resource
    show: Callable[[Obj], Obj]
    merge: Callable[[Obj, Obj], Obj]


@dataclass(frozen=True, slots=True)
class Mode:
    """What kind of update: which part of the object it may change, what is checked of it, what admission sees."""

    prepare: Prepare
    validate: Validate | None = None
    allocates: bool = False
    view: View | None = None
    admits: bool = True


def _as_it_is(strategy: Strategy, new: Obj, old: Obj) -> None:
    """The server knows what it has changed."""


# Of the main resource, of its status, and of what the server itself does to an object (a binding): whoever asked
# for that was asked about by its own kind.
MAIN = Mode(Strategy.prepare_update, validation.validate_update, allocates=True)
STATUS = Mode(Strategy.prepare_status_update, validation.validate_status_update)
OWN = Mode(_as_it_is, admits=False)


class Registry:
    """One for all kinds; see the package's docstring."""

    def __init__(
        self,
        storage: Storage,
        cache: Cache,
        admission: Chain,
        allocators: Allocators,
        leases: LeasePool,
        conversions: Conversions,
        clock: Clock,
        *,
        loopback_endpoints: bool = False,
    ) -> None:
        """`loopback_endpoints`: endpoints may be loopback addresses, which Kubernetes refuses."""
        self._loopback_endpoints = loopback_endpoints
        self._storage = storage
        self._cache = cache
        self.admission = admission
        self._allocators = allocators
        self._leases = leases
        self._conversions = conversions
        self._clock = clock

    async def create(
        self, request: Request, obj: Obj, options: WriteOptions, *, record: Record | None = None
    ) -> Written:
        """Write a new object. `obj` is decoded and has its defaults; it is changed in place.

        Without `record` its managedFields are taken as they are.
        """
        target = request.target
        strategy = strategies.of(target.resource)
        metadata.check_namespace(target, obj)
        generated = bool(obj["metadata"].get("generateName")) and not obj["metadata"].get("name")
        metadata.dedup_owners(request, obj)
        if record is not None:
            record(obj, None)
        recorded = obj["metadata"].get("managedFields")
        attributes = Attributes(request, Operation.CREATE, obj, None, options)
        await self.admission.admit(attributes)
        obj = attributes.obj or obj
        _after_admission(request, obj, recorded)
        metadata.fill_new(obj, self._clock.now())
        strategy.stamp(obj, None, request.user, self._clock.now())
        for _ in range(NAME_ATTEMPTS if generated else 1):
            try:
                return await self._create(strategy, attributes)
            except errors.AlreadyExists as error:
                refused = error
                if generated:
                    obj["metadata"]["name"] = metadata.generated_name(obj["metadata"]["generateName"])
        raise refused

    async def update(
        self,
        request: Request,
        change: Change,
        options: WriteOptions,
        *,
        mode: Mode = MAIN,
        record: Record | None = None,
        creates: bool = False,
    ) -> Written:
        """Change an object: `change` is called with the present state, again after every conflict.

        Without `record` its managedFields are what the change makes of them. `creates`: an object that does not
        exist is created, whatever its kind says.
        """
        target = request.target
        resource = target.resource
        strategy = strategies.of(resource)
        key = _key(target)
        entry = self._cache.latest(versions.stored(resource), key)
        fresh = False
        for _ in range(ATTEMPTS):
            if entry is None and not fresh:
                entry, fresh = await self._read(resource, key), True
            try:
                if entry is None:
                    return await self._create_by_update(request, strategy, change, options, record, creates)
                outcome = await self._try_update(request, strategy, entry, change, options, mode, record, fresh)
            except RevisionConflict as conflict:
                entry, fresh = _entry(key, conflict.current), True
                continue
            except errors.ApiError:
                if fresh:
                    raise
                again, fresh = await self._read(resource, key), True
                if again is not None and entry is not None and again.revision == entry.revision:
                    raise
                entry = again
                continue
            if outcome is not None:
                return outcome
            entry, fresh = await self._read(resource, key), True
        raise errors.conflict(resource.plural, resource.group, target.name, errors.MODIFIED)

    async def delete(
        self,
        request: Request,
        options: DeleteOptions,
        *,
        collection: Request | None = None,
        admits: bool = True,
    ) -> Removed:
        """Delete an object, or begin to. `collection` is the request that selected it among others."""
        asked = (collection or request) if admits else None
        target = request.target
        resource = target.resource
        strategy = strategies.of(resource)
        key = _key(target)
        entry = self._cache.latest(versions.stored(resource), key)
        fresh = False
        for _ in range(ATTEMPTS):
            if entry is None and not fresh:
                entry, fresh = await self._read(resource, key), True
            if entry is None:
                raise errors.not_found(resource.plural, resource.group, target.name)
            try:
                return await self._try_delete(request, strategy, entry, options, asked)
            except RevisionConflict as conflict:
                entry, fresh = _entry(key, conflict.current), True
            except errors.ApiError:
                if fresh:
                    raise
                entry, fresh = await self._read(resource, key), True
        raise errors.conflict(resource.plural, resource.group, target.name, errors.MODIFIED)

    async def _create(self, strategy: Strategy, attributes: Attributes) -> Written:
        obj, resource = attributes.obj, attributes.resource
        assert obj is not None
        reservation = await strategy.begin_create(obj, self._allocators)
        try:
            strategy.prepare_create(obj)
            self._refuse(resource, obj, validation.validate_create(resource, obj))
            await self.admission.validate(attributes)
            if attributes.dry_run:
                await _undo(reservation)
                await self._refuse_existing(resource, attributes)
                return Written(encoding.dumps(obj), True)
            entry = await self._put(resource, obj, 0, strategy.ttl_seconds)
        except RevisionConflict:
            await _undo(reservation)
            raise errors.already_exists(resource.plural, resource.group, obj["metadata"]["name"]) from None
        except BaseException:
            await _undo(reservation)
            raise
        return Written(_served(resource, entry), True)

    async def _create_by_update(
        self,
        request: Request,
        strategy: Strategy,
        change: Change,
        options: WriteOptions,
        record: Record | None,
        creates: bool,
    ) -> Written:
        obj = change(None)
        resource = request.target.resource
        if not creates:
            version = metadata.parse_version(obj["metadata"].get("resourceVersion", ""))
            if not strategy.rules.create_on_update or version:
                raise errors.not_found(resource.plural, resource.group, request.target.name)
        return await self.create(request, obj, options, record=record)

    async def _try_update(
        self,
        request: Request,
        strategy: Strategy,
        entry: Entry,
        change: Change,
        options: WriteOptions,
        mode: Mode,
        record: Record | None,
        fresh: bool,
    ) -> Written | None:
        """One attempt on the state `entry`. None: nothing would change, but the state may be an old one."""
        target, resource = request.target, request.target.resource
        if resource.custom:
            await self._conversions.prepare(resource, (entry,))
        old = versions.from_stored(resource, entry.decode())
        new = change(versions.from_stored(resource, entry.decode()))
        metadata.check_namespace(target, new)
        metadata.check_uid(resource, target.name, new, old)
        self._check_version(strategy, new, entry, target)
        metadata.keep_fixed(new, old)
        metadata.dedup_owners(request, new)
        if record is not None:
            record(new, old)
        recorded = new["metadata"].get("managedFields")
        attributes, new = await self._admit_update(request, new, old, options, mode)
        _after_admission(request, new, recorded)
        reservation = None
        if mode.allocates:
            reservation = await strategy.begin_update(new, old, self._allocators)
        try:
            strategy.stamp(new, old, request.user, self._clock.now())
            mode.prepare(strategy, new, old)
            if mode.validate is not None:
                self._refuse(resource, new, mode.validate(resource, new, old))
            if attributes is not None:
                await self.admission.validate(attributes)
            new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
            managed.settle(old, new)
            if options.dry_run:
                await _undo(reservation)
                return Written(encoding.dumps(new))
            if deletion.removable(strategy, new):
                await self._storage.delete(_store_key(resource, entry.key), expected_revision=entry.revision)
                await strategy.after_delete(old, self._allocators)
                return Written(encoding.dumps(new))
            if new == old:
                return Written(_served(resource, entry)) if fresh else None
            written = await self._put(resource, new, entry.revision, strategy.ttl_seconds)
        except BaseException:
            await _undo(reservation)
            raise
        if reservation is not None:
            await reservation.release()
        return Written(_served(resource, written))

    async def _admit_update(
        self, request: Request, new: Obj, old: Obj, options: WriteOptions, mode: Mode
    ) -> tuple[Attributes | None, Obj]:
        """Admission's first half: what the second half is to be asked with, and the object as plugins left it."""
        if not mode.admits:
            return None, new
        if mode.view is None:
            attributes = Attributes(request, Operation.UPDATE, new, old, options)
            await self.admission.admit(attributes)
            return attributes, attributes.obj or new
        view = mode.view
        attributes = Attributes(request, Operation.UPDATE, view.show(new), view.show(old), options, view.kind)
        await self.admission.admit(attributes)
        return attributes, view.merge(new, attributes.obj or {})

    async def _try_delete(
        self, request: Request, strategy: Strategy, entry: Entry, options: DeleteOptions, asked: Request | None
    ) -> Removed:
        resource = request.target.resource
        if resource.custom:
            await self._conversions.prepare(resource, (entry,))
        current = versions.from_stored(resource, entry.decode())
        deletion.check_preconditions(resource, current, options)
        strategy.refuse_deletion(request.target.name)
        if asked is not None:
            attributes = Attributes(asked, Operation.DELETE, None, current, options)
            await self.admission.admit(attributes)
            await self.admission.validate(attributes)
        plan = deletion.plan(strategy, current, options, self._clock.now())
        if plan.step is Step.NOTHING:
            return Removed(plan.obj, gone=False)
        if options.dry_run:
            return Removed(plan.obj, gone=plan.step is not Step.UPDATE)
        if plan.step is Step.UPDATE:
            written = await self._put(resource, plan.obj, entry.revision, strategy.ttl_seconds)
            return Removed(versions.from_stored(resource, written.decode()), gone=False)
        if plan.step is Step.MARK_AND_REMOVE:
            marked = await self._put(resource, plan.obj, entry.revision, strategy.ttl_seconds)
            revision = await self._remove_marked(resource, marked)
        else:
            revision = await self._storage.delete(_store_key(resource, entry.key), expected_revision=entry.revision)
        await strategy.after_delete(current, self._allocators)
        last = {**plan.obj, "metadata": {**plan.obj["metadata"], "resourceVersion": str(revision)}}
        return Removed(last, gone=True)

    async def _remove_marked(self, resource: Resource, marked: Entry) -> int:
        """Who sees the mark may write once more, or be the first to remove the object, as its node: it is gone then
        all the same. Kubernetes' Store.Delete ignores NotFound there. Returns the revision of the end.

        Raises RevisionConflict for a writer that is always faster.
        """
        entry = marked
        for _ in range(ATTEMPTS):
            try:
                return await self._storage.delete(_store_key(resource, entry.key), expected_revision=entry.revision)
            except RevisionConflict as conflict:
                found, last = _entry(entry.key, conflict.current), conflict
            if found is None or uid_of(found.decode()) != uid_of(marked.decode()):
                return entry.revision
            entry = found
        raise last

    def _refuse(self, resource: Resource, obj: Obj, causes: list[errors.Cause]) -> None:
        """Raise Invalid where there are causes that count in this cluster."""
        if resource.kind in ("Endpoints", "EndpointSlice"):
            own = obj["metadata"].get("name") == "kubernetes" and obj["metadata"].get("namespace") == "default"
            if own or self._loopback_endpoints:
                causes = [cause for cause in causes if "loopback range" not in cause.message]
        if causes:
            raise validation.invalid(resource, obj["metadata"].get("name", ""), causes)

    def _check_version(self, strategy: Strategy, new: Obj, entry: Entry, target: Target) -> None:
        """The update's resourceVersion is the present one, or there is none and the kind allows it."""
        resource = target.resource
        wanted = metadata.parse_version(new["metadata"].get("resourceVersion", ""))
        if wanted == 0 and not strategy.rules.unconditional_update:
            cause = errors.Cause(
                "FieldValueInvalid", "Invalid value: 0: must be specified for an update", "metadata.resourceVersion"
            )
            raise errors.invalid(resource.plural, resource.group, target.name, [cause])
        if wanted not in (0, entry.revision):
            raise errors.conflict(resource.plural, resource.group, target.name, errors.MODIFIED)

    async def _refuse_existing(self, resource: Resource, attributes: Attributes) -> None:
        obj = attributes.obj
        assert obj is not None
        key = f"{attributes.target.namespace}/{obj['metadata']['name']}" if resource.namespaced else attributes.name
        if await self._read(resource, key) is not None:
            raise errors.already_exists(resource.plural, resource.group, attributes.name)

    async def _put(self, resource: Resource, obj: Obj, expected: int, ttl: int) -> Entry:
        if resource.custom:
            await self._conversions.prepare_write(resource, obj)
        stored_as = versions.stored(resource)
        stored = versions.to_stored(resource, obj)
        value = encoding.encode(stored)
        key = _object_key(resource, obj)
        lease = await self._leases.get(ttl)
        revision = await self._storage.put(_store_key(resource, key), value, expected_revision=expected, lease=lease)
        entry = Entry.of_stored(key, revision, value, lease)
        entry.index(stored, self._cache.bucket(stored_as).read_fields)
        self._cache.note_write(stored_as, entry)
        if resource.custom:
            await self._conversions.prepare(resource, (entry,))
        return entry

    async def _read(self, resource: Resource, key: str) -> Entry | None:
        kv, _ = await self._storage.get(_store_key(resource, key))
        return _entry(key, kv)


def _after_admission(request: Request, obj: Obj, recorded: object) -> None:
    """Plugins and webhooks may have doubled owners and broken managedFields."""
    metadata.dedup_owners(request, obj, AFTER_ADMISSION)
    ownership.keep_valid(request, obj, recorded)


async def _undo(reservation: Reservation | None) -> None:
    if reservation is not None:
        await reservation.undo()


def _served(resource: Resource, entry: Entry) -> bytes:
    convert = versions.bytes_converter(resource)
    return entry.data if convert is None else convert(entry.data)


def _entry(key: str, kv: KV | None) -> Entry | None:
    return None if kv is None else Entry.of_stored(key, kv.mod_revision, kv.value, kv.lease)


def _key(target: Target) -> str:
    return f"{target.namespace}/{target.name}" if target.resource.namespaced else target.name


def _object_key(resource: Resource, obj: Obj) -> str:
    meta = obj["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if resource.namespaced else str(meta["name"])


def _store_key(resource: Resource, key: str) -> bytes:
    return (versions.stored(resource).store_prefix + key).encode()
