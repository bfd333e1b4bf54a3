"""fieldRef and resourceFieldRef: what a container may learn of its own pod."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from kube_actors.api import Obj
from kube_actors.api.quantity import parse

_SUBSCRIPT = re.compile(r"metadata\.(annotations|labels)\['(.*)'\]")


@dataclass(frozen=True, slots=True)
class PodAddresses:
    """The addresses that fieldRef may ask for; `node_allocatable` stands for limits that are not set."""

    pod_ip: str
    host_ip: str
    node_allocatable: Mapping[str, str]


def field_value(pod: Obj, path: str, addresses: PodAddresses | None = None) -> str:
    """The value of a fieldRef. Raises ValueError for a path that the downward API does not have."""
    metadata, spec = pod["metadata"], pod["spec"]
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript is not None:
        return str((metadata.get(subscript[1]) or {}).get(subscript[2], ""))
    if path in ("metadata.annotations", "metadata.labels"):
        return format_map(metadata.get(path.removeprefix("metadata.")) or {})
    if path in ("metadata.name", "metadata.namespace", "metadata.uid"):
        return str(metadata.get(path.removeprefix("metadata.")) or "")
    if path == "spec.nodeName":
        return str(spec.get("nodeName") or "")
    if path == "spec.serviceAccountName":
        return str(spec.get("serviceAccountName") or "")
    if addresses is not None:
        if path in ("status.hostIP", "status.hostIPs"):
            return addresses.host_ip
        if path in ("status.podIP", "status.podIPs"):
            return addresses.pod_ip
    raise ValueError(f"unsupported fieldPath: {path}")


def format_map(values: Mapping[str, str]) -> str:
    """A map as the downward API writes it: sorted lines of key="value" with Go's quoting."""
    return "\n".join(f"{key}={_quoted(values[key])}" for key in sorted(values))


def _quoted(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(char, char) for char in text) + '"'


def resource_value(pod: Obj, container: Obj, ref: Obj, node_allocatable: Mapping[str, str]) -> str:
    """The value of a resourceFieldRef in units of its divisor, rounded up. Raises ValueError."""
    owner = container
    if ref.get("containerName"):
        owner = _container(pod, str(ref["containerName"]))
    kind, _, resource = str(ref["resource"]).partition(".")
    if kind not in ("limits", "requests") or not resource:
        raise ValueError(f"unsupported container resource : {ref['resource']}")
    amounts = (owner.get("resources") or {}).get(kind) or {}
    amount = amounts.get(resource) or "0"
    if kind == "limits" and not parse(amount):
        # The limit of the pod as a whole holds, else what the node has.
        whole = (pod["spec"].get("resources") or {}).get("limits") or {}
        amount = whole.get(resource) or node_allocatable.get(resource, "0")
    divisor = parse(ref.get("divisor") or "1") or Decimal(1)
    return str(math.ceil(parse(amount) / divisor))


def _container(pod: Obj, name: str) -> Obj:
    for key in ("containers", "initContainers"):
        for each in pod["spec"].get(key) or ():
            if each["name"] == name:
                return dict(each)
    raise ValueError(f"container {name} not found")
