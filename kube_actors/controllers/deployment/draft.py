"""ReplicaSets while a sync is planned: read as dicts, changed in memory, written as one patch each."""

from __future__ import annotations

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, get_path, is_deleting, name_of, namespace_of, uid_of
from kube_actors.api.resources import REPLICA_SETS
from kube_actors.controllers.actions import CreateObject, PatchObject

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"


class Draft:
    """One ReplicaSet and what this sync wants changed in it. `new` is one that does not exist yet."""

    def __init__(self, obj: Obj, *, new: bool = False) -> None:
        self.obj = obj
        self.new = new
        self.replicas: int = obj["spec"].get("replicas", 1)
        self.min_ready_seconds: int = obj["spec"].get("minReadySeconds", 0)
        self.annotations = dict(annotations_of(obj))
        status = obj.get("status") or {}
        self.status_replicas: int = status.get("replicas", 0)
        self.available: int = status.get("availableReplicas", 0)
        self.ready: int = status.get("readyReplicas", 0)
        self.terminating: int = status.get("terminatingReplicas", 0)

    @property
    def name(self) -> str:
        return name_of(self.obj)

    @property
    def uid(self) -> str:
        return uid_of(self.obj)

    @property
    def created(self) -> float:
        text = self.obj["metadata"].get("creationTimestamp")
        return parse_rfc3339(text) if text else float("inf")

    @property
    def age_order(self) -> tuple[float, str]:
        """Older first, by name where the seconds are the same."""
        return self.created, self.name

    @property
    def deleting(self) -> bool:
        return is_deleting(self.obj)

    @property
    def observed(self) -> bool:
        """Whether its controller has seen its present spec."""
        observed = get_path(self.obj, "status", "observedGeneration", default=0)
        return bool(observed >= self.obj["metadata"].get("generation", 0))

    def number(self, annotation: str) -> int | None:
        """The value of one of the deployment.kubernetes.io annotations; None where it is no number."""
        try:
            return int(self.annotations[annotation])
        except (KeyError, ValueError):
            return None

    @property
    def sure(self) -> int:
        """Available pods that it keeps: those it was asked to give up may be in its status still."""
        return min(self.available, int(self.obj["spec"].get("replicas", 1)))

    @property
    def shrinking(self) -> bool:
        """Whether it may have more pods than spec and status say, since its controller has not seen its spec."""
        return not self.observed and bool(self.obj["metadata"].get("generation", 0) > 1)

    @property
    def revision(self) -> int:
        return self.number(REVISION) or 0

    def note_size(self, desired: int, maximum: int) -> None:
        """Record the Deployment's size, by which a later sync knows a scaling from a rollout."""
        self.annotations[DESIRED] = str(desired)
        self.annotations[MAXIMUM] = str(maximum)

    def write(self) -> CreateObject | PatchObject | None:
        """What brings the server's object to this state; None where nothing changed."""
        if self.new:
            self.obj["metadata"]["annotations"] = self.annotations
            self.obj["spec"]["replicas"] = self.replicas
            return CreateObject(REPLICA_SETS, self.obj)
        metadata: Obj = {}
        spec: Obj = {}
        before = annotations_of(self.obj)
        changed = {key: value for key, value in self.annotations.items() if before.get(key) != value}
        if changed:
            metadata["annotations"] = changed
        if self.replicas != self.obj["spec"].get("replicas", 1):
            spec["replicas"] = self.replicas
        if self.min_ready_seconds != self.obj["spec"].get("minReadySeconds", 0):
            spec["minReadySeconds"] = self.min_ready_seconds
        if not metadata and not spec:
            return None
        # Two syncs on a stale cache must not both count: the second patch fails on the resourceVersion.
        if version := self.obj["metadata"].get("resourceVersion"):
            metadata["resourceVersion"] = version
        patch = {"metadata": metadata} | ({"spec": spec} if spec else {})
        return PatchObject(REPLICA_SETS, namespace_of(self.obj), self.name, patch)


def total(drafts: list[Draft]) -> int:
    return sum(draft.replicas for draft in drafts)


def crowd(drafts: list[Draft]) -> int:
    """Pods that may run: what is asked for, and what is there still."""
    return sum(max(draft.replicas, draft.status_replicas) for draft in drafts)


def sure(drafts: list[Draft]) -> int:
    return sum(draft.sure for draft in drafts)


def active(drafts: list[Draft]) -> list[Draft]:
    """Those that want pods."""
    return [draft for draft in drafts if draft.replicas > 0]
