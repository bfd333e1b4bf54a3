"""EndpointSlices for Endpoints that users write: those of a Service without a selector. Pure.

A proxy reads slices alone; older tools know Endpoints alone. Each subset becomes slices of one address family and one
set of ports, MAX_ENDPOINTS at most in each, and MAX_ADDRESSES of a subset in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, controller_ref, labels_of, name_of, namespace_of, uid_of
from kube_actors.api.resources import ENDPOINT_SLICES
from kube_actors.controllers.actions import CreateObject, DeleteObject, UpdateObject
from kube_actors.controllers.endpoints.membership import TRIGGER_TIME
from kube_actors.controllers.endpoints.slices import MANAGED_BY, MAX_ENDPOINTS, SERVICE_NAME
from kube_actors.controllers.templates import generate_name

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
# Endpoints of a leader election of old: no endpoints at all.
LEADER = "control-plane.alpha.kubernetes.io/leader"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MAX_ADDRESSES = 1000

Write = CreateObject | UpdateObject | DeleteObject


def is_mirrored(endpoints: Obj, service: Obj | None) -> bool:
    """Whether slices are made of these Endpoints."""
    if labels_of(endpoints).get(SKIP) == "true" or LEADER in annotations_of(endpoints):
        return False
    return service is not None and not service["spec"].get("selector")


def plan(endpoints: Obj, slices: Iterable[Obj]) -> list[Write]:
    """Bring the mirrors, which are `slices`, to what the Endpoints say."""
    wanted = [_slice(endpoints, *part) for part in _parts(endpoints)]
    left = sorted(slices, key=name_of)
    # Those that are right stay as they are, before any other is changed into something else.
    missing = [new for new in wanted if not _take(left, partial(_is_right, new))]
    actions: list[Write] = []
    for new in missing:
        reused = _take(left, partial(_is_of_family, new))
        if reused is None:
            actions.append(CreateObject(ENDPOINT_SLICES, new))
            continue
        metadata = {key: value for key, value in reused["metadata"].items() if key not in ("labels", "annotations")}
        actions.append(UpdateObject(ENDPOINT_SLICES, reused | new | {"metadata": metadata | _metadata(new)}))
    return actions + remove(left)


def remove(slices: Iterable[Obj]) -> list[Write]:
    return [DeleteObject(ENDPOINT_SLICES, namespace_of(each), name_of(each), uid=uid_of(each)) for each in slices]


def _take(left: list[Obj], fits: Callable[[Obj], bool]) -> Obj | None:
    """The first slice that fits, taken out of `left`."""
    found = next(filter(fits, left), None)
    if found is not None:
        left.remove(found)
    return found


def _is_of_family(new: Obj, each: Obj) -> bool:
    return bool(each.get("addressType") == new["addressType"])


def _is_right(new: Obj, each: Obj) -> bool:
    same = all(each.get(key) == new[key] for key in ("addressType", "endpoints", "ports"))
    return same and _metadata(each) == _metadata(new)


def _metadata(each: Obj) -> dict[str, Any]:
    return {"labels": labels_of(each), "annotations": annotations_of(each)}


def _parts(endpoints: Obj) -> Iterator[tuple[str, list[Obj], list[Obj]]]:
    """(family, ports, endpoints) of each slice."""
    for subset in endpoints.get("subsets") or ():
        ports = [_port(port) for port in subset.get("ports") or ()]
        addresses = [(address, True) for address in subset.get("addresses") or ()]
        addresses += [(address, False) for address in subset.get("notReadyAddresses") or ()]
        entries = [(str(address["ip"]), _endpoint(address, ready)) for address, ready in addresses[:MAX_ADDRESSES]]
        for family in ("IPv4", "IPv6"):
            of_family = [entry for ip, entry in entries if (":" in ip) == (family == "IPv6")]
            yield from ((family, ports, part) for part in _chunks(of_family))


def _chunks(entries: Sequence[Obj]) -> Iterator[list[Obj]]:
    for start in range(0, len(entries), MAX_ENDPOINTS):
        yield list(entries[start : start + MAX_ENDPOINTS])


def _port(port: Obj) -> Obj:
    found = {"name": port.get("name", ""), "protocol": port.get("protocol", "TCP"), "port": port["port"]}
    return found | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {})


def _endpoint(address: Obj, ready: bool) -> Obj:
    entry: Obj = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    return entry | {key: address[key] for key in ("hostname", "nodeName", "targetRef") if address.get(key)}


def _slice(endpoints: Obj, family: str, ports: list[Obj], entries: list[Obj]) -> Obj:
    kept = {
        key: value
        for key, value in annotations_of(endpoints).items()
        if key not in (TRIGGER_TIME, OVER_CAPACITY, LAST_APPLIED)
    }
    metadata: Obj = {
        "generateName": generate_name(name_of(endpoints)),
        "namespace": namespace_of(endpoints),
        "labels": labels_of(endpoints) | {SERVICE_NAME: name_of(endpoints), MANAGED_BY: MANAGER},
        "ownerReferences": [controller_ref({"apiVersion": "v1", "kind": "Endpoints"} | endpoints)],
    }
    if kept:
        metadata["annotations"] = kept
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": family,
        "endpoints": entries,
        "ports": ports,
    }
