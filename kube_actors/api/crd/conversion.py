"""Between the versions of a custom resource: by changing the apiVersion, or as a webhook has answered before.

    from the store   defaults of the schema of the version it was stored in, then the served version's pruning
    to the store     the storage version's pruning

Kubernetes: k8s.io/apiextensions-apiserver/pkg/apiserver/conversion and crdConversionRESTOptionsGetter.
"""

from __future__ import annotations

from collections.abc import Callable

from kube_actors.api import Obj, encoding, errors
from kube_actors.api.crd import defaulting
from kube_actors.api.crd.definition import ServedVersion
from kube_actors.api.crd.pruning import pruned
from kube_actors.api.resources import Resource


def from_storage(resource: Resource, obj: Obj) -> Obj:
    """The object as `resource` serves it. `obj` may be changed."""
    served = resource.definition
    assert served is not None
    version = obj["apiVersion"].rpartition("/")[2]
    webhook = served.definition.webhook is not None and version != resource.version
    source = encoding.dumps(obj) if webhook else b""
    schema = served.definition.schemas.get(version)
    if schema is not None and schema.has_defaults:
        defaulting.apply_defaults(schema, obj, root=True)
    if version == resource.version:
        return obj
    return _as_version(served, resource.version, _answered(served, resource.version, source) if webhook else obj)


def to_storage(served: ServedVersion, obj: Obj) -> Obj:
    """The object as it is stored."""
    version = served.definition.storage_version
    if obj["apiVersion"].rpartition("/")[2] == version:
        return obj
    if served.definition.webhook is not None:
        obj = _answered(served, version, encoding.dumps(obj))
    return _as_version(served, version, obj)


def _answered(served: ServedVersion, version: str, source: bytes) -> Obj:
    """Raises Unavailable where the webhook was not asked in time, which is whoever needs the object to see to."""
    found = served.definition.converted.get(version, source)
    if found is None:
        raise errors.Unavailable("the object has not been converted yet; please try again", retry_after=1)
    return found


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
