"""What a plan asks for: small frozen values. `Executor` performs them; nothing else writes to the API server."""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.resources import Resource
from kube_actors.client.types import MERGE_PATCH

NORMAL = "Normal"
WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class CreateObject:
    """`name` goes with a subresource only: the object that it belongs to."""

    resource: Resource
    obj: Obj
    subresource: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class DeleteObject:
    """Delete the object of that uid (and resourceVersion); that it is gone already counts as done."""

    resource: Resource
    namespace: str
    name: str
    uid: str = ""
    resource_version: str = ""
    grace_seconds: int | None = None
    propagation: str = ""


@dataclass(frozen=True, slots=True)
class PatchObject:
    """A merge patch, or one of another `type`. With metadata.resourceVersion in it, it fails on an object that
    changed since."""

    resource: Resource
    namespace: str
    name: str
    patch: Obj
    subresource: str = ""
    type: str = MERGE_PATCH


@dataclass(frozen=True, slots=True)
class UpdateObject:
    """Replace the object, provided that it still is at obj's resourceVersion."""

    resource: Resource
    obj: Obj
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """Replace the status (and what a status write may change besides) at obj's resourceVersion."""

    resource: Resource
    obj: Obj


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """`source`: the component that says so, where that is not the controller itself."""

    obj: Obj
    type: str
    reason: str
    message: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Requeue:
    """Sync the same key again after that many seconds, whatever happens before."""

    after: float


@dataclass(frozen=True, slots=True)
class SlowStart:
    """Many actions of one sort, in batches of 1, 2, 4, ...; a batch with a failure is the last.

    When a quota refuses the first pod, the other 499 requests are never sent.
    """

    actions: tuple[CreateObject, ...]


@dataclass(frozen=True, slots=True)
class AllAtOnce:
    """Actions without order, performed together; all are tried whatever becomes of the others."""

    actions: tuple[CreateObject | DeleteObject | PatchObject | UpdateObject | UpdateStatus, ...]


Write = CreateObject | DeleteObject | PatchObject | UpdateObject | UpdateStatus
Action = Write | RecordEvent | Requeue | SlowStart | AllAtOnce
