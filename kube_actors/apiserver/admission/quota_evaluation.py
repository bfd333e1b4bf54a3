"""What a request would add to a namespace's quotas, and whether they allow it. Pure.

Kubernetes: CheckRequest of k8s.io/apiserver/pkg/admission/plugin/resourcequota and the evaluators of pkg/quota/v1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kube_actors.api import Obj, quantity
from kube_actors.api.meta import get_path, name_of
from kube_actors.api.quota import Usage, count_name, matches, usage
from kube_actors.api.resources import PODS, SERVICES, Resource, builtin

CLAIMS = builtin("v1", "persistentvolumeclaims")
_POD_NAMES = frozenset((
    "pods", "cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.ephemeral-storage",
    "limits.cpu", "limits.memory", "limits.ephemeral-storage",
))  # fmt: skip
_SERVICE_NAMES = frozenset(("services", "services.nodeports", "services.loadbalancers"))
_CLAIM_NAMES = frozenset(("persistentvolumeclaims", "requests.storage"))
_CLASS_MARK = ".storageclass.storage.k8s.io/"
# A container has to state these where a quota counts them.
_STATED = {
    "cpu": ("requests", "cpu"),
    "memory": ("requests", "memory"),
    "requests.cpu": ("requests", "cpu"),
    "requests.memory": ("requests", "memory"),
    "limits.cpu": ("limits", "cpu"),
    "limits.memory": ("limits", "memory"),
}


class Refused(Exception):
    """A quota does not allow the request; the text is Kubernetes'."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One write that quotas may count: `old` is None for a creation."""

    resource: Resource
    obj: Obj
    old: Obj | None
    now: float


def evaluate(quotas: Sequence[Obj], charge: Charge) -> dict[str, Usage]:
    """The new status.used of every quota that the write changes, by the quota's name. Raises Refused.

    All quotas that match are checked before any is charged.
    """
    concerned = [quota for quota in quotas if _concerns(quota, charge)]
    if not concerned:
        return {}
    after = usage(charge.resource, charge.obj, charge.now)
    before = usage(charge.resource, charge.old, charge.now) if charge.old is not None else {}
    changed = {}
    for quota in concerned:
        counted = before if charge.old is not None and matches(quota, charge.resource, charge.old) else {}
        used = _charged(quota, _increase(after, counted))
        if used is not None:
            changed[name_of(quota)] = used
    return changed


def _concerns(quota: Obj, charge: Charge) -> bool:
    """Whether the quota counts such an object. Raises Refused where it cannot know, or the object does not say."""
    if not matches(quota, charge.resource, charge.obj):
        return False
    hard = get_path(quota, "status", "hard", default={})
    names = countable(charge.resource, hard)
    if charge.resource is PODS and (missing := unstated(charge.obj["spec"], names)):
        raise Refused(f"failed quota: {name_of(quota)}: must specify {missing}")
    used = get_path(quota, "status", "used", default={})
    if any(name not in used for name in names):
        text = f"status unknown for quota: {name_of(quota)}, resources: {','.join(sorted(names))}"
        raise Refused(text)
    return bool(names)


def countable(resource: Resource, hard: Iterable[str]) -> list[str]:
    """The names of a quota that objects of the resource can use."""
    return [name for name in hard if _can_use(resource, name)]


def _can_use(resource: Resource, name: str) -> bool:
    if name == count_name(resource) or (resource.group == "" and name == resource.plural):
        return True
    if resource is PODS:
        extended = name.startswith("requests.") and "/" in name and _CLASS_MARK not in name
        return name in _POD_NAMES or extended or name.startswith(("hugepages-", "requests.hugepages-"))
    if resource is SERVICES:
        return name in _SERVICE_NAMES
    if resource is CLAIMS:
        return name in _CLAIM_NAMES or _CLASS_MARK in name
    return False


def unstated(spec: Obj, names: Iterable[str]) -> str:
    """What a pod's containers have to say and do not: `limits.memory for: a,b; requests.cpu for: a`."""
    whole = spec.get("resources") or {}
    if whole.get("requests") or whole.get("limits"):
        return ""
    containers = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    faults = []
    for name in sorted(set(names) & _STATED.keys()):
        silent = {one["name"] for one in containers if get_path(one, "resources", *_STATED[name]) is None}
        if silent:
            faults.append(f"{name} for: {','.join(sorted(silent))}")
    return "; ".join(faults)


def _increase(after: Usage, before: Usage) -> Usage:
    """What is used more than before."""
    grown = {name: quantity.sub(amount, before.get(name, "0")) for name, amount in after.items()}
    return {name: amount for name, amount in grown.items() if quantity.compare(amount, "0") > 0}


def _charged(quota: Obj, delta: Usage) -> Usage | None:
    """status.used with the increase, None where it does not concern this quota. Raises Refused."""
    hard: Usage = quota["status"]["hard"]
    used: Usage = quota["status"]["used"]
    asked = {name: amount for name, amount in delta.items() if name in hard}
    if not asked:
        return None
    total = {name: quantity.add(used.get(name, "0"), amount) for name, amount in asked.items()}
    over = sorted(name for name, amount in total.items() if quantity.compare(amount, hard[name]) > 0)
    if over:
        shown = (f"{what}: {_shown(amounts, over)}" for what, amounts in _named(asked, used, hard))
        raise Refused(f"exceeded quota: {name_of(quota)}, {', '.join(shown)}")
    return used | total


def _named(asked: Usage, used: Usage, hard: Usage) -> tuple[tuple[str, Usage], ...]:
    return ("requested", asked), ("used", used), ("limited", hard)


def _shown(amounts: Usage, names: Iterable[str]) -> str:
    return ",".join(f"{name}={amounts[name]}" for name in names if name in amounts)
