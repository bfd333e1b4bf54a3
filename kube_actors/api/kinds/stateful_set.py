"""StatefulSet: pods with names and claims that stay (ValidateStatefulSet)."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.defaults.claims import claim
from kube_actors.api.defaults.pods import pod_template
from kube_actors.api.gotext import go_json
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import names, workloads
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.claims import claim_spec
from kube_actors.api.validation.rules import Rules

_COUNTS = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
_MUTABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
_FIXED_TEXT = (
    "updates to statefulset spec for fields other than "
    + ", ".join(f"'{field}'" for field in _MUTABLE[:-1])
    + f" and '{_MUTABLE[-1]}' are forbidden"
)


def _defaults(obj: Obj) -> None:
    spec = obj["spec"]
    pod_template(spec.get("template"))
    spec.setdefault("podManagementPolicy", "OrderedReady")
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("partition", 0)
        rolling.pop("maxUnavailable", None)  # its feature is off by default
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    retention.setdefault("whenDeleted", "Retain")
    retention.setdefault("whenScaled", "Retain")
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    for template in spec.get("volumeClaimTemplates") or ():
        template.setdefault("apiVersion", "v1")
        template.setdefault("kind", "PersistentVolumeClaim")
        claim(template)


def _create(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    policy = spec.get("podManagementPolicy", "")
    if not policy:
        causes.required("spec.podManagementPolicy")
    elif policy not in ("OrderedReady", "Parallel"):
        causes.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    _strategy(causes, spec.get("updateStrategy") or {}, "spec.updateStrategy")
    _retention(causes, spec.get("persistentVolumeClaimRetentionPolicy") or {})
    if spec.get("serviceName"):
        causes.each_invalid("spec.serviceName", spec["serviceName"], names.dns_label(spec["serviceName"]))
    for index, template in enumerate(spec.get("volumeClaimTemplates") or ()):
        claim_spec(causes, template.get("spec") or {}, f"spec.volumeClaimTemplates[{index}].spec")
    causes.not_negative("spec.replicas", spec.get("replicas", 0))
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds", 0))
    causes.not_negative("spec.ordinals.start", (spec.get("ordinals") or {}).get("start", 0))
    selector = workloads.checked_selector(causes, spec, "statefulset")
    workloads.matching_template(causes, _with_claims(spec), selector, kind="StatefulSet")


def _retention(causes: Causes, policy: Obj) -> None:
    for field in ("whenDeleted", "whenScaled"):
        if field in policy and policy[field] not in ("Retain", "Delete"):
            path = f"spec.persistentVolumeClaimRetentionPolicy.{field}"
            causes.unsupported(path, policy[field], ("Retain", "Delete"))


def _with_claims(spec: Obj) -> Obj:
    """The spec with a volume for every claim template, which containers may mount."""
    names_of = [(claim.get("metadata") or {}).get("name", "") for claim in spec.get("volumeClaimTemplates") or ()]
    pods = (spec.get("template") or {}).get("spec")
    if not names_of or not pods:
        return spec
    claims = [{"name": name, "persistentVolumeClaim": {"claimName": name or "-"}} for name in names_of]
    others = [volume for volume in pods.get("volumes") or () if volume.get("name") not in names_of]
    return {**spec, "template": {**spec["template"], "spec": {**pods, "volumes": [*claims, *others]}}}


def _strategy(causes: Causes, strategy: Obj, path: str) -> None:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    if not kind:
        causes.required(path)
    elif kind == "OnDelete":
        if rolling is not None:
            text = "only allowed for updateStrategy 'RollingUpdate'"
            causes.invalid(f"{path}.rollingUpdate", Raw(go_json(_internal(rolling))), text)
    elif kind == "RollingUpdate":
        causes.not_negative(f"{path}.rollingUpdate.partition", (rolling or {}).get("partition", 0))
    else:
        shown = Raw(go_json({"Type": kind, "RollingUpdate": _internal(rolling)}))
        causes.invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")


def _internal(rolling: Obj | None) -> Obj | None:
    """As Go's internal struct is printed."""
    if rolling is None:
        return None
    return {"Partition": rolling.get("partition", 0), "MaxUnavailable": rolling.get("maxUnavailable")}


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _create(causes, new)
    rest, before = ({key: value for key, value in obj["spec"].items() if key not in _MUTABLE} for obj in (new, old))
    if rest != before:
        causes.forbidden("spec", _FIXED_TEXT)


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    status = new.get("status") or {}
    workloads.replica_status(causes, status, _COUNTS)
    workloads.collisions(causes, new, old)


KIND = Kind(
    rules=Rules(create=_create, update=_update, status=_status),
    defaults=_defaults,
    counted=("spec",),
)
