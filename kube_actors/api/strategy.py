"""What each kind does to an object on its way in: what a client may not set, when the generation grows.

`prepare_create` and `prepare_update` come after defaults and before validation; `prepare_status` is for the status
subresource. They change `new` in place, as the strategies of Kubernetes' registries do, and are pure.
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.resources import Resource


def prepare_create(resource: Resource, obj: Obj) -> None:
    """Reset what a client may not give: the status, the generation of kinds that count it."""
    if "status" in resource.subresources and resource.plural != "nodes":
        obj.pop("status", None)


def prepare_update(resource: Resource, new: Obj, old: Obj) -> None:
    """Keep the status of `old`, and count a change of the spec in metadata.generation."""
    if "status" in resource.subresources:
        _take(new, old, "status")
    generation = old["metadata"].get("generation")
    if generation and new.get("spec") != old.get("spec"):
        new["metadata"]["generation"] = generation + 1


def prepare_status(resource: Resource, new: Obj, old: Obj) -> None:
    """Keep everything of `old` but the status."""
    for field in [field for field in (*new, *old) if field not in ("status", "metadata", "kind", "apiVersion")]:
        _take(new, old, field)


def _take(new: Obj, old: Obj, field: str) -> None:
    if field in old:
        new[field] = old[field]
    else:
        new.pop(field, None)
