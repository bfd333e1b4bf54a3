"""The Endpoints object of a Service. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, get_path, labels_of, name_of, namespace_of
from kube_actors.api.resources import ENDPOINTS
from kube_actors.controllers.actions import CreateObject, UpdateObject
from kube_actors.controllers.endpoints import membership
from kube_actors.controllers.pods import is_ready

CAPACITY = 1000
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"


def plan(service: Obj, pods: Sequence[Obj], present: Obj | None) -> list[CreateObject | UpdateObject]:
    """Create or update the Endpoints where its addresses or labels are not what the pods say."""
    serving = list(membership.candidates(pods, terminating=membership.publishes_not_ready(service)))
    whole = subsets(service, serving)
    wanted, truncated = _truncate(whole)
    labels = _labels(service)
    annotations = dict(annotations_of(present)) if present else {}
    before = dict(annotations)
    if truncated:
        annotations[OVER_CAPACITY] = "truncated"
    else:
        annotations.pop(OVER_CAPACITY, None)
    same = present is not None and (present.get("subsets") or []) == wanted
    if present is not None and same and labels_of(present) == labels and annotations == before:
        return []
    if (since := membership.trigger_time(serving)) is not None:
        annotations[membership.TRIGGER_TIME] = rfc3339(since)
    else:
        annotations.pop(membership.TRIGGER_TIME, None)
    if present is not None:
        metadata = present["metadata"] | {"labels": labels, "annotations": annotations}
        return [UpdateObject(ENDPOINTS, present | {"metadata": metadata, "subsets": wanted})]
    metadata = {"name": name_of(service), "namespace": namespace_of(service), "labels": labels}
    if annotations:
        metadata["annotations"] = annotations
    obj: Obj = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
    return [CreateObject(ENDPOINTS, obj | ({"subsets": wanted} if wanted else {}))]


def _labels(service: Obj) -> dict[str, str]:
    labels = dict(labels_of(service))
    labels.pop(membership.HEADLESS, None)
    labels[MANAGED_BY] = MANAGER
    if membership.is_headless(service):
        labels[membership.HEADLESS] = ""
    return labels


def subsets(service: Obj, pods: Iterable[Obj]) -> list[Obj]:
    """Addresses grouped by the ports that they have in common, in an order that does not depend on the pods'."""
    family = membership.families(service)[0]
    always = membership.publishes_not_ready(service)
    ready: dict[str, set[tuple[str, str, int, str]]] = {}
    addresses: dict[str, tuple[Obj, bool]] = {}
    portless = not service["spec"].get("ports")
    for pod in pods:
        ip = membership.address(pod, family)
        if ip is None:
            continue
        found = membership.ports(service, pod)
        if not found and not portless:
            continue
        addresses[ip] = (_address(service, pod, ip), always or is_ready(pod))
        ready[ip] = {(port["name"], port["protocol"], port["port"], port.get("appProtocol", "")) for port in found}
    groups: dict[tuple[tuple[str, str, int, str], ...], list[str]] = {}
    for ip, ports in ready.items():
        groups.setdefault(tuple(sorted(ports)), []).append(ip)
    return [_subset(ports, sorted(ips), addresses) for ports, ips in sorted(groups.items())]


def _address(service: Obj, pod: Obj, ip: str) -> Obj:
    entry: Obj = {"ip": ip, "targetRef": membership.target(pod)}
    if node := get_path(pod, "spec", "nodeName"):
        entry["nodeName"] = node
    if name := membership.hostname(service, pod):
        entry["hostname"] = name
    return entry


def _subset(
    ports: tuple[tuple[str, str, int, str], ...], ips: list[str], addresses: dict[str, tuple[Obj, bool]]
) -> Obj:
    subset: Obj = {}
    for field, wanted in (("addresses", True), ("notReadyAddresses", False)):
        if listed := [addresses[ip][0] for ip in ips if addresses[ip][1] is wanted]:
            subset[field] = listed
    if ports:
        subset["ports"] = [_port(*port) for port in ports]
    return subset


def _port(name: str, protocol: str, number: int, app_protocol: str) -> Obj:
    port: Obj = {"port": number, "protocol": protocol}
    if name:
        port["name"] = name
    return port | ({"appProtocol": app_protocol} if app_protocol else {})


def _truncate(whole: list[Obj]) -> tuple[list[Obj], bool]:
    """At most CAPACITY addresses, the ready ones first; larger Services are what EndpointSlices are for."""
    count = sum(len(subset.get(field) or ()) for subset in whole for field in ("addresses", "notReadyAddresses"))
    if count <= CAPACITY:
        return whole, False
    room = CAPACITY
    kept: list[Obj] = [{"ports": subset["ports"]} if "ports" in subset else {} for subset in whole]
    for field in ("addresses", "notReadyAddresses"):
        for subset, cut in zip(whole, kept, strict=True):
            if listed := (subset.get(field) or [])[:room]:
                cut[field] = listed
                room -= len(listed)
    return [cut for cut in kept if "addresses" in cut or "notReadyAddresses" in cut], True
