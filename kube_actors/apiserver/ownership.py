"""Who owns what a request writes: from a request to the pure functions of `kube_actors.api.managed`.

Every create, update and patch is recorded under its fieldManager, or under the name of the client's program.
What the server itself does (bindings, deletions) belongs to nobody. Kubernetes: endpoints/handlers of
k8s.io/apiserver, and the reset fields of its strategies.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj, managed, schema
from kube_actors.api.crd.definition import ServedVersion
from kube_actors.api.managed import entries, shapes
from kube_actors.api.managed.fields import Fields, of_path, union
from kube_actors.api.managed.ownership import Writer
from kube_actors.api.managed.shapes import Shape
from kube_actors.api.normal import normalizer
from kube_actors.api.resources import Resource
from kube_actors.apiserver import versions
from kube_actors.apiserver.decoding import MAX_FIELD_MANAGER
from kube_actors.apiserver.request import Request, User, WriteOptions

# Sets metadata.managedFields of an object that is written over another, or over nothing.
Record = Callable[[Obj, Obj | None], None]

_INVALID = (
    ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating "
    "admission controller; please fix your requests: "
)
_STATUS_KEEPS: dict[str, Fields] = {
    "Deployment": of_path("f:metadata", "f:labels"),
    "Pod": union(of_path("f:metadata", "f:deletionTimestamp"), of_path("f:metadata", "f:ownerReferences")),
}


class ServedTypes:
    """The versions of a resource that are served."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    @property
    def change(self) -> bool:
        return self._resource.custom

    def shape(self, api_version: str) -> Shape | None:
        resource = versions.sibling(self._resource, api_version)
        return None if resource is None else shape_of(resource)

    def empty(self, api_version: str) -> Obj:
        resource = versions.sibling(self._resource, api_version)
        if resource is None or resource.custom:
            return {"apiVersion": api_version, "kind": self._resource.kind, "metadata": {}}
        return _empty_builtin(resource)

    def convert(self, obj: Obj, api_version: str) -> Obj:
        """Webhooks are not asked: fields of their other versions are told apart by their names alone."""
        have = obj["apiVersion"]
        if have == api_version:
            return obj
        served = self._resource.definition
        if served is not None and served.definition.webhook is not None:
            return {**obj, "apiVersion": api_version}
        source, wanted = (versions.sibling(self._resource, one) for one in (have, api_version))
        if source is None or wanted is None:
            raise ValueError(f"no version {have} or {api_version} is served")
        return versions.from_stored(wanted, versions.to_stored(source, obj))


def shape_of(resource: Resource) -> Shape:
    """What the schema of a resource says of ownership; of a custom one without a schema, what its values say."""
    return shapes.of(resource) if resource.definition is None else _shape_of_custom(resource.definition, resource)


# Of as many versions as a cluster may have; each change of a definition makes new ones.
@lru_cache(maxsize=1024)
def _shape_of_custom(served: ServedVersion, resource: Resource) -> Shape:
    return shapes.of(resource, served.node)


def recorder(request: Request, options: WriteOptions, now: float) -> Record:
    """Records an ordinary write. Now is in seconds since the epoch."""
    types, who = ServedTypes(request.target.resource), writer(request, options, now)

    def record(new: Obj, old: Obj | None) -> None:
        managed.track(types, old, new, who)

    return record


def applier(request: Request, options: WriteOptions, config: Obj, now: float) -> Callable[[Obj | None], Obj]:
    """Makes the object that `config` applied to the present one is; see `managed.apply` for what it raises."""
    types, who = ServedTypes(request.target.resource), writer(request, options, now)

    def change(current: Obj | None) -> Obj:
        return managed.apply(types, current, config, who, force=bool(options.force))

    return change


def keep_valid(request: Request, obj: Obj, recorded: object) -> None:
    """Put back the managedFields that were recorded before admission, where admission left none that can be."""
    metadata = obj["metadata"]
    found = metadata.get("managedFields")
    if found is None or found is recorded or found == recorded:
        return
    try:
        metadata["managedFields"] = entries.checked(found)
    except ValueError as error:
        request.warn(f"{_INVALID}{error}")
        metadata["managedFields"] = recorded
        if recorded is None:
            del metadata["managedFields"]


def writer(request: Request, options: WriteOptions, now: float) -> Writer:
    target = request.target
    scales = target.subresource == "scale"
    return Writer(
        options.field_manager or program(request),
        target.resource.api_version,
        # Kubernetes loses the time on the way from a Scale to its parent.
        "" if scales else _stamp(int(now)),
        target.subresource,
        _ignored(target.resource, target.subresource),
    )


@lru_cache(maxsize=16)
def _stamp(second: int) -> str:
    return rfc3339(second)


def program(request: Request) -> str:
    """The first part of the user agent; a component that has none by what it is."""
    name = request.agent.partition("/")[0] if request.agent else _component(request.user)
    printable = "".join(char for char in name if char.isprintable())
    return printable.encode()[:MAX_FIELD_MANAGER].decode(errors="ignore")


def _component(user: User) -> str:
    if user.name.startswith("system:node:"):
        return "kubelet"
    return user.name.rpartition(":")[2]


@cache
def _ignored(resource: Resource, subresource: str) -> Fields:
    """What a write to this path cannot change, whatever its body says."""
    if "status" not in resource.subresources:
        return {}
    if subresource == "status":
        return union(of_path("f:spec"), _STATUS_KEEPS.get(resource.kind, {}))
    return {} if subresource else of_path("f:status")


@cache
def _empty_builtin(resource: Resource) -> Obj:
    zero: Obj = normalizer(schema.of(resource))({}, [])
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}, **zero}
