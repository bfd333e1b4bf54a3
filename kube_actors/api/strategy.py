"""What each kind does to an object on its way in: what a client may not set, when the generation grows.

    create   defaults -> admission -> prepare_create -> validate_create
    update   defaults -> admission -> prepare_update -> validate_update
    status   defaults -> admission -> prepare_status -> validate_status_update

They change the new object in place and leave the old one alone, as the strategies of Kubernetes' registries do.
What needs the store or the clock (cluster IPs, uids, times) is the server's.
"""

from __future__ import annotations

from kube_actors.api import Obj, kinds, schema
from kube_actors.api.meta import get_path
from kube_actors.api.normal import normalizer
from kube_actors.api.resources import Resource


def counts_generation(resource: Resource) -> bool:
    """Whether metadata.generation is the server's; other kinds keep what a client gives."""
    return resource.custom or kinds.of(resource).counted is not None


def prepare_create(resource: Resource, obj: Obj) -> None:
    """Reset what a client may not give: the status, the generation of kinds that count it."""
    kind = kinds.of(resource)
    if "status" in resource.subresources and not kind.keeps_status:
        _reset_status(resource, obj)
    if counts_generation(resource):
        obj["metadata"]["generation"] = 1
    if kind.prepare_create is not None:
        kind.prepare_create(obj)


def _reset_status(resource: Resource, obj: Obj) -> None:
    obj.pop("status", None)
    if resource.custom:
        return
    zero = normalizer(schema.of(resource))({}, [])
    if "status" in zero:
        obj["status"] = zero["status"]


def prepare_update(resource: Resource, new: Obj, old: Obj) -> None:
    """Keep the status of `old`, and count a change in metadata.generation."""
    if "status" in resource.subresources:
        take(new, old, "status")
    take(new["metadata"], old["metadata"], "creationTimestamp")
    prepare = kinds.of(resource).prepare_update
    if prepare is not None:
        prepare(new, old)
    if counts_generation(resource):
        generation = old["metadata"].get("generation", 0)
        generation += is_counted_change(resource, new, old)
        if generation:
            new["metadata"]["generation"] = generation


def is_counted_change(resource: Resource, new: Obj, old: Obj) -> bool:
    """Whether the change from `old` to `new` grows the generation."""
    if resource.custom:
        apart = ("metadata", "status") if "status" in resource.subresources else ("metadata",)
        rest = [{key: value for key, value in obj.items() if key not in apart} for obj in (new, old)]
        return rest[0] != rest[1]
    for part in kinds.of(resource).counted or ():
        path = part.split(".")
        if get_path(new, *path) != get_path(old, *path):
            return True
    return False


def prepare_status(resource: Resource, new: Obj, old: Obj) -> None:
    """Keep everything of `old` but the status and the metadata; the generation does not grow."""
    for part in {*new, *old} - {"status", "metadata", "kind", "apiVersion"}:
        take(new, old, part)
    if resource.custom:
        kept = {key: new["metadata"][key] for key in ("managedFields", "resourceVersion") if key in new["metadata"]}
        new["metadata"] = {**old["metadata"], **kept}
        return
    for field in ("generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        take(new["metadata"], old["metadata"], field)
    kind = kinds.of(resource)
    if not kind.status_takes_metadata:
        for field in ("labels", "annotations", "finalizers", "ownerReferences"):
            take(new["metadata"], old["metadata"], field)
    if kind.prepare_status is not None:
        kind.prepare_status(new, old)


def take(new: Obj, old: Obj, field: str) -> None:
    """Give `new` what `old` has in `field`, nothing included."""
    if field in old:
        new[field] = old[field]
    else:
        new.pop(field, None)
