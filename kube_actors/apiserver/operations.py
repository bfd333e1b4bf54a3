"""Every verb of the Kubernetes API, for REST and gRPC alike.

A method takes a `Request` (who, what) and options, checks that the user may, and answers bytes or entries of the
cache; refusals are raised as ApiErrors. Bodies are bytes of JSON.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from kube_actors.aio.clock import Clock
from kube_actors.api import Obj, decode, encoding, errors, kinds, validation, warnings
from kube_actors.api.decode import DecodeError
from kube_actors.api.resources import COMPONENT_STATUSES, PODS, Resource, builtin
from kube_actors.apiserver import (
    applying,
    authz,
    binding,
    decoding,
    listing,
    ownership,
    patching,
    scale,
    strategies,
    versions,
)
from kube_actors.apiserver.admission.chain import Attributes, Operation
from kube_actors.apiserver.authz import Authorizer
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.component_status import ComponentStatuses
from kube_actors.apiserver.custom.conversion import Conversions
from kube_actors.apiserver.eviction import Evictions
from kube_actors.apiserver.listing import Page
from kube_actors.apiserver.registry import metadata
from kube_actors.apiserver.registry.registry import (
    MAIN,
    OWN,
    STATUS,
    Change,
    Mode,
    Registry,
    Removed,
    View,
    Written,
)
from kube_actors.apiserver.request import DeleteOptions, ListOptions, Request, Target, User, WriteOptions
from kube_actors.apiserver.reviews import Reviews
from kube_actors.apiserver.storage import Storage
from kube_actors.apiserver.strategies.base import Strategy
from kube_actors.apiserver.token_request import TokenRequests
from kube_actors.apiserver.watching import WatchSession

if TYPE_CHECKING:
    from kube_actors.apiserver.resource_metrics import ResourceMetrics


SUCCESS_CREATED: Obj = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
BINDINGS = builtin("v1", "bindings")
EVICTIONS = Resource("policy", "v1", "evictions", "Eviction", namespaced=True)
# Subresources that read and write the object itself.
VIEWS = ("", "status")


class Operations:
    """See the module's docstring. `authorize` is the first step of each method."""

    def __init__(
        self,
        cache: Cache,
        storage: Storage,
        registry: Registry,
        authorizer: Authorizer,
        reviews: Reviews,
        conversions: Conversions,
        tokens: TokenRequests,
        clock: Clock,
        metrics: ResourceMetrics | None = None,
    ) -> None:
        self._cache = cache
        self._storage = storage
        self._registry = registry
        self._authorizer = authorizer
        self._reviews = reviews
        self._conversions = conversions
        self._tokens = tokens
        self._components = ComponentStatuses(storage)
        self._metrics = metrics
        self._evictions = Evictions(cache, registry, clock)
        self._clock = clock

    def authorize(self, request: Request, verb: str, fields: str = "") -> None:
        """`fields` is the field selector of a list or watch.

        Raises Forbidden, or MethodNotAllowed for a verb that the resource does not have.
        """
        if request.authorized != verb:
            authz.check(self._authorizer, request.user, verb, request.target, fields)
            request.authorized = verb
        if not request.target.subresource and verb not in request.target.resource.verbs:
            raise method_not_allowed()
        if deprecated := warnings.of_resource(request.target.resource):
            request.warn(deprecated)

    def authorize_path(self, user: User, verb: str, path: str) -> None:
        """Raises Forbidden."""
        authz.check_path(self._authorizer, user, verb, path)

    async def get(self, request: Request, resource_version: str = "", *, kept: bool = False) -> bytes:
        """One object; with subresource scale, its Scale. `kept`: in the version that is stored, to be printed."""
        self.authorize(request, "get")
        target = request.target
        if target.subresource not in (*VIEWS, "scale", *kinds.of(target.resource).views):
            raise no_such_path(target)
        if target.resource is COMPONENT_STATUSES:
            return await self._components.get(target.name)
        if self._metrics is not None and self._metrics.answers(target.resource):
            return await self._metrics.get(target)
        await self._wait_for(resource_version)
        resource = target.resource
        key = f"{target.namespace}/{target.name}" if resource.namespaced else target.name
        entry = self._cache.bucket(versions.stored(resource)).get(key)
        if entry is None:
            raise errors.not_found(resource.plural, resource.group, target.name)
        await self._conversions.prepare(resource, (entry,))
        if target.subresource == "scale":
            return encoding.dumps(scale.of(resource).scale_of(versions.from_stored(resource, entry.decode())))
        convert = versions.bytes_converter(versions.stored(resource) if kept else resource)
        return entry.data if convert is None else convert(entry.data)

    async def list(self, request: Request, options: ListOptions) -> Page:
        """One page of a collection, as entries of the stored version."""
        self.authorize(request, "list", options.fields)
        if request.target.resource is COMPONENT_STATUSES:
            return await self._components.page()
        if self._metrics is not None and self._metrics.answers(request.target.resource):
            return await self._metrics.page(request.target, options)
        page = await listing.list_page(self._cache, self._storage, request.target, options)
        await self._conversions.prepare(request.target.resource, page.entries)
        return page

    def size_of(self, target: Target, limit: int) -> int:
        """How many objects a list may have to read, for those who share out the server's time."""
        low, high = self._cache.bucket(versions.stored(target.resource)).keys(target.namespace)
        return min(high - low, limit) if limit else high - low

    async def watch(self, request: Request, options: ListOptions) -> WatchSession:
        """A watch that has begun; iterate over its `events()`."""
        self.authorize(request, "watch", options.fields)
        session = WatchSession(self._cache, request.target, options, self._conversions)
        await session.start()
        return session

    async def create(self, request: Request, data: bytes, options: WriteOptions) -> Written:
        """A new object, or what a subresource makes of a POST."""
        self.authorize(request, "create")
        target = request.target
        if target.subresource == "binding" or target.resource.plural == "bindings":
            return await self._bind(request, data, options)
        if target.subresource == "eviction":
            return await self._evict(request, data, options)
        if target.subresource == "token":
            return Written(encoding.dumps(await self._tokens.create(request, data, options.field_validation)), True)
        if target.subresource:
            raise no_such_path(target)
        obj = decoding.body(request, target.resource, data, options.field_validation)
        if self._reviews.answers(target.resource):
            if obj["metadata"].keys() - {"namespace"}:
                # A refusal of this metadata shows it as it would be kept.
                ownership.recorder(request, options, self._clock.now())(obj, None)
            return Written(encoding.dumps(self._reviews.answer(request, obj)), True)
        record = ownership.recorder(request, options, self._clock.now())
        return await self._registry.create(request, obj, options, record=record)

    async def update(self, request: Request, data: bytes, options: WriteOptions) -> Written:
        """Replace an object, its status, its scale or its finalizers."""
        self.authorize(request, "update")
        target = request.target
        if target.subresource == "scale":
            wanted = self._scale_body(data)
            scaler = scale.of(target.resource)
            return await self._write_scale(request, lambda parent: scaler.apply_scale(parent, wanted), options)
        mode = _mode(target)
        obj = decoding.body(request, target.resource, data, options.field_validation)
        _check_name(target, obj)
        # Each attempt changes its own copy: the first may have filled in what the second must not see.
        copy = encoding.dumps(obj)
        record = ownership.recorder(request, options, self._clock.now())

        def replaced(current: Obj | None) -> Obj:
            if current is None and strategies.of(target.resource).rules.create_on_update:
                self.authorize(request, "create")
            wanted: Obj = encoding.loads(copy)
            return wanted

        return await self._registry.update(request, replaced, options, mode=mode, record=record)

    async def patch(self, request: Request, kind: str, data: bytes, options: WriteOptions) -> Written:
        """Patch an object, its status or its scale; `kind` is the patch's media type."""
        self.authorize(request, "patch")
        target = request.target
        patching.check_options(kind, options)
        if kind == patching.APPLY_PATCH:
            return await self._apply(request, data, options)
        if target.subresource == "scale":
            change_scale = patching.change_of(request, scale.SCALE, kind, data, options)
            scaler = scale.of(target.resource)
            return await self._write_scale(
                request, lambda parent: scaler.apply_scale(parent, change_scale(scaler.scale_of(parent))), options
            )
        change = patching.change_of(request, target.resource, kind, data, options)
        record = ownership.recorder(request, options, self._clock.now())
        existing = _existing(target, change)
        return await self._registry.update(request, existing, options, mode=_mode(target), record=record)

    async def _apply(self, request: Request, data: bytes, options: WriteOptions) -> Written:
        """Server-side apply, which may create the object."""
        target, now = request.target, self._clock.now()
        if target.subresource == "scale":
            return await self._apply_scale(request, data, options)
        config = applying.configuration(target.resource, data)
        change = applying.change_of(request, target.resource, config, options, now)

        def change_or_create(current: Obj | None) -> Obj:
            if current is None:
                if target.subresource:
                    raise errors.not_found(target.resource.plural, target.resource.group, target.name)
                self.authorize(request, "create")
            return change(current)

        return await self._registry.update(request, change_or_create, options, mode=_mode(target), creates=True)

    async def _apply_scale(self, request: Request, data: bytes, options: WriteOptions) -> Written:
        config = applying.configuration(scale.SCALE, data)
        wanted = scale.parent_config(request.target.resource, config.obj)
        config.check(request, options.field_validation)
        change = ownership.applier(request, options, wanted, self._clock.now())
        if "scale" not in request.target.resource.subresources:
            raise no_such_path(request.target)
        written = await self._registry.update(
            request, _existing(request.target, change), options, mode=_scale_mode(request.target)
        )
        return Written(encoding.dumps(scale.of(request.target.resource).scale_of(encoding.loads(written.data))))

    async def delete(self, request: Request, options: DeleteOptions) -> bytes:
        """The object where it stays or its kind answers so, else a Status."""
        self.authorize(request, "delete")
        target = request.target
        if target.subresource:
            raise method_not_allowed()
        removed = await self._registry.delete(request, options)
        return encoding.dumps(_deletion_answer(target.resource, removed))

    async def delete_collection(self, request: Request, selection: ListOptions, options: DeleteOptions) -> bytes:
        """Delete what a list selects; answers the list of it."""
        self.authorize(request, "deletecollection", selection.fields)
        target = request.target
        page = await listing.list_page(self._cache, self._storage, target, selection)
        await self._conversions.prepare(target.resource, page.entries)
        items = []
        for entry in page.entries:
            namespace, _, name = entry.key.rpartition("/")
            one = request.to(Target(target.resource, namespace, name))
            try:
                await self._registry.delete(one, options, collection=request)
            except errors.NotFound:
                continue
            found = versions.from_stored(target.resource, entry.decode())
            dropped = () if target.resource.custom else ("kind", "apiVersion")
            items.append({key: value for key, value in found.items() if key not in dropped})
        meta: Obj = {"resourceVersion": str(page.revision)}
        if page.continue_token or target.resource.custom:
            meta["continue"] = page.continue_token
        kind, version = target.resource.list_kind, target.resource.api_version
        return encoding.dumps({"kind": kind, "apiVersion": version, "metadata": meta, "items": items})

    async def bind(self, request: Request, uid: str, node: str) -> None:
        """Give a pod its node; the batched form of POST pods/NAME/binding, which is the request's target."""
        self.authorize(request, "create")
        if not node:
            raise errors.ApiError("target.name: Required value")
        await self._assign(request, node, uid, None, WriteOptions())

    async def _bind(self, request: Request, data: bytes, options: WriteOptions) -> Written:
        body = _parse(data)
        stated = body.get("metadata") or {}
        node = binding.check_binding(body, request.target.name)
        target = Target(PODS, request.target.namespace, request.target.name or stated.get("name", ""), "binding")
        bound = request.to(target)
        await self._assign(bound, node, stated.get("uid") or "", stated.get("annotations"), options)
        return Written(encoding.dumps(SUCCESS_CREATED), True)

    async def _assign(
        self, request: Request, node: str, uid: str, annotations: dict[str, str] | None, options: WriteOptions
    ) -> None:
        target = request.target
        body = binding.binding_of(target.namespace, target.name, node, uid, annotations)
        await self._admit(request, body, options, BINDINGS)
        now = self._clock.now()
        change = _existing(target, lambda pod: binding.assign(pod, body, now))
        await self._registry.update(request, change, options, mode=OWN)

    async def connect(self, request: Request, options: Obj) -> None:
        """Ask admission whether a stream may be opened; `options` is the body: a PodExecOptions and the like."""
        attributes = Attributes(request, Operation.CONNECT, options, None)
        await self._registry.admission.admit(attributes)
        await self._registry.admission.validate(attributes)

    async def _admit(self, request: Request, body: Obj, options: WriteOptions, kind: Resource) -> None:
        """Admission of a POST that is not stored itself."""
        attributes = Attributes(request, Operation.CREATE, body, None, options, kind)
        await self._registry.admission.admit(attributes)
        await self._registry.admission.validate(attributes)

    async def _evict(self, request: Request, data: bytes, options: WriteOptions) -> Written:
        body = _parse(data)
        await self._admit(request, body, options, EVICTIONS)
        delete = decoding.delete_options_of(body.get("deleteOptions") or {})
        await self._evictions.evict(request, delete, options)
        return Written(encoding.dumps(SUCCESS_CREATED), True)

    async def _write_scale(self, request: Request, change: patching.Change, options: WriteOptions) -> Written:
        if "scale" not in request.target.resource.subresources:
            raise no_such_path(request.target)
        record = ownership.recorder(request, options, self._clock.now())
        existing = _existing(request.target, change)
        written = await self._registry.update(
            request, existing, options, mode=_scale_mode(request.target), record=record
        )
        return Written(encoding.dumps(scale.of(request.target.resource).scale_of(encoding.loads(written.data))))

    def _scale_body(self, data: bytes) -> Obj:
        try:
            body = decode.decode(scale.SCALE, data).obj
        except DecodeError as error:
            raise errors.BadRequest(decoding.cannot_handle(scale.SCALE, str(error))) from None
        decoding.check_kind(scale.SCALE, body)
        return body

    async def _wait_for(self, resource_version: str) -> None:
        if resource_version == "":
            await self._cache.fresh()
            return
        if not (resource_version.isascii() and resource_version.isdigit()):
            text = f'resourceVersion: Invalid value: "{resource_version}": strconv.ParseUint: '
            raise errors.ApiError(f'{text}parsing "{resource_version}": invalid syntax')
        await self._cache.reach(int(resource_version))


def method_not_allowed() -> errors.MethodNotAllowed:
    text = "the server does not allow this method on the requested resource"
    return errors.MethodNotAllowed(text, status={**errors.MethodNotAllowed(text).status(), "details": {}})


def no_such_path(target: Target) -> errors.NotFound:
    """A subresource that the resource does not have."""
    text = "the server could not find the requested resource"
    return errors.NotFound(text, group=target.resource.group, kind=target.resource.plural, name=target.name)


def _mode(target: Target) -> Mode:
    """What a write to this path may change."""
    if target.subresource == "":
        return MAIN
    if target.subresource == "status" and "status" in target.resource.subresources:
        return STATUS
    if target.subresource in kinds.of(target.resource).views:
        return _view(target.subresource)
    raise no_such_path(target)


@cache
def _view(name: str) -> Mode:
    """Of a subresource that a kind has for itself, as the approval of a signing request."""

    def prepare(strategy: Strategy, new: Obj, old: Obj) -> None:
        strategy.prepare_view(name, new, old)

    def validate(resource: Resource, new: Obj, old: Obj) -> list[errors.Cause]:
        return validation.validate_view_update(resource, name, new, old)

    return Mode(prepare, validate)


def _scale_mode(target: Target) -> Mode:
    scaler = scale.of(target.resource)
    return replace(MAIN, view=View(scale.SCALE, scaler.scale_of, scaler.apply_scale))


def _existing(target: Target, change: patching.Change) -> Change:
    """A change of an object that has to exist."""

    def on_existing(current: Obj | None) -> Obj:
        if current is None:
            raise errors.not_found(target.resource.plural, target.resource.group, target.name)
        return change(current)

    return on_existing


def _check_name(target: Target, obj: Obj) -> None:
    name = obj["metadata"].get("name") or ""
    if not name:
        text = f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided"
        raise errors.BadRequest(text)
    if name != target.name:
        raise errors.BadRequest(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
    metadata.check_namespace(target, obj)


def _parse(data: bytes) -> Obj:
    try:
        body = encoding.loads(data or b"{}")
    except ValueError as error:
        raise errors.BadRequest(str(error)) from None
    if not isinstance(body, dict):
        raise errors.BadRequest("the body of the request is no object")
    return body


def _deletion_answer(resource: Resource, removed: Removed) -> Obj:
    if not removed.gone or strategies.of(resource).rules.answers_deleted_object:
        return removed.obj
    meta = removed.obj["metadata"]
    details = {"name": meta["name"], "group": resource.group, "kind": resource.plural, "uid": meta["uid"]}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }
