"""What follows from a pod's spec and status: its quality of service, and what it takes of its node.

The sums follow component-helpers' resource.PodRequests and PodLimits: init containers run one after the other before
the others, except those that restart always (sidecars), which run along with all that comes after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kube_actors.api import Obj, quantity

_QOS_RESOURCES = ("cpu", "memory")
_NEVER = ("PodResizePending", "Infeasible")


def all_containers(spec: Obj) -> Iterable[Obj]:
    """Init containers, then containers, of a pod's spec."""
    return (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))


def sidecars(spec: Obj) -> list[Obj]:
    """The init containers that restart always, and so run beside the containers."""
    return [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]


def lasting_containers(spec: Obj) -> list[Obj]:
    """What runs for as long as the pod does: sidecars, then containers."""
    return [*sidecars(spec), *(spec.get("containers") or ())]


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


def amounts_of(resources: Mapping[str, Any] | None) -> dict[str, int]:
    """Quantities as numbers: CPU in thousandths, everything else in whole units."""
    return {
        name: quantity.milli(value) if name == "cpu" else quantity.to_int(value)
        for name, value in (resources or {}).items()
    }


def requests_of(spec: Obj, missing: Mapping[str, int] | None = None) -> dict[str, int]:
    """What a pod asks of its node. `missing` is what a container counts for that does not ask."""
    return _total(spec, "requests", lambda container: _container_requests(container, missing))


def limits_of(spec: Obj) -> dict[str, int]:
    """What a pod may take of its node at most, of those resources for which a container or the pod has a limit."""
    return _total(spec, "limits", lambda container: amounts_of((container.get("resources") or {}).get("limits")))


def _total(spec: Obj, kind: str, amounts: Callable[[Obj], dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for container in spec.get("containers") or ():
        _add(total, amounts(container))
    # What init containers need at most: each with the sidecars that were started before it.
    peak: dict[str, int] = {}
    sidecars: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        needs = amounts(container)
        if container.get("restartPolicy") == "Always":
            _add(total, needs)
            _add(sidecars, needs)
            needs = dict(sidecars)
        else:
            _add(needs, sidecars)
        _max(peak, needs)
    _max(total, peak)
    whole = amounts_of((spec.get("resources") or {}).get(kind))
    total.update((name, amount) for name, amount in whole.items() if _replaces(name))
    overhead = amounts_of(spec.get("overhead")).items()
    _add(total, {name: amount for name, amount in overhead if kind == "requests" or name in total})
    return total


def accounted(pod: Obj) -> Obj:
    """The spec by which a pod counts on its node: with the largest of what each container asks for, was granted and
    has. A resize that the node can never make does not count (determineContainerReqs)."""
    spec: Obj = pod["spec"]
    status: Obj = pod.get("status") or {}
    changed: Obj = {}
    for field, kind in (("containers", "containerStatuses"), ("initContainers", "initContainerStatuses")):
        known = {each["name"]: each for each in status.get(kind) or () if "resources" in each}
        if not known:
            continue
        items = spec.get(field) or []
        new = [
            _accounted(each, known.get(each["name"]), status)
            if field == "containers" or each.get("restartPolicy") == "Always"
            else each
            for each in items
        ]
        if any(one is not other for one, other in zip(new, items, strict=True)):
            changed[field] = new
    if spec.get("resources") and "resources" in status:
        changed |= {"resources": _accounted(spec, status, status)["resources"]}
    return spec | changed if changed else spec


def _accounted(holder: Obj, known: Obj | None, status: Obj) -> Obj:
    """A container, or the spec of a pod that has resources as a whole, with what is `known` of it."""
    asked = _requests(holder)
    if known is None:
        return holder
    granted, applied = known.get("allocatedResources") or {}, _requests(known)
    if granted == applied == asked:
        return holder
    impossible = any((each.get("type"), each.get("reason")) == _NEVER for each in status.get("conditions") or ())
    largest: dict[str, str] = {} if impossible else dict(asked)
    for amounts in (granted, applied):
        for name, amount in amounts.items():
            if name not in largest or quantity.compare(amount, largest[name]) > 0:
                largest[name] = amount
    if largest == asked:
        return holder
    return holder | {"resources": (holder.get("resources") or {}) | {"requests": largest}}


def _requests(holder: Obj) -> Mapping[str, str]:
    return (holder.get("resources") or {}).get("requests") or {}


def _container_requests(container: Obj, missing: Mapping[str, int] | None) -> dict[str, int]:
    # The API server makes a limit the request where there is none; nobody has done so for a static pod.
    limits = (container.get("resources") or {}).get("limits") or {}
    return dict(missing or ()) | amounts_of({**limits, **_requests(container)})


def _replaces(name: str) -> bool:
    """Whether that of the pod as a whole replaces the sum of its containers'."""
    return name in ("cpu", "memory") or name.startswith("hugepages-")


def _add(total: dict[str, int], amounts: Mapping[str, int]) -> None:
    for name, amount in amounts.items():
        total[name] = total.get(name, 0) + amount


def _max(total: dict[str, int], amounts: Mapping[str, int]) -> None:
    for name, amount in amounts.items():
        total[name] = max(total.get(name, 0), amount)
