"""Bindings: a pod is given its node, once."""

from __future__ import annotations

from typing import Any

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj, errors
from kube_actors.api.errors import Cause


def check_binding(binding: Obj, name: str) -> str:
    """The node that a Binding names. Kubernetes answers its faults as plain 500s."""
    stated = (binding.get("metadata") or {}).get("name")
    if stated and name and stated != name:
        raise errors.BadRequest("name in URL does not match name in Binding object")
    target = binding.get("target") or {}
    if target.get("kind") not in ("Node", "", None):
        raise errors.ApiError(
            f'target.kind: Unsupported value: "{target["kind"]}": supported values: "Node", "<empty>"'
        )
    if not target.get("name"):
        raise errors.ApiError("target.name: Required value")
    return str(target["name"])


def binding_of(namespace: str, name: str, node: str, uid: str, annotations: dict[str, Any] | None) -> Obj:
    """The Binding that gives a pod its node, as admission sees it."""
    metadata: Obj = {"name": name, "namespace": namespace}
    if uid:
        metadata["uid"] = uid
    if annotations:
        metadata["annotations"] = annotations
    return {"kind": "Binding", "apiVersion": "v1", "metadata": metadata, "target": {"kind": "Node", "name": node}}


def assign(pod: Obj, binding: Obj, now: float) -> Obj:
    """The pod on its node. Raises Conflict where it has one, is another, or may not be scheduled."""
    stated, node = binding["metadata"], binding["target"]["name"]
    uid = stated.get("uid")
    metadata, spec = pod["metadata"], pod.setdefault("spec", {})
    name = metadata["name"]
    if uid and uid != metadata.get("uid"):
        text = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {metadata.get('uid')}"
        raise errors.conflict("pods/binding", "", name, text)
    if metadata.get("deletionTimestamp"):
        reason = f"pod {name} is being deleted, cannot be assigned to a host"
        raise errors.conflict("pods/binding", "", name, reason)
    if spec.get("nodeName"):
        reason = f'pod {name} is already assigned to node "{spec["nodeName"]}"'
        raise errors.conflict("pods/binding", "", name, reason)
    if spec.get("schedulingGates"):
        raise errors.conflict("pods/binding", "", name, f"pod {name} has non-empty .spec.schedulingGates")
    spec["nodeName"] = node
    if stated.get("annotations"):
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **stated["annotations"]}
    if stated.get("labels"):
        metadata["labels"] = {**stated["labels"], **(metadata.get("labels") or {})}
    set_condition(pod, {"type": "PodScheduled", "status": "True"}, now)
    return pod


def set_condition(pod: Obj, condition: Obj, now: float) -> None:
    """Put a condition into status.conditions; its transition time moves with its status only."""
    conditions = list(pod.setdefault("status", {}).get("conditions") or ())
    for index, found in enumerate(conditions):
        if found.get("type") == condition["type"]:
            same = found.get("status") == condition["status"]
            when = found.get("lastTransitionTime") if same else rfc3339(now)
            conditions[index] = {**condition, "lastProbeTime": None, "lastTransitionTime": when}
            break
    else:
        conditions.append({**condition, "lastProbeTime": None, "lastTransitionTime": rfc3339(now)})
    pod["status"]["conditions"] = conditions


def disruption_refused(cause: str, retry_after: int = 0) -> errors.TooManyRequests:
    """429 of an eviction that a PodDisruptionBudget does not allow now."""
    return errors.TooManyRequests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        causes=[Cause("DisruptionBudget", cause)],
        retry_after=retry_after,
    )
