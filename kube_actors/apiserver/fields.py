"""Which fields a field selector may name, a table a kind, and what they are of an object.

Kubernetes: the field label conversion functions of pkg/apis/*/v1/conversion.go and ToSelectableFields of the
strategies. A kind without an entry knows metadata.name and metadata.namespace only.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from kube_actors.api import Obj, errors
from kube_actors.api.crd.definition import Definition
from kube_actors.api.meta import get_path
from kube_actors.api.resources import Resource
from kube_actors.api.selectors import FieldSelector
from kube_actors.apiserver.cache.entry import FieldReader

Read = Callable[[Obj], str]


def _text(*path: str, default: str = "") -> Read:
    def read(obj: Obj) -> str:
        value = get_path(obj, *path, default=default)
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value)

    return read


def _dotted(*names: str, **defaults: str) -> dict[str, Read]:
    return {name: _text(*name.split("."), default=defaults.get(name.rpartition(".")[2], "")) for name in names}


def _event_source(obj: Obj) -> str:
    return str(get_path(obj, "source", "component") or obj.get("reportingComponent") or "")


def _pod_ips(obj: Obj) -> str:
    return ",".join(item.get("ip", "") for item in get_path(obj, "status", "podIPs", default=[]))


_REGARDING = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

# By kind of the stored version.
_TABLES: dict[str, dict[str, Read]] = {
    "Pod": _dotted(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
        hostNetwork="false",
    )
    | {"status.podIPs": _pod_ips},
    "Node": _dotted("spec.unschedulable", unschedulable="false"),
    "Namespace": _dotted("status.phase"),
    "Secret": _dotted("type"),
    "Service": _dotted("spec.clusterIP", "spec.type"),
    "ReplicationController": _dotted("status.replicas", replicas="0"),
    "Job": {"status.successful": _text("status", "succeeded", default="0")},
    "CertificateSigningRequest": _dotted("spec.signerName"),
    "Event": {
        **_dotted(*(f"involvedObject.{name}" for name in _REGARDING), "reason", "type"),
        "reportingComponent": _text("reportingComponent"),
        "source": _event_source,
    },
}
_ALIASES = {
    "Pod": {"spec.host": "spec.nodeName"},
    "Event": {f"regarding.{name}": f"involvedObject.{name}" for name in _REGARDING}
    | {"reportingController": "reportingComponent"},
}


def reader(kind: str) -> FieldReader:
    """Reads all selectable fields of an object of that kind."""
    table = list(_TABLES.get(kind, {}).items())

    def read(obj: Obj) -> dict[str, str]:
        metadata = obj["metadata"]
        fields = {"metadata.name": metadata["name"], "metadata.namespace": metadata.get("namespace", "")}
        for name, get in table:
            fields[name] = get(obj)
        return fields

    return read


def custom_reader(definition: Definition) -> FieldReader:
    """Reads the selectable fields of all versions of a custom resource, as its objects are stored."""
    paths = {
        one["jsonPath"].lstrip(".")
        for version in definition.crd["spec"]["versions"]
        for one in version.get("selectableFields") or ()
    }
    table = _dotted(*paths)

    def read(obj: Obj) -> dict[str, str]:
        metadata = obj["metadata"]
        known = {"metadata.name": metadata["name"], "metadata.namespace": metadata.get("namespace", "")}
        return known | {name: get(obj) for name, get in table.items()}

    return read


def parse(resource: Resource, text: str) -> FieldSelector | None:
    """The selector in a query, None where it selects everything. Raises BadRequest."""
    if not text:
        return None
    try:
        selector = FieldSelector.parse(text)
    except ValueError as error:
        raise errors.BadRequest(str(error)) from None
    aliases = _ALIASES.get(resource.kind, {})
    known: Container[str] = _TABLES.get(resource.kind, {})
    if resource.definition is not None:
        aliases, known = {}, resource.definition.selectable

    def convert(field: str, value: str) -> tuple[str, str]:
        field = aliases.get(field, field)
        if field in known or field in ("metadata.name", "metadata.namespace"):
            return field, value
        raise errors.BadRequest(_unknown(resource, field))

    selector = selector.transform(convert)
    return None if selector.is_everything else selector


def _unknown(resource: Resource, field: str) -> str:
    if resource.custom:
        return f"field label not supported: {field}"
    if resource.kind == "Job":
        return f'field label "{field}" not supported for Job'
    if resource.kind in _TABLES:
        return f"field label not supported: {field}"
    return f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'
