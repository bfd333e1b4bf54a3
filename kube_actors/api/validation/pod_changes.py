"""How a pod may change: little of its spec, most of its status (ValidatePodUpdate, ValidatePodStatusUpdate)."""

from __future__ import annotations

import copy

from kube_actors.api import Obj
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.internal import pod_spec_node, spec_difference
from kube_actors.api.validation.pod_annotations import APPARMOR, MIRROR, pod_annotations
from kube_actors.api.validation.pod_gates import narrowed
from kube_actors.api.validation.pods import new_or_changed_pod
from kube_actors.api.validation.scheduling import tolerations

_INT32_MAX = 2**31 - 1
UPDATE_TEXT = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod_update(causes: Causes, new: Obj, old: Obj) -> None:
    """The few changes that a pod's spec allows."""
    new_or_changed_pod(causes, new)
    annotation_changes(causes, new, old)
    spec, before = new["spec"], old["spec"]
    if spec == before:
        return
    for field in ("containers", "initContainers"):
        if not _same_containers(causes, spec, before, field):
            return
    if not _deadline(causes, spec, before):
        return
    _tolerations(causes, spec, before)
    _scheduling_gates(causes, spec, before)
    munged = _allowed(spec, before)
    if before.get("schedulingGates"):
        narrowed(causes, munged, before)
    if munged != before:
        difference = spec_difference(pod_spec_node(), before, munged)
        causes.forbidden("spec", f"{UPDATE_TEXT}\n{difference}")


def annotation_changes(causes: Causes, new: Obj, old: Obj) -> None:
    """The annotations that say what a pod is stay (ValidatePodSpecificAnnotationUpdates)."""
    values, before = (obj["metadata"].get("annotations") or {} for obj in (new, old))
    if not values and not before:
        return
    for key in before:
        if values.get(key) == before[key]:
            continue
        if key.startswith(APPARMOR):
            causes.forbidden(f"metadata.annotations[{key}]", "may not remove or update AppArmor annotations")
        elif key == MIRROR:
            causes.forbidden(f"metadata.annotations[{key}]", "may not remove or update mirror pod annotation")
    for key in values:
        if key in before:
            continue
        if key.startswith(APPARMOR):
            causes.forbidden(f"metadata.annotations[{key}]", "may not add AppArmor annotations")
        elif key == MIRROR:
            causes.forbidden(f"metadata.annotations[{key}]", "may not add mirror pod annotation")
    pod_annotations(causes, values, new["spec"], "metadata.annotations")


def _same_containers(causes: Causes, new: Obj, old: Obj, field: str) -> bool:
    items, before = new.get(field) or [], old.get(field) or []
    if len(items) != len(before):
        causes.forbidden(f"spec.{field}", "pod updates may not add or remove containers")
        return False
    for index, container in enumerate(items):
        image = container.get("image", "")
        if not image:
            causes.required(f"spec.{field}[{index}].image")
        if image != image.strip():
            causes.invalid(f"spec.{field}[{index}].image", image, "must not have leading or trailing whitespace")
    return True


def _deadline(causes: Causes, new: Obj, old: Obj) -> bool:
    """It may be set, and made shorter. Returns whether other changes are looked at, too."""
    value, before = new.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds")
    field = "spec.activeDeadlineSeconds"
    if value is None:
        if before is not None:
            causes.invalid(field, None, "must not update from a positive integer to nil value")
        return True
    if not 0 <= value <= _INT32_MAX:
        causes.invalid(field, value, "must be between 0 and 2147483647, inclusive")
    elif before is not None and before < value:
        causes.invalid(field, value, "must be less than or equal to previous value")
    else:
        return True
    return False


def _scheduling_gates(causes: Causes, new: Obj, old: Obj) -> None:
    before = {gate["name"] for gate in old.get("schedulingGates") or ()}
    for index, gate in enumerate(new.get("schedulingGates") or ()):
        if gate["name"] not in before:
            text = f"only deletion is allowed, but found new scheduling gate '{gate['name']}'"
            causes.forbidden(f"spec.schedulingGates[{index}].name", text)


def _tolerations(causes: Causes, new: Obj, old: Obj) -> None:
    """They are only added; how long one holds may change."""
    items = new.get("tolerations") or []
    kept = {_without_seconds(toleration) for toleration in items}
    if any(_without_seconds(toleration) not in kept for toleration in old.get("tolerations") or ()):
        causes.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")
    else:
        tolerations(causes, items, "spec.tolerations")


def _without_seconds(toleration: Obj) -> tuple[str, ...]:
    return tuple(toleration.get(field, "") for field in ("key", "operator", "value", "effect"))


def _allowed(new: Obj, old: Obj) -> Obj:
    """`new` with what may change taken from `old`: what differs then is forbidden."""
    munged = copy.deepcopy(new)
    for field in ("containers", "initContainers"):
        for container, before in zip(munged.get(field) or (), old.get(field) or (), strict=False):
            if "image" in before:
                container["image"] = before["image"]
    fields = ["activeDeadlineSeconds", "tolerations", "schedulingGates"]
    if new.get("terminationGracePeriodSeconds") == 1 and old.get("terminationGracePeriodSeconds", 0) < 0:
        fields.append("terminationGracePeriodSeconds")
    for field in fields:
        if field in old:
            munged[field] = old[field]
        else:
            munged.pop(field, None)
    return munged


def pod_status(causes: Causes, new: Obj, old: Obj) -> None:
    """A change of a pod's status."""
    status, before = new.get("status") or {}, old.get("status") or {}
    annotation_changes(causes, new, old)
    for index, condition in enumerate(status.get("conditions") or ()):
        kind = condition.get("type", "")
        if kind not in _KNOWN_CONDITIONS:
            causes.each_invalid(f"metadata.conditions[{index}].Type", kind, names.qualified_name(kind))
    nominated = status.get("nominatedNodeName")
    if nominated and nominated != before.get("nominatedNodeName"):
        causes.each_invalid("status.nominatedNodeName", nominated, names.dns_subdomain(nominated))
    causes.immutable("status.qosClass", status.get("qosClass", ""), before.get("qosClass", ""))
    for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        _state_transitions(causes, status, before, field, old["spec"])
    _claim_statuses(causes, status, new["spec"])
    _addresses(causes, status.get("podIPs") or [], "status.podIPs")
    host = status.get("hostIPs") or []
    if host and host[0].get("ip", "") != status.get("hostIP", ""):
        causes.invalid("status.hostIPs[0].ip", host[0].get("ip", ""), "must be equal to `hostIP`")
    _addresses(causes, host, "status.hostIPs")


_KNOWN_CONDITIONS = ("PodScheduled", "Ready", "Initialized")


def _claim_statuses(causes: Causes, status: Obj, spec: Obj) -> None:
    known = {claim.get("name") for claim in spec.get("resourceClaims") or ()}
    seen: set[str] = set()
    for index, one in enumerate(status.get("resourceClaimStatuses") or ()):
        name, field = one.get("name", ""), f"status.resourceClaimStatuses[{index}].name"
        if name not in known:
            causes.invalid(field, name, "must match the name of an entry in `spec.resourceClaims`")
        if name in seen:
            causes.duplicate(field, name)
        seen.add(name)
        claim = one.get("resourceClaimName")
        if claim is not None:
            causes.each_invalid(field, claim, names.dns_subdomain(claim))


def _addresses(causes: Causes, items: list[Obj], path: str) -> None:
    """At most one address of each family."""
    values = [item.get("ip", "") for item in items]
    for index, value in enumerate(values):
        references.ip(causes, f"{path}[{index}]", value)
    versions = [parsed.version for value in values if (parsed := references.parse_ip(value))]
    if len(versions) < len(values) or len(values) < 2:
        return
    if len(set(versions)) < len(values):
        shown = [{"IP": value} for value in values]
        causes.invalid(path, shown, "may specify no more than one IP for each IP family")
    for index, value in enumerate(values):
        if value in values[:index]:
            causes.duplicate(f"{path}[{index}]", {"IP": value})


def _state_transitions(causes: Causes, status: Obj, before: Obj, field: str, spec: Obj) -> None:
    """Under a policy that does not restart, a container that has terminated stays so."""
    policy = "Never" if field == "ephemeralContainerStatuses" else spec.get("restartPolicy")
    if policy == "Always":
        return
    restarted = _restarted(spec)
    now = {one.get("name"): one for one in status.get(field) or ()}
    for index, one in enumerate(before.get(field) or ()):
        ended = (one.get("state") or {}).get("terminated")
        if ended is None or (policy == "OnFailure" and ended.get("exitCode")) or one.get("name") in restarted:
            continue
        found = now.get(one.get("name"))
        if found is not None and "terminated" not in (found.get("state") or {}):
            causes.forbidden(f"status.{field}[{index}].state", "may not be transitioned to non-terminated state")


def _restarted(spec: Obj) -> set[str]:
    """Containers with a restart policy of their own."""
    items = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    rules = ("restartPolicy", "restartPolicyRules")
    return {one.get("name", "") for one in items if one.get(rules[0]) not in (None, "Never") or one.get(rules[1])}
