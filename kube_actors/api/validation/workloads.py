"""What Deployments, ReplicaSets, StatefulSets, DaemonSets and ReplicationControllers have in common."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.selectors import LabelSelector, Selector
from kube_actors.api.validation import references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.metadata import label_selector, shown_selector
from kube_actors.api.validation.pods import template

# The counts in the status of a ReplicaSet and of a ReplicationController.
REPLICAS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")


def selector_and_template(causes: Causes, spec: Obj, kind: str) -> None:
    """A selector that is not empty and selects the template's pods, and the template."""
    selector = checked_selector(causes, spec, kind)
    matching_template(causes, spec, selector)


def checked_selector(causes: Causes, spec: Obj, kind: str) -> Selector | None:
    """The selector of a workload; None where it cannot be used."""
    value = spec.get("selector")
    if value is None:
        causes.required("spec.selector")
        return Selector.nothing()
    label_selector(causes, value, "spec.selector")
    if not value.get("matchLabels") and not value.get("matchExpressions"):
        causes.invalid("spec.selector", shown_selector(value), f"empty selector is invalid for {kind}")
    try:
        return LabelSelector.from_object(value)
    except ValueError:
        causes.invalid("spec.selector", shown_selector(value), "invalid label selector")
        return None


def matching_template(
    causes: Causes, spec: Obj, selector: Selector | None, *, kind: str = "ReplicaSet", path: str = "spec.template"
) -> None:
    """A template whose labels the selector selects, of pods that run for ever."""
    value = spec.get("template")
    if value is None:
        causes.required(path)
        return
    if selector is None:
        return
    labels = (value.get("metadata") or {}).get("labels")
    if not selector.is_everything and not selector.matches(labels):
        text = "`selector` does not match template `labels`"
        causes.invalid(f"{path}.metadata.labels", dict(sorted(labels.items())) if labels else None, text)
    template(causes, value, path)
    pods = value.get("spec") or {}
    if pods.get("restartPolicy") != "Always":
        causes.unsupported(f"{path}.spec.restartPolicy", pods.get("restartPolicy", ""), ("Always",))
    if "activeDeadlineSeconds" in pods:
        text = f"activeDeadlineSeconds in {kind} is not Supported"
        causes.forbidden(f"{path}.spec.activeDeadlineSeconds", text)


def replica_status(causes: Causes, status: Obj, fields: tuple[str, ...]) -> None:
    """Counts that are not negative, and none larger than the one that holds it."""
    for field in fields:
        causes.not_negative(f"status.{field}", status.get(field, 0))
    total, ready, available = (status.get(field, 0) for field in ("replicas", "readyReplicas", "availableReplicas"))
    for field in fields[1:]:
        if field in _PARTS and status.get(field, 0) > total:
            causes.invalid(f"status.{field}", status.get(field, 0), "cannot be greater than status.replicas")
        if field == "availableReplicas" and available > ready:
            causes.invalid("status.availableReplicas", available, "cannot be greater than readyReplicas")


_PARTS = frozenset((
    "fullyLabeledReplicas", "updatedReplicas", "readyReplicas", "availableReplicas", "currentReplicas",
))  # fmt: skip


def immutable_selector(causes: Causes, new: Obj, old: Obj) -> None:
    """The pods of a workload stay its own."""
    selector, before = new["spec"].get("selector"), old["spec"].get("selector")
    if selector != before:
        causes.invalid("spec.selector", shown_selector(selector), "field is immutable")


def collisions(causes: Causes, new: Obj, old: Obj) -> None:
    """The number of name collisions only grows."""
    count, before = (obj.get("status", {}).get("collisionCount") for obj in (new, old))
    if before is not None and (count is None or count < before):
        causes.invalid("status.collisionCount", count or 0, "cannot be decremented")


def is_zero(value: object) -> bool:
    """Whether a count or a percentage is none at all."""
    return value == 0 or references.percent_of(value) == 0
