"""The conditions of a namespace that is being deleted. Pure."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.resources import Resource
from kube_actors.controllers import conditions
from kube_actors.controllers.namespace.content import Content

DISCOVERY = "NamespaceDeletionDiscoveryFailure"
PARSING = "NamespaceDeletionGroupVersionParsingFailure"
CONTENT = "NamespaceDeletionContentFailure"
REMAINING = "NamespaceContentRemaining"
FINALIZERS = "NamespaceFinalizersRemaining"

_FINE = {
    DISCOVERY: ("ResourcesDiscovered", "All resources successfully discovered"),
    PARSING: ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
    CONTENT: ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
    REMAINING: ("ContentRemoved", "All content successfully removed"),
    FINALIZERS: ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}


def plan_conditions(namespace: Obj, content: Content, discovery_error: str, now: float) -> list[Obj]:
    """The conditions as they should read; those that say the same already keep their time."""
    trouble: dict[str, tuple[str, str]] = {}
    if discovery_error:
        trouble[DISCOVERY] = ("DiscoveryFailed", f"Discovery failed for some groups, 1 failing: {discovery_error}")
    if content.errors:
        errors = sorted(set(content.errors))
        joined = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
        text = f"Failed to delete all resource types, {len(content.errors)} remaining: {joined}"
        trouble[CONTENT] = ("ContentDeletionFailed", text)
    if content.remaining:
        counts = sorted(f"{_name(resource)} has {n} resource instances" for resource, n in content.remaining.items())
        trouble[REMAINING] = ("SomeResourcesRemain", f"Some resources are remaining: {', '.join(counts)}")
    if content.finalizers:
        held = ", ".join(f"{name} in {n} resource instances" for name, n in sorted(content.finalizers.items()))
        trouble[FINALIZERS] = (
            "SomeFinalizersRemain",
            f"Some content in the namespace has finalizers remaining: {held}",
        )
    present: list[Obj] = (namespace.get("status") or {}).get("conditions") or []
    for kind, fine in _FINE.items():
        status, (reason, message) = ("True", trouble[kind]) if kind in trouble else ("False", fine)
        present = _put(present, conditions.make(kind, status, reason, message, now))
    return present


def _name(resource: Resource) -> str:
    """`pods.` for the core group: the trailing dot is Kubernetes' own."""
    return f"{resource.plural}.{resource.group}"


def _put(present: list[Obj], new: Obj) -> list[Obj]:
    """Replace in place; the time moves with the status only, but a changed message shows."""
    old = conditions.find(present, new["type"])
    if old is None:
        return [*present, new]
    if old.get("status") == new["status"]:
        new = new | {"lastTransitionTime": old.get("lastTransitionTime")}
    return [new if each is old else each for each in present]
