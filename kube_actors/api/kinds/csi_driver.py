"""CSIDriver: what the control plane has to know of a storage driver."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules

_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_MODES = ("Persistent", "Ephemeral")
_TOKEN_SECONDS_MIN, _TOKEN_SECONDS_MAX, _UPDATE_SECONDS_MIN = 600, 1 << 32, 10
# Fields that stay, and their names in messages.
_FIXED = {"attachRequired": "attachedRequired", "volumeLifecycleModes": "volumeLifecycleModes"}


def _defaults(obj: Obj) -> None:
    spec = obj["spec"]
    spec.setdefault("attachRequired", True)
    spec.setdefault("podInfoOnMount", False)
    spec.setdefault("storageCapacity", False)
    spec.setdefault("fsGroupPolicy", "ReadWriteOnceWithFSType")
    spec.setdefault("requiresRepublish", False)
    spec.setdefault("seLinuxMount", False)
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def _create(causes: Causes, obj: Obj) -> None:
    _spec(causes, obj["spec"])


def _spec(causes: Causes, spec: Obj) -> None:
    for field in ("attachRequired", "podInfoOnMount", "storageCapacity"):
        if spec.get(field) is None:
            causes.required(f"spec.{_FIXED.get(field, field)}")
    policy = spec.get("fsGroupPolicy")
    if policy and policy not in _GROUP_POLICIES:
        causes.unsupported("spec.fsGroupPolicy", policy, _GROUP_POLICIES)
    _tokens(causes, spec.get("tokenRequests") or [])
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in _MODES:
            causes.unsupported("spec.volumeLifecycleModes", mode, _MODES)
    seconds = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if seconds is not None and seconds < _UPDATE_SECONDS_MIN:
        text = f"must be greater than or equal to {_UPDATE_SECONDS_MIN} seconds"
        causes.invalid("spec.nodeAllocatableUpdatePeriodSeconds", seconds, text)
    if spec.get("serviceAccountTokenInSecrets") is not None and not spec.get("tokenRequests"):
        text = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        causes.invalid("spec.serviceAccountTokenInSecrets", spec["serviceAccountTokenInSecrets"], text)


def _tokens(causes: Causes, requests: list[Obj]) -> None:
    seen: set[str] = set()
    for index, request in enumerate(requests):
        path, audience = f"spec.tokenRequests[{index}]", request.get("audience", "")
        if audience in seen:
            causes.duplicate(f"{path}.audience", audience)
            continue
        seen.add(audience)
        seconds = request.get("expirationSeconds")
        if seconds is None:
            continue
        if seconds < _TOKEN_SECONDS_MIN:
            causes.invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
        if seconds > _TOKEN_SECONDS_MAX:
            text = "may not specify a duration larger than 2^32 seconds"
            causes.invalid(f"{path}.expirationSeconds", seconds, text)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _spec(causes, new["spec"])
    for field, shown in _FIXED.items():
        causes.immutable(f"spec.{shown}", new["spec"].get(field), old["spec"].get(field))


KIND = Kind(
    rules=Rules(create=_create, update=_update),
    rest=RestRules(answers_deleted_object=True, unconditional_update=False),
    defaults=_defaults,
)
