"""The EndpointSlices of a Service: what has to be created, updated, deleted, in as few writes as possible. Pure.

Per address family and set of ports:

1.  take from the existing slices what is no longer wanted, and bring changed endpoints up to date in place;
2.  fill the slices that are written anyway with what is missing;
3.  put the rest into the fullest slice that has room for all of it, else into new slices of MAX_ENDPOINTS;
4.  a slice that would be deleted while one is created is reused instead;
5.  a Service without any endpoint keeps one empty slice, which says that there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, controller_ref, get_path, is_deleting, labels_of, name_of, namespace_of
from kube_actors.api.meta import uid_of as _uid_of
from kube_actors.api.resources import ENDPOINT_SLICES
from kube_actors.controllers.actions import CreateObject, DeleteObject, UpdateObject
from kube_actors.controllers.endpoints import membership
from kube_actors.controllers.pods import is_ready
from kube_actors.controllers.templates import generate_name

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
ZONE = "topology.kubernetes.io/zone"
MAX_ENDPOINTS = 100

Ports = tuple[tuple[str, str, int, str], ...]
Node = Callable[[str], Obj | None]


@dataclass(frozen=True, slots=True)
class SlicePlan:
    """Independent writes. `unplaced` counts pods that were left out because their node is not known yet."""

    create: tuple[CreateObject, ...] = ()
    update: tuple[UpdateObject, ...] = ()
    delete: tuple[DeleteObject, ...] = ()
    unplaced: int = 0

    @property
    def empty(self) -> bool:
        return not (self.create or self.update or self.delete)


def plan(service: Obj, pods: Sequence[Obj], slices: Iterable[Obj], node: Node) -> SlicePlan:
    """Bring `slices`, which are this controller's slices of the Service, to what `pods` say."""
    work = _Work(service, membership.trigger_time(pods))
    existing = [each for each in slices if not is_deleting(each)]
    unplaced = 0
    for family in membership.families(service):
        desired, left_out = _desired(service, pods, family, node)
        unplaced += left_out
        work.reconcile_family(family, desired, [each for each in existing if each.get("addressType") == family])
    for stray in existing:
        if stray.get("addressType") not in membership.families(service):
            work.delete.append(stray)
    return work.finish(unplaced)


def _desired(service: Obj, pods: Sequence[Obj], family: str, node: Node) -> tuple[dict[Ports, dict[str, Obj]], int]:
    """Endpoints by the ports that they have, then by the pod's uid."""
    desired: dict[Ports, dict[str, Obj]] = {}
    left_out = 0
    for pod in membership.candidates(pods, terminating=True):
        ip = membership.address(pod, family)
        if ip is None:
            continue
        name = get_path(pod, "spec", "nodeName", default="")
        host = node(name) if name else None
        if name and host is None and not membership.publishes_not_ready(service):
            left_out += 1
            continue
        ports = _ports_key(membership.ports(service, pod))
        desired.setdefault(ports, {})[_uid_of(pod)] = endpoint(service, pod, ip, host)
    return desired, left_out


def endpoint(service: Obj, pod: Obj, ip: str, host: Obj | None) -> Obj:
    """One endpoint. ready = serving and not terminating; publishNotReadyAddresses makes it ready always."""
    serving, terminating = is_ready(pod), is_deleting(pod)
    ready = membership.publishes_not_ready(service) or (serving and not terminating)
    entry: Obj = {
        "addresses": [ip],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": membership.target(pod),
    }
    if name := get_path(pod, "spec", "nodeName"):
        entry["nodeName"] = name
    if host is not None and (zone := labels_of(host).get(ZONE)):
        entry["zone"] = zone
    if own := membership.hostname(service, pod):
        entry["hostname"] = own
    if ready and (hints := _hints(service, entry)):
        entry["hints"] = hints
    return entry


def _hints(service: Obj, entry: Obj) -> Obj:
    """For whom the endpoint is near (spec.trafficDistribution)."""
    wish, zone, node = service["spec"].get("trafficDistribution"), entry.get("zone"), entry.get("nodeName")
    hints: Obj = {}
    if wish in ("PreferClose", "PreferSameZone", "PreferSameNode") and zone:
        hints["forZones"] = [{"name": zone}]
    if wish == "PreferSameNode" and node:
        hints["forNodes"] = [{"name": node}]
    return hints


def _ports_key(ports: Iterable[Obj]) -> Ports:
    return tuple(
        sorted(
            (port.get("name") or "", port.get("protocol", "TCP"), port.get("port", 0), port.get("appProtocol") or "")
            for port in ports
        )
    )


def _ports_of(key: Ports) -> list[Obj]:
    return [
        {"name": name, "protocol": protocol, "port": port} | ({"appProtocol": app} if app else {})
        for name, protocol, port, app in key
    ]


def _pod_uid(entry: Obj) -> str:
    return str(get_path(entry, "targetRef", "uid", default=""))


@dataclass(slots=True)
class _Work:
    """The writes of one plan while it is made: (slice, its new endpoints)."""

    service: Obj
    trigger: float | None
    create: list[Obj] = field(default_factory=list)
    update: list[tuple[Obj, list[Obj]]] = field(default_factory=list)
    delete: list[Obj] = field(default_factory=list)

    def reconcile_family(self, family: str, desired: dict[Ports, dict[str, Obj]], existing: list[Obj]) -> None:
        by_ports: dict[Ports, list[Obj]] = {}
        for each in existing:
            by_ports.setdefault(_ports_key(each.get("ports") or ()), []).append(each)
        created, deleted = len(self.create), len(self.delete)
        for ports in sorted(desired.keys() | by_ports.keys()):
            self._reconcile_ports(family, ports, desired.get(ports, {}), by_ports.get(ports, []))
        if len(self.create) == created and len(self.delete) - deleted == len(existing):
            self._keep_one_empty(family, existing, deleted)

    def _keep_one_empty(self, family: str, existing: list[Obj], deleted: int) -> None:
        placeholder = next((each for each in existing if not each.get("endpoints") and not each.get("ports")), None)
        if placeholder is not None:
            self.delete.remove(placeholder)
            if self._labels_differ(placeholder):
                self.update.append((placeholder, []))
            return
        self.create.append(self._new(family, (), []))

    def _reconcile_ports(self, family: str, ports: Ports, desired: dict[str, Obj], slices: list[Obj]) -> None:
        missing = dict(desired)
        changed: list[tuple[Obj, list[Obj]]] = []
        untouched: list[Obj] = []
        for each in slices:
            old = each.get("endpoints") or []
            kept = [missing.pop(uid) for entry in old if (uid := _pod_uid(entry)) in missing]
            if not kept:
                self.delete.append(each)
            elif kept != old or self._labels_differ(each):
                changed.append((each, kept))
            else:
                untouched.append(each)
        rest = [missing[uid] for uid in sorted(missing)]
        rest = _fill(changed, rest)
        if rest and (roomy := _with_room(untouched, len(rest))) is not None:
            changed.append((roomy, [*(roomy.get("endpoints") or ()), *rest]))
            rest = []
        for start in range(0, len(rest), MAX_ENDPOINTS):
            self.create.append(self._new(family, ports, rest[start : start + MAX_ENDPOINTS]))
        self.update += changed

    def _new(self, family: str, ports: Ports, endpoints: list[Obj]) -> Obj:
        metadata: Obj = {
            "generateName": generate_name(name_of(self.service)),
            "namespace": namespace_of(self.service),
            "labels": self._labels(),
            "ownerReferences": [controller_ref(self.service)],
        }
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata | self._annotations({}),
            "addressType": family,
            "endpoints": endpoints,
            "ports": _ports_of(ports),
        }

    def _labels(self) -> dict[str, str]:
        labels = dict(labels_of(self.service))
        labels.pop(membership.HEADLESS, None)
        labels |= {SERVICE_NAME: name_of(self.service), MANAGED_BY: MANAGER}
        if membership.is_headless(self.service):
            labels[membership.HEADLESS] = ""
        return labels

    def _labels_differ(self, each: Obj) -> bool:
        return labels_of(each) != self._labels()

    def _annotations(self, before: dict[str, str]) -> Obj:
        annotations = {key: value for key, value in before.items() if key != membership.TRIGGER_TIME}
        if self.trigger is not None:
            annotations[membership.TRIGGER_TIME] = rfc3339(self.trigger)
        return {"annotations": annotations} if annotations else {}

    def finish(self, unplaced: int) -> SlicePlan:
        updates = list(self.update)
        creations = list(self.create)
        deletions = list(self.delete)
        for new in list(creations):
            reused = next((each for each in deletions if each.get("addressType") == new["addressType"]), None)
            if reused is None:
                break
            creations.remove(new)
            deletions.remove(reused)
            updates.append((reused | {"ports": new["ports"]}, new["endpoints"]))
        return SlicePlan(
            tuple(CreateObject(ENDPOINT_SLICES, new) for new in creations),
            tuple(UpdateObject(ENDPOINT_SLICES, self._updated(each, entries)) for each, entries in updates),
            tuple(
                DeleteObject(ENDPOINT_SLICES, namespace_of(each), name_of(each), uid=_uid_of(each))
                for each in deletions
            ),
            unplaced,
        )

    def _updated(self, each: Obj, endpoints: list[Obj]) -> Obj:
        metadata = {key: value for key, value in each["metadata"].items() if key != "annotations"}
        metadata |= {"labels": self._labels()} | self._annotations(annotations_of(each))
        return each | {"metadata": metadata, "endpoints": endpoints}


def _fill(changed: list[tuple[Obj, list[Obj]]], rest: list[Obj]) -> list[Obj]:
    """Put what is missing into slices that are written anyway, the fullest first; what is left."""
    for _, kept in sorted(changed, key=lambda each: -len(each[1])):
        room = MAX_ENDPOINTS - len(kept)
        kept += rest[:room]
        rest = rest[room:]
    return rest


def _with_room(slices: Iterable[Obj], count: int) -> Obj | None:
    """The fullest slice that takes `count` more."""
    roomy = [each for each in slices if len(each.get("endpoints") or ()) + count <= MAX_ENDPOINTS]
    return max(roomy, key=lambda each: len(each.get("endpoints") or ()), default=None)
