"""Served versions and the one that is stored: two resources may be two views of the same objects.

`events` of v1 and of events.k8s.io/v1 are kept as v1, autoscalers of autoscaling/v1 as v2. A resource without an
entry is stored as it is served. How versions of
custom resources become each other is `api.crd.conversion`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kube_actors.api import Obj, autoscaling, encoding, schema
from kube_actors.api.crd import conversion
from kube_actors.api.crd.definition import resources_of
from kube_actors.api.normal import normalizer
from kube_actors.api.resources import BUILTIN, EVENTS, Resource, builtin

Convert = Callable[[Obj], Obj]
NEW_EVENTS = builtin("events.k8s.io/v1", "events")


@dataclass(frozen=True, slots=True)
class View:
    """How a served resource is made of the stored one. Converters return a new object."""

    stored: Resource
    from_stored: Convert
    to_stored: Convert


# Fields of an event as the core group calls them, and as events.k8s.io does.
_EVENT_FIELDS = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_CORE_FIELDS = {new: old for old, new in _EVENT_FIELDS.items()}


def _event_from_core(obj: Obj) -> Obj:
    return _renamed(obj, NEW_EVENTS, _EVENT_FIELDS)


def _event_to_core(obj: Obj) -> Obj:
    return _renamed(obj, EVENTS, _CORE_FIELDS)


def _renamed(obj: Obj, resource: Resource, fields: dict[str, str]) -> Obj:
    """The same object with other names for its fields, in the normal form of the other kind."""
    moved = {fields.get(key, key): value for key, value in obj.items() if key not in ("kind", "apiVersion")}
    normal: Obj = normalizer(schema.of(resource))(moved, [])
    return {"kind": resource.kind, "apiVersion": resource.api_version, **normal}


_VIEWS: dict[Resource, View] = {
    builtin("autoscaling/v1", "horizontalpodautoscalers"): View(
        builtin("autoscaling/v2", "horizontalpodautoscalers"), autoscaling.to_v1, autoscaling.to_v2
    ),
    NEW_EVENTS: View(EVENTS, _event_from_core, _event_to_core),
}


def stored(resource: Resource) -> Resource:
    """The resource as which the objects of `resource` are stored. Versions of a custom resource share their keys."""
    view = _VIEWS.get(resource)
    return resource if view is None else view.stored


def sibling(resource: Resource, api_version: str) -> Resource | None:
    """The same objects in another version; None where that is not served."""
    if resource.api_version == api_version:
        return resource
    if resource.definition is not None:
        served = resources_of(resource.definition.definition)
        return next((one for one in served if one.api_version == api_version), None)
    other = BUILTIN.of_kind(api_version, resource.kind)
    return other if other is not None and stored(other) == stored(resource) else None


def to_stored(resource: Resource, obj: Obj) -> Obj:
    if resource.definition is not None:
        return conversion.to_storage(resource.definition, obj)
    view = _VIEWS.get(resource)
    return obj if view is None else view.to_stored(obj)


def from_stored(resource: Resource, obj: Obj) -> Obj:
    if resource.definition is not None:
        return conversion.from_storage(resource, obj)
    view = _VIEWS.get(resource)
    return obj if view is None else view.from_stored(obj)


def bytes_converter(resource: Resource) -> Callable[[bytes], bytes] | None:
    """From the bytes of the stored object to those of the served one; None where they are the same."""
    if resource.definition is not None:
        return conversion.bytes_from_storage(resource)
    view = _VIEWS.get(resource)
    if view is None:
        return None
    convert = view.from_stored

    def convert_bytes(data: bytes) -> bytes:
        return encoding.dumps(convert(encoding.loads(data)))

    return convert_bytes


def equivalents(resource: Resource) -> tuple[Resource, ...]:
    """The other versions of a resource: they show the same objects."""
    if resource.definition is not None:
        served = resources_of(resource.definition.definition)
        return tuple(one for one in served if one.version != resource.version)
    kept = stored(resource)
    return tuple(one for one in dict.fromkeys((kept, *_VIEWS)) if one != resource and stored(one) == kept)
