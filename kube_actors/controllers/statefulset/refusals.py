"""What to tell of a write that the API server refused. Pure."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError
from kube_actors.api.meta import name_of
from kube_actors.api.resources import PODS
from kube_actors.controllers.actions import WARNING, CreateObject, DeleteObject, PatchObject, RecordEvent, Write
from kube_actors.controllers.statefulset.claims import CLAIMS


def refusal_events(owner: Obj, action: Write, error: KubeActorsError) -> list[RecordEvent]:
    """A claim that cannot be made is told of both, it and the pod that needs it."""
    if isinstance(action, CreateObject) and action.resource is CLAIMS:
        claim = name_of(action.obj)
        # TEMPLATE-SET-ORDINAL
        pod = f"{name_of(owner)}-{claim.rsplit('-', 1)[1]}"
        of_claim = _failed(owner, "create", f"Claim {claim} for Pod {pod}", error)
        return [of_claim, _failed(owner, "create", f"Pod {pod}", f"failed to create PVC {claim}: {error}")]
    if isinstance(action, CreateObject) and action.resource is PODS:
        return [_failed(owner, "create", f"Pod {name_of(action.obj)}", error)]
    if isinstance(action, PatchObject | DeleteObject) and action.resource is PODS:
        verb = "delete" if isinstance(action, DeleteObject) else "update"
        return [_failed(owner, verb, f"Pod {action.name}", error)]
    return []


def _failed(owner: Obj, verb: str, what: str, error: object) -> RecordEvent:
    text = f"{verb} {what} in StatefulSet {name_of(owner)} failed error: {error}"
    return RecordEvent(owner, WARNING, f"Failed{verb.title()}", text)
