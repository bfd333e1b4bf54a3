"""One sync of a StatefulSet. Pure: what the caches show and the time go in, actions come out."""

from __future__ import annotations

from dataclasses import dataclass, field

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, is_deleting, name_of, namespace_of, uid_of
from kube_actors.api.resources import PODS
from kube_actors.controllers.actions import (
    NORMAL,
    Action,
    AllAtOnce,
    CreateObject,
    DeleteObject,
    PatchObject,
    RecordEvent,
    Requeue,
    SlowStart,
)
from kube_actors.controllers.history.revisions import template_of
from kube_actors.controllers.pods import is_available, is_terminal, next_available_after, phase_of
from kube_actors.controllers.statefulset import claims, identity
from kube_actors.controllers.statefulset.status import Revisions, is_unavailable

# A claim that is going is looked at again after this time: its end enqueues nothing.
CLAIM_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class View:
    """What one sync sees. `find_claim` gives the claim of a name in the StatefulSet's namespace."""

    owner: Obj
    pods: tuple[Obj, ...]
    revisions: Revisions
    find_claim: claims.FindClaim
    now: float


@dataclass(slots=True)
class Plan:
    """`given_up`: pods of the current revision that the rolling update ends in this sync."""

    actions: list[Action] = field(default_factory=list)
    given_up: int = 0


def plan(view: View) -> Plan:
    """The writes of this sync, in order; the status is the controller's, as it is written in any case."""
    return _Sync(view).plan()


class _Sync:
    """The pods of one sync, sorted into those of the range (by ordinal) and the others."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.owner, self.now = view.owner, view.now
        self.min_ready: int = self.owner["spec"].get("minReadySeconds", 0)
        self.ordered = self.owner["spec"].get("podManagementPolicy", "OrderedReady") != "Parallel"
        self.range = identity.ordinals(self.owner)
        known = {identity.ordinal_of(pod): pod for pod in view.pods}
        self.replicas = {ordinal: known.get(ordinal) for ordinal in self.range}
        # From the highest down: that is the order in which they end.
        outside = sorted((ordinal for ordinal in known if ordinal >= 0 and ordinal not in self.range), reverse=True)
        self.condemned = [known[ordinal] for ordinal in outside]
        self.result = Plan()

    def plan(self) -> Plan:
        if not is_deleting(self.owner):
            (self._in_order if self.ordered else self._in_parallel)()
        waiting = [pod for pod in self.view.pods if phase_of(pod) == "Running"]
        if (after := next_available_after(waiting, self.min_ready, self.now)) is not None:
            self._do(Requeue(after))
        return self.result

    def _do(self, *actions: Action) -> None:
        self.result.actions += actions

    def _in_order(self) -> None:
        for ordinal in self.range:
            if self._replica_blocks(ordinal):
                return
        for pod in self.condemned:
            self._do(*self._owner_patches(pod))
        if self.condemned:
            self._end_one(self.condemned[0])
        else:
            self._roll()

    def _replica_blocks(self, ordinal: int) -> bool:
        """Bring one replica nearer; True where those after it have to wait."""
        pod = self.replicas[ordinal]
        if pod is None:
            if (creation := self._creation(ordinal)) is not None:
                self._do(*_with_events(self.owner, creation))
            return True
        if is_terminal(pod):
            if not is_deleting(pod):
                self._do(*self._deletion(pod))
            return True
        if phase_of(pod) == "Pending":
            self._do(*self._missing_claims(pod))
        if is_deleting(pod) or phase_of(pod) != "Running" or not is_available(pod, self.min_ready, self.now):
            return True
        self._do(*self._invariants(pod))
        return False

    def _end_one(self, pod: Obj) -> None:
        """Delete the highest pod outside of the range, unless another is unavailable: then only that one may go."""
        if is_deleting(pod):
            return
        unavailable = is_unavailable(pod, self.min_ready, self.now)
        if unavailable and pod is not self._first_unavailable():
            return
        self._do(*self._deletion(pod))

    def _first_unavailable(self) -> Obj | None:
        """By ordinal, the replicas before the condemned. A replica that is missing does not get here."""
        for pod in (*self.replicas.values(), *reversed(self.condemned)):
            if pod is not None and is_unavailable(pod, self.min_ready, self.now):
                return pod
        return None

    def _in_parallel(self) -> None:
        creations: list[CreateObject] = []
        new_claims: list[CreateObject] = []
        for ordinal, pod in self.replicas.items():
            if pod is None:
                if (creation := self._creation(ordinal)) is not None:
                    new_claims += creation[:-1]
                    creations.append(creation[-1])
            elif is_terminal(pod):
                if not is_deleting(pod):
                    self._do(*self._deletion(pod))
            else:
                if phase_of(pod) == "Pending":
                    self._do(*self._missing_claims(pod))
                self._do(*self._invariants(pod))
        if new_claims:
            self._do(AllAtOnce(tuple(new_claims)))
        if creations:
            told = [_told(self.owner, "create", name_of(each.obj)) for each in creations]
            self._do(SlowStart(tuple(creations)), *told)
        for pod in self.condemned:
            self._do(*self._owner_patches(pod))
        for pod in self.condemned:
            if not is_deleting(pod):
                self._do(*self._deletion(pod))
        self._roll()

    def _roll(self) -> None:
        """Replace the highest pod of another revision, once everything above it is available again."""
        strategy = self.owner["spec"].get("updateStrategy") or {}
        if strategy.get("type", "RollingUpdate") == "OnDelete":
            return
        partition = get_path(strategy, "rollingUpdate", "partition", default=0)
        for ordinal in reversed(self.range[partition:]):
            pod = self.replicas[ordinal]
            if pod is None:
                return
            if identity.revision_of(pod) != name_of(self.view.revisions.update) and not is_deleting(pod):
                # A pod that finished is being replaced by this sync already.
                if not is_terminal(pod):
                    self._do(*self._deletion(pod))
                    self.result.given_up = int(identity.revision_of(pod) == name_of(self.view.revisions.current))
                return
            if is_unavailable(pod, self.min_ready, self.now):
                return

    def _creation(self, ordinal: int) -> list[CreateObject] | None:
        """The claims that are missing, then the pod; None while an earlier claim is still going."""
        pod = self._new_pod(ordinal)
        # Its uid is not known yet: no claim of an earlier pod of the name passes for its own.
        if claims.must_wait(self.owner, pod, ordinal, self.view.find_claim):
            self._do(Requeue(CLAIM_SECONDS))
            return None
        missing = claims.missing_claims(self.owner, pod, ordinal, True, self.view.find_claim)
        return [*missing, CreateObject(PODS, pod)]

    def _new_pod(self, ordinal: int) -> Obj:
        """From the current revision below the partition, else from the update revision."""
        rolling = get_path(self.owner, "spec", "updateStrategy", "rollingUpdate")
        kind = get_path(self.owner, "spec", "updateStrategy", "type", default="RollingUpdate")
        if rolling is not None:
            below = rolling.get("partition", 0)
        else:
            below = get_path(self.owner, "status", "currentReplicas", default=0) if kind == "RollingUpdate" else 0
        revisions = self.view.revisions
        revision = revisions.current if ordinal < self.range.start + below else revisions.update
        return identity.new_pod(self.owner, template_of(revision), name_of(revision), ordinal)

    def _missing_claims(self, pod: Obj) -> list[CreateObject]:
        ordinal = identity.ordinal_of(pod)
        return claims.missing_claims(self.owner, pod, ordinal, ordinal in self.range, self.view.find_claim)

    def _owner_patches(self, pod: Obj) -> list[PatchObject]:
        ordinal = identity.ordinal_of(pod)
        return claims.owner_patches(self.owner, pod, ordinal, ordinal in self.range, self.view.find_claim)

    def _invariants(self, pod: Obj) -> list[Action]:
        patches: list[Action] = list(self._owner_patches(pod))
        if not identity.has_identity(self.owner, pod):
            patch = identity.identity_patch(pod)
            if patch.patch["metadata"]["labels"].items() - (pod["metadata"].get("labels") or {}).items():
                patches += [patch, _told(self.owner, "update", name_of(pod))]
        return patches

    def _deletion(self, pod: Obj) -> list[Action]:
        delete = DeleteObject(PODS, namespace_of(pod), name_of(pod), uid=uid_of(pod))
        return [delete, _told(self.owner, "delete", name_of(pod))]


def _with_events(owner: Obj, creation: list[CreateObject]) -> list[Action]:
    actions: list[Action] = []
    pod = creation[-1].obj
    for each in creation[:-1]:
        text = f"create Claim {name_of(each.obj)} Pod {name_of(pod)} in StatefulSet {name_of(owner)} success"
        actions += [each, RecordEvent(owner, NORMAL, "SuccessfulCreate", text)]
    return [*actions, creation[-1], _told(owner, "create", name_of(pod))]


def _told(owner: Obj, verb: str, pod: str) -> RecordEvent:
    text = f"{verb} Pod {pod} in StatefulSet {name_of(owner)} successful"
    return RecordEvent(owner, NORMAL, f"Successful{verb.title()}", text)
