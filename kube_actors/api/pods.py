"""What follows from a pod's spec: its quality of service, its effective resources."""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.api import Obj, quantity

_QOS_RESOURCES = ("cpu", "memory")


def all_containers(spec: Obj) -> Iterable[Obj]:
    """Init containers, then containers, of a pod's spec."""
    return (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))


def qos_class(spec: Obj) -> str:
    """Guaranteed where every container's limits equal its requests, BestEffort where there are none, else Burstable."""
    whole = spec.get("resources")
    if whole and (whole.get("requests") or whole.get("limits")):
        return _qos_of([whole])
    return _qos_of([container.get("resources") or {} for container in all_containers(spec)])


def _qos_of(resources: list[Obj]) -> str:
    some, guaranteed = False, True
    for one in resources:
        limits, requests = one.get("limits") or {}, one.get("requests") or {}
        for name in _QOS_RESOURCES:
            limit, request = _positive(limits.get(name)), _positive(requests.get(name))
            some = some or limit is not None or request is not None
            if limit is None or (request is not None and quantity.compare(limit, request) != 0):
                guaranteed = False
    if not some:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _positive(amount: str | None) -> str | None:
    return amount if amount is not None and amount != "0" else None
