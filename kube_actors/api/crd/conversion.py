"""Between the versions of a custom resource, where conversion changes nothing but the apiVersion (strategy None).

    from the store   defaults of the schema of the version it was stored in, then the served version's pruning
    to the store     the storage version's pruning

Kubernetes: k8s.io/apiextensions-apiserver/pkg/apiserver/conversion and crdConversionRESTOptionsGetter.
"""

from __future__ import annotations

from collections.abc import Callable

from kube_actors.api import Obj, encoding
from kube_actors.api.crd import defaulting
from kube_actors.api.crd.definition import ServedVersion
from kube_actors.api.crd.pruning import pruned
from kube_actors.api.resources import Resource


def from_storage(resource: Resource, obj: Obj) -> Obj:
    """The object as `resource` serves it. `obj` may be changed."""
    served = resource.definition
    assert served is not None
    version = obj["apiVersion"].rpartition("/")[2]
    schema = served.definition.schemas.get(version)
    if schema is not None and schema.has_defaults:
        defaulting.apply_defaults(schema, obj, root=True)
    if version == resource.version:
        return obj
    return _as_version(served, resource.version, obj)


def to_storage(served: ServedVersion, obj: Obj) -> Obj:
    """The object as it is stored."""
    version = served.definition.storage_version
    if obj["apiVersion"].rpartition("/")[2] == version:
        return obj
    return _as_version(served, version, obj)


def bytes_from_storage(resource: Resource) -> Callable[[bytes], bytes] | None:
    """As `from_storage`, on bytes; None where stored and served bytes are always the same."""
    served = resource.definition
    assert served is not None
    if len(served.definition.schemas) == 1 and not served.schema.has_defaults:
        return None
    head = b'{"kind":"%b","apiVersion":"%b",' % (resource.kind.encode(), resource.api_version.encode())

    def convert(data: bytes) -> bytes:
        if not served.schema.has_defaults and data.startswith(head):
            return data
        return encoding.dumps(from_storage(resource, encoding.loads(data)))

    return convert


def _as_version(served: ServedVersion, version: str, obj: Obj) -> Obj:
    group = obj["apiVersion"].partition("/")[0]
    converted = {**obj, "apiVersion": f"{group}/{version}"}
    schema = served.definition.schemas.get(version)
    return converted if schema is None else pruned(schema, converted, [], root=True)
