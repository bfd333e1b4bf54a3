"""Which pods stand behind a Service, at which ports, in which state. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, is_deleting, labels_of, name_of, namespace_of, uid_of
from kube_actors.api.pods import sidecars
from kube_actors.api.selectors import LabelSelector
from kube_actors.controllers.pods import is_ready, is_terminal, phase_of, ready_since

HEADLESS = "service.kubernetes.io/headless"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"


def selects(service: Obj, pod: Obj) -> bool:
    """A Service without a selector selects nothing: somebody else writes its endpoints."""
    selector = service["spec"].get("selector")
    return bool(selector) and LabelSelector.from_labels(selector).matches(labels_of(pod))


def is_managed(service: Obj) -> bool:
    """Whether controllers write its endpoints."""
    return service["spec"].get("selector") is not None and service["spec"].get("type") != "ExternalName"


def is_headless(service: Obj) -> bool:
    return service["spec"].get("clusterIP") in (None, "", "None")


def publishes_not_ready(service: Obj) -> bool:
    return bool(service["spec"].get("publishNotReadyAddresses"))


def families(service: Obj) -> list[str]:
    return list(service["spec"].get("ipFamilies") or ["IPv4"])


def address(pod: Obj, family: str) -> str | None:
    """The pod's address of that family."""
    found = [entry["ip"] for entry in get_path(pod, "status", "podIPs", default=[]) if entry.get("ip")]
    if not found and (single := get_path(pod, "status", "podIP")):
        found = [single]
    return next((ip for ip in found if (":" in ip) == (family == "IPv6")), None)


def candidates(pods: Iterable[Obj], *, terminating: bool) -> Iterator[Obj]:
    """Pods that may serve: not finished, with an address; those being deleted only where asked for."""
    for pod in pods:
        has_address = get_path(pod, "status", "podIP") or get_path(pod, "status", "podIPs")
        if has_address and not is_terminal(pod) and (terminating or not is_deleting(pod)):
            yield pod


def hostname(service: Obj, pod: Obj) -> str | None:
    """The pod's own DNS name under the Service: with hostname and the Service as subdomain."""
    own = get_path(pod, "spec", "hostname")
    if own and get_path(pod, "spec", "subdomain") == name_of(service) and namespace_of(pod) == namespace_of(service):
        return str(own)
    return None


def target(pod: Obj) -> Obj:
    return {"kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod), "uid": uid_of(pod)}


def ports(service: Obj, pod: Obj) -> list[Obj]:
    """The Service's ports as this pod has them: a name in targetPort is looked up in its containers.

    A port whose name the pod does not have is left out.
    """
    found: list[Obj] = []
    for port in service["spec"].get("ports") or ():
        number = _number(port, pod)
        if number is None:
            continue
        entry: Obj = {"name": port.get("name", ""), "protocol": port.get("protocol", "TCP"), "port": number}
        if port.get("appProtocol"):
            entry["appProtocol"] = port["appProtocol"]
        found.append(entry)
    return found


def _number(port: Obj, pod: Obj) -> int | None:
    wanted = port.get("targetPort") or port["port"]
    if isinstance(wanted, int):
        return wanted
    protocol = port.get("protocol", "TCP")
    # In this order: a name that both have is the container's.
    for container in [*(pod["spec"].get("containers") or ()), *sidecars(pod["spec"])]:
        for candidate in container.get("ports") or ():
            if candidate.get("name") == wanted and candidate.get("protocol", "TCP") == protocol:
                return int(candidate["containerPort"])
    return None


def trigger_time(pods: Iterable[Obj]) -> float | None:
    """When the latest of the pods became ready, which is what kube-proxy measures its delay from."""
    return max((since for pod in pods if (since := ready_since(pod)) is not None), default=None)


def facts(pod: Obj) -> tuple[Any, ...]:
    """All that endpoints depend on: an update that leaves this alone concerns no Service."""
    status = pod.get("status") or {}
    spec = pod["spec"]
    return (
        labels_of(pod),
        status.get("podIP"),
        status.get("podIPs"),
        phase_of(pod),
        is_ready(pod),
        is_deleting(pod),
        spec.get("nodeName"),
        spec.get("hostname"),
        spec.get("subdomain"),
    )
