"""Which ReplicaSet is the new one, its revision number and annotations, and which old ones may go. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, controller_ref, get_path, name_of, namespace_of, uid_of
from kube_actors.api.resources import REPLICA_SETS
from kube_actors.controllers.actions import DeleteObject
from kube_actors.controllers.deployment.draft import DESIRED, MAXIMUM, REVISION, REVISION_HISTORY, Draft
from kube_actors.controllers.templates import TEMPLATE_HASH, same_template, template_hash

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
ROLLBACK_TO = "deprecated.deployment.rollback.to"
NOT_COPIED = frozenset({LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED, MAXIMUM, ROLLBACK_TO})
_HISTORY_LIMIT = 2000  # characters of the history annotation
NO_LIMIT = 2**31 - 1


def split(deployment: Obj, drafts: Iterable[Draft]) -> tuple[Draft | None, list[Draft]]:
    """(the new one, the old ones), oldest first: the new one is the oldest that has the present template."""
    template = deployment["spec"]["template"]
    ordered = sorted(drafts, key=lambda draft: draft.age_order)
    new = next((draft for draft in ordered if same_template(draft.obj["spec"]["template"], template)), None)
    return new, [draft for draft in ordered if draft is not new]


def next_revision(old: Iterable[Draft]) -> int:
    return max((draft.revision for draft in old), default=0) + 1


def refresh(deployment: Obj, new: Draft, revision: int) -> None:
    """Bring the new ReplicaSet's annotations and minReadySeconds up to the Deployment's.

    Its revision only grows. One that had a number before is being rolled back to: the old number goes
    into the history, by which `kubectl rollout history` still finds it.
    """
    before = dict(new.annotations)
    for key, value in annotations_of(deployment).items():
        if key not in NOT_COPIED:
            new.annotations[key] = value
    had = new.number(REVISION)
    if (had or 0) < revision:
        new.annotations[REVISION] = str(revision)
    if not new.new and had is not None and new.annotations != before and had < revision:
        history = [text for text in new.annotations.get(REVISION_HISTORY, "").split(",") if text]
        history.append(str(had))
        while len(",".join(history)) > _HISTORY_LIMIT:
            history.pop(0)
        new.annotations[REVISION_HISTORY] = ",".join(history)
    new.min_ready_seconds = deployment["spec"].get("minReadySeconds", 0)


def create(deployment: Obj, revision: int, surge: int) -> Draft:
    """A new ReplicaSet for the present template, with no replicas yet. Its name says the template's hash."""
    spec = deployment["spec"]
    digest = template_hash(spec["template"], get_path(deployment, "status", "collisionCount"))
    template = spec["template"]
    metadata = template.get("metadata") or {}
    labels = (metadata.get("labels") or {}) | {TEMPLATE_HASH: digest}
    selector = spec.get("selector") or {}
    match_labels = (selector.get("matchLabels") or {}) | {TEMPLATE_HASH: digest}
    obj: Obj = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name_of(deployment)}-{digest}",
            "namespace": namespace_of(deployment),
            "labels": labels,
            "annotations": {},
            "ownerReferences": [controller_ref(deployment)],
        },
        "spec": {
            "replicas": 0,
            "minReadySeconds": spec.get("minReadySeconds", 0),
            "selector": selector | {"matchLabels": match_labels},
            "template": template | {"metadata": metadata | {"labels": labels}},
        },
    }
    draft = Draft(obj, new=True)
    refresh(deployment, draft, revision)
    draft.note_size(spec.get("replicas", 1), spec.get("replicas", 1) + surge)
    return draft


def surplus_history(deployment: Obj, old: Iterable[Draft]) -> list[DeleteObject]:
    """Old ReplicaSets beyond revisionHistoryLimit, lowest revision first; never one that may still have pods."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    if limit is None or limit == NO_LIMIT:
        return []
    cleanable = sorted((draft for draft in old if not draft.deleting), key=lambda draft: (draft.revision, draft.name))
    surplus = cleanable[: max(len(cleanable) - limit, 0)]
    return [
        DeleteObject(REPLICA_SETS, namespace_of(draft.obj), draft.name, uid=uid_of(draft.obj))
        for draft in surplus
        if draft.status_replicas == 0 and draft.replicas == 0 and draft.observed
    ]
