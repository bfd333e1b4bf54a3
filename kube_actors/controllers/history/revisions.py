"""Revisions as values: what they hold, which is the newest, which may go. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, controller_ref, get_path, labels_of, name_of, namespace_of, uid_of
from kube_actors.api.resources import builtin
from kube_actors.controllers.actions import DeleteObject
from kube_actors.controllers.templates import pruned, template_hash

CONTROLLER_REVISIONS = builtin("apps/v1", "controllerrevisions")
# On pods: which revision they were made from. StatefulSets put the revision's name there, DaemonSets the hash.
REVISION_LABEL = "controller-revision-hash"
HASH_LABEL = "controller.kubernetes.io/hash"
_LONGEST_PREFIX = 223  # of a revision's name, so that the hash fits behind it


def data_of(template: Obj) -> Obj:
    """What a revision keeps: a patch that replaces the template."""
    return {"spec": {"template": template | {"$patch": "replace"}}}


def template_of(revision: Obj) -> Obj:
    """The template that a revision keeps."""
    template: Obj = get_path(revision, "data", "spec", "template", default={})
    return {key: value for key, value in template.items() if key != "$patch"}


def number_of(revision: Obj) -> int:
    return int(revision.get("revision", 0))


def in_order(revisions: Iterable[Obj]) -> list[Obj]:
    """By number; of equals the older first, then by name."""
    return sorted(revisions, key=lambda each: (number_of(each), _created(each), name_of(each)))


def next_number(revisions: Iterable[Obj]) -> int:
    return max(map(number_of, revisions), default=0) + 1


def equal_to(template: Obj, revisions: Iterable[Obj]) -> list[Obj]:
    """Those that keep this template, in order."""
    wanted = pruned(template)
    return in_order(each for each in revisions if pruned(template_of(each)) == wanted)


def new_revision(owner: Obj, number: int, collisions: int, hash_label: str) -> Obj:
    """A revision of the owner's present template, named after its hash."""
    template = owner["spec"]["template"]
    digest = template_hash(template, collisions or None)
    labels = get_path(template, "metadata", "labels", default={})
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{name_of(owner)[:_LONGEST_PREFIX]}-{digest}",
            "namespace": namespace_of(owner),
            "labels": labels | {hash_label: digest},
            "annotations": dict(annotations_of(owner)),
            "ownerReferences": [controller_ref(owner)],
        },
        "data": data_of(template),
        "revision": number,
    }


def hash_of(revision: Obj, hash_label: str) -> str:
    """Its hash; the end of its name where somebody took the label away."""
    return labels_of(revision).get(hash_label) or name_of(revision).rpartition("-")[2]


def surplus(revisions: Sequence[Obj], live: Collection[str], limit: int, *, count_live: bool) -> list[DeleteObject]:
    """Revisions beyond the limit, oldest first, never one that is `live` (by name).

    Kubernetes counts the live ones against the limit for DaemonSets and leaves them out for StatefulSets.
    """
    dead = [each for each in in_order(revisions) if name_of(each) not in live]
    excess = max((len(revisions) if count_live else len(dead)) - limit, 0)
    return [
        DeleteObject(CONTROLLER_REVISIONS, namespace_of(each), name_of(each), uid=uid_of(each))
        for each in dead[:excess]
    ]


def _created(revision: Obj) -> float:
    text = revision["metadata"].get("creationTimestamp")
    return parse_rfc3339(text) if text else 0.0
