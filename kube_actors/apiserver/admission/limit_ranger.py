"""LimitRanger: containers get a namespace's default requests and limits; what breaks its bounds is refused.

Kubernetes: plugin/pkg/admission/limitranger. Amounts compare exactly; texts show them as the LimitRange has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kube_actors.api import Obj, quantity
from kube_actors.api.meta import get_path
from kube_actors.api.quota import pod_resources
from kube_actors.api.resources import PODS, Resource, builtin
from kube_actors.api.volumes import CLAIMS
from kube_actors.apiserver.admission.chain import Attributes, Lookup, Operation, Plugin

LIMIT_RANGES = builtin("v1", "limitranges")
ANNOTATION = "kubernetes.io/limit-ranger"

Amounts = Mapping[str, str]


class LimitRanger(Plugin):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        if resource is PODS:
            return (operation is Operation.CREATE and not subresource) or (
                operation is Operation.UPDATE and subresource == "resize"
            )
        return resource is CLAIMS and not subresource and operation in (Operation.CREATE, Operation.UPDATE)

    async def admit(self, attributes: Attributes) -> None:
        if attributes.operation is not Operation.CREATE or attributes.resource is not PODS:
            return
        for one in self._lookup.all(LIMIT_RANGES, attributes.target.namespace):
            assert attributes.obj is not None
            set_defaults(attributes.obj, one)

    async def validate(self, attributes: Attributes) -> None:
        obj = attributes.obj
        assert obj is not None
        if obj["metadata"].get("deletionTimestamp"):
            return
        find_faults = pod_faults if attributes.resource is PODS else claim_faults
        for one in self._lookup.all(LIMIT_RANGES, attributes.target.namespace):
            faults = list(dict.fromkeys(fault for limit in _limits(one) for fault in find_faults(obj, limit)))
            if faults:
                raise attributes.forbidden(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")


def set_defaults(pod: Obj, limit_range: Obj) -> None:
    """Fill in what containers leave open, and note it in an annotation."""
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for limit in _limits(limit_range):
        if limit.get("type") == "Container":
            requests |= limit.get("defaultRequest") or {}
            limits |= limit.get("default") or {}
    if not requests and not limits:
        return
    notes: list[str] = []
    for field, what in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(field) or ():
            for key, defaults in (("requests", requests), ("limits", limits)):
                filled = _fill(container, key, defaults)
                if filled:
                    notes.append(f"{', '.join(filled)} {key[:-1]} for {what} {container['name']}")
    if notes:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[ANNOTATION] = f"LimitRanger plugin set: {'; '.join(notes)}"


def _fill(container: Obj, key: str, defaults: Amounts) -> list[str]:
    resources = container.setdefault("resources", {})
    have = resources.get(key) or {}
    missing = {name: amount for name, amount in defaults.items() if name not in have}
    if missing:
        resources[key] = have | missing
    return sorted(missing)


def pod_faults(pod: Obj, limit: Obj) -> Iterator[str]:
    """How a pod breaks one item of a LimitRange."""
    spec = pod["spec"]
    if limit.get("type") == "Container":
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            resources = container.get("resources") or {}
            yield from _faults(limit, resources.get("requests") or {}, resources.get("limits") or {})
    elif limit.get("type") == "Pod":
        yield from _faults(limit, pod_resources(spec, "requests"), pod_resources(spec, "limits"))


def claim_faults(claim: Obj, limit: Obj) -> Iterator[str]:
    """How a claim breaks one item of a LimitRange: only what it requests counts."""
    if limit.get("type") != "PersistentVolumeClaim":
        return
    requests: Amounts = get_path(claim, "spec", "resources", "requests", default={})
    for name, bound in sorted((limit.get("min") or {}).items()):
        yield from _minimum(limit["type"], name, bound, requests.get(name), None)
    for name, bound in sorted((limit.get("max") or {}).items()):
        text, asked = _text("maximum", name, limit["type"], bound), requests.get(name)
        if asked is None:
            yield f"{text}.  No request is specified"
        elif quantity.compare(asked, bound) > 0:
            yield f"{text}, but request is {asked}"


def _faults(limit: Obj, requests: Amounts, limits: Amounts) -> Iterator[str]:
    kind = limit["type"]
    for name, bound in sorted((limit.get("min") or {}).items()):
        yield from _minimum(kind, name, bound, requests.get(name), limits.get(name))
    for name, bound in sorted((limit.get("max") or {}).items()):
        yield from _maximum(kind, name, bound, requests.get(name), limits.get(name))
    for name, bound in sorted((limit.get("maxLimitRequestRatio") or {}).items()):
        yield from _ratio(kind, name, bound, requests.get(name), limits.get(name))


def _minimum(kind: str, name: str, bound: str, request: str | None, limit: str | None) -> Iterator[str]:
    text = _text("minimum", name, kind, bound)
    if request is None:
        yield f"{text}.  No request is specified"
    elif quantity.compare(request, bound) < 0:
        yield f"{text}, but request is {request}"
    elif limit is not None and quantity.compare(limit, bound) < 0:
        yield f"{text}, but limit is {limit}"


def _maximum(kind: str, name: str, bound: str, request: str | None, limit: str | None) -> Iterator[str]:
    text = _text("maximum", name, kind, bound)
    if limit is None:
        yield f"{text}.  No limit is specified"
    elif quantity.compare(limit, bound) > 0:
        yield f"{text}, but limit is {limit}"
    elif request is not None and quantity.compare(request, bound) > 0:
        yield f"{text}, but request is {request}"


def _ratio(kind: str, name: str, bound: str, request: str | None, limit: str | None) -> Iterator[str]:
    text = f"{name} max limit to request ratio per {kind} is {bound}, but"
    if request is None or not quantity.parse(request):
        yield f"{text} no request is specified or request is 0"
    elif limit is None or not quantity.parse(limit):
        yield f"{text} no limit is specified or limit is 0"
    else:
        ratio = quantity.parse(limit) / quantity.parse(request)
        if ratio > quantity.parse(bound):
            yield f"{text} provided ratio is {float(ratio):f}"


def _text(bound: str, name: str, kind: str, amount: str) -> str:
    return f"{bound} {name} usage per {kind} is {amount}"


def _limits(limit_range: Obj) -> list[Obj]:
    return get_path(limit_range, "spec", "limits", default=[])  # type: ignore[no-any-return]
