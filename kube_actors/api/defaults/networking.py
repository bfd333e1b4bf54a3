"""Defaults of networking.k8s.io and discovery.k8s.io."""

from __future__ import annotations

from collections.abc import Callable

from kube_actors.api import Obj


def _network_policy(obj: Obj) -> None:
    spec = obj["spec"]
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") is not None else ["Ingress"]
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _ingress_class(obj: Obj) -> None:
    parameters = obj["spec"].get("parameters")
    if parameters is not None:
        parameters.setdefault("scope", "Cluster")


def _endpoint_slice(obj: Obj) -> None:
    for port in obj.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


DEFAULTS: dict[str, Callable[[Obj], None]] = {
    "EndpointSlice": _endpoint_slice,
    "IngressClass": _ingress_class,
    "NetworkPolicy": _network_policy,
}
