"""Pod: containers that run together on one node.

What a pod may say is in `validation.pods`, how it may change in `validation.pod_changes`, how its subresources
ephemeralcontainers and resize change it in `validation.pod_views` (pkg/registry/core/pod/strategy.go).
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.defaults.pods import default_pod
from kube_actors.api.kinds.kind import Kind, RestRules, View
from kube_actors.api.pods import all_containers, qos_class
from kube_actors.api.validation import pod_changes, pod_views, pods
from kube_actors.api.validation.rules import Rules


def _prepare_create(obj: Obj) -> None:
    _apparmor(obj)
    _drop_disabled(obj["spec"])
    obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}
    if obj["spec"].get("schedulingGates"):
        obj["status"]["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
                "lastProbeTime": None,
                "lastTransitionTime": obj["metadata"].get("creationTimestamp"),
            }
        ]


def _drop_disabled(spec: Obj) -> None:
    """Fields whose features are off by default, and a grace period that cannot be."""
    for volume in spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            source.pop("podCertificate", None)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1


_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_APPARMOR_TYPES = {"runtime/default": "RuntimeDefault", "unconfined": "Unconfined"}


def _apparmor(obj: Obj) -> None:
    """AppArmor profiles given by the old annotations become fields."""
    for key, profile in (obj["metadata"].get("annotations") or {}).items():
        if not key.startswith(_APPARMOR):
            continue
        name = key[len(_APPARMOR) :]
        if profile.startswith("localhost/"):
            value = {"type": "Localhost", "localhostProfile": profile[len("localhost/") :]}
        elif profile in _APPARMOR_TYPES:
            value = {"type": _APPARMOR_TYPES[profile]}
        else:
            continue
        spec = obj["spec"]
        for container in all_containers(spec):
            if container.get("name") == name:
                container.setdefault("securityContext", {}).setdefault("appArmorProfile", value)


def _prepare_update(new: Obj, old: Obj) -> None:
    # The class is a function of the spec, and kept: requests may change through resize only within it.
    new["status"] = old["status"]


def _prepare_status(new: Obj, old: Obj) -> None:
    """Owners stay, and so does what an old node agent leaves out."""
    _take(new["metadata"], old["metadata"], "ownerReferences")
    status, before = new.setdefault("status", {}), old.get("status") or {}
    if not status.get("qosClass") and before.get("qosClass"):
        status["qosClass"] = before["qosClass"]
    _keep_generation(status, before)
    known: dict[str, list[Obj]] = {}
    for condition in before.get("conditions") or ():
        known.setdefault(condition.get("type", ""), []).append(condition)
    for condition in status.get("conditions") or ():
        found = known.get(condition.get("type", ""))
        if found:
            _keep_generation(condition, found.pop(0))


def _keep_generation(new: Obj, old: Obj) -> None:
    if not new.get("observedGeneration") and old.get("observedGeneration"):
        new["observedGeneration"] = old["observedGeneration"]


def _take(new: Obj, old: Obj, field: str) -> None:
    if field in old:
        new[field] = old[field]
    else:
        new.pop(field, None)


KIND = Kind(
    rules=Rules(create=pods.new_pod, update=pod_changes.pod_update, status=pod_changes.pod_status),
    rest=RestRules(answers_deleted_object=True),
    defaults=default_pod,
    counted=("spec",),
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    prepare_status=_prepare_status,
    views={
        "ephemeralcontainers": View(pod_views.prepare_ephemeral, pod_views.ephemeral_update),
        "resize": View(pod_views.prepare_resize, pod_views.resize_update),
    },
)
