"""One sync of a Deployment. Pure: what the caches show and the time go in, actions come out."""

from __future__ import annotations

from dataclasses import dataclass, field

from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, get_path, is_deleting
from kube_actors.api.resources import DEPLOYMENTS
from kube_actors.controllers import conditions
from kube_actors.controllers.actions import (
    NORMAL,
    WARNING,
    Action,
    DeleteObject,
    RecordEvent,
    Requeue,
    UpdateStatus,
)
from kube_actors.controllers.deployment import recreate, revisions, rolling, scaling, status
from kube_actors.controllers.deployment.draft import REVISION, Draft
from kube_actors.controllers.deployment.rolling import Limits
from kube_actors.controllers.intstr import rolling_limits


@dataclass(frozen=True, slots=True)
class View:
    """What one sync sees. `pods_of` maps the uid of each ReplicaSet to its pods, terminating ones included."""

    deployment: Obj
    replica_sets: tuple[Obj, ...]
    now: float
    pods_of: recreate.PodsOf = field(default_factory=dict)


def limits_of(deployment: Obj) -> Limits:
    surge, unavailable = rolling_limits(deployment)
    kind = get_path(deployment, "spec", "strategy", "type", default="RollingUpdate")
    return Limits(deployment["spec"].get("replicas", 1), surge, unavailable, rolling=kind == "RollingUpdate")


def plan(view: View) -> list[Action]:
    """The writes of this sync, scale-ups before scale-downs, the status last."""
    return _Sync(view).actions()


def plan_create_failed(deployment: Obj, name: str, error: str, now: float) -> list[Action]:
    """What to report when the new ReplicaSet `name` was refused."""
    message = f'Failed to create new replica set "{name}": {error}'
    event = RecordEvent(deployment, WARNING, status.CREATE_FAILED, message)
    if not status.has_deadline(deployment):
        return [event]
    before = deployment.get("status") or {}
    failed = status.make(status.PROGRESSING, "False", status.CREATE_FAILED, message, now)
    changed = before | {"conditions": conditions.put(before.get("conditions") or [], failed)}
    write: list[Action] = [] if changed == before else [UpdateStatus(DEPLOYMENTS, deployment | {"status": changed})]
    return [event, *write]


def plan_collision(deployment: Obj) -> list[Action]:
    """Another's ReplicaSet has the name: count it, so that the next hash gives another name."""
    before = deployment.get("status") or {}
    changed = before | {"collisionCount": before.get("collisionCount", 0) + 1}
    return [UpdateStatus(DEPLOYMENTS, deployment | {"status": changed})]


class _Sync:
    """The drafts and conditions of one sync."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.deployment = view.deployment
        self.now = view.now
        self.limits = limits_of(view.deployment)
        self.before: Obj = view.deployment.get("status") or {}
        self.conditions: list[Obj] = list(self.before.get("conditions") or ())
        self.new, self.old = revisions.split(view.deployment, [Draft(obj) for obj in view.replica_sets])
        self.deletions: list[DeleteObject] = []

    @property
    def everyone(self) -> list[Draft]:
        return [*([self.new] if self.new else []), *self.old]

    def actions(self) -> list[Action]:
        if is_deleting(self.deployment):
            return self._status(rollout=False)
        self._adopt_new()
        self.conditions = status.note_pause(self.deployment, self.conditions, self.now)
        paused = bool(self.deployment["spec"].get("paused"))
        if paused or scaling.is_scaling(self.limits, self.everyone):
            scaling.scale(self.limits, self.new, self.old, self.before.get("replicas", 0))
            if paused:
                self._clean_up()
        elif self.limits.rolling:
            self._roll()
        else:
            self._recreate()
        rollout = not paused and not self._was_scaling()
        return [*self._writes(), *self.deletions, *self._status(rollout=rollout)]

    def _was_scaling(self) -> bool:
        """Whether the ReplicaSets as the server has them were sized for other replicas."""
        return scaling.is_scaling(self.limits, [Draft(obj) for obj in self.view.replica_sets])

    def _adopt_new(self) -> None:
        """Bring the new ReplicaSet, where it exists, up to the Deployment's annotations and revision."""
        if self.new is None:
            return
        revisions.refresh(self.deployment, self.new, revisions.next_revision(self.old))
        missing = conditions.find(self.conditions, status.PROGRESSING) is None
        if missing and status.has_deadline(self.deployment):
            text = f'Found new replica set "{self.new.name}"'
            found = status.make(status.PROGRESSING, "True", status.FOUND, text, self.now)
            self.conditions = conditions.put(self.conditions, found)

    def _create_new(self) -> Draft:
        revision = revisions.next_revision(self.old)
        new = self.new = revisions.create(self.deployment, revision, self.limits.surge)
        new.replicas = rolling.new_size(self.limits, new, self.everyone)
        if status.has_deadline(self.deployment):
            text = f'Created new replica set "{new.name}"'
            created = status.make(status.PROGRESSING, "True", status.CREATED, text, self.now)
            self.conditions = conditions.put(self.conditions, created)
        return new

    def _roll(self) -> None:
        if self.new is None:
            new = self._create_new()
        elif rolling.scale_new(self.limits, new := self.new, self.everyone):
            return
        if not rolling.scale_old(self.limits, new, self.old):
            self._clean_up_when_complete()

    def _recreate(self) -> None:
        if recreate.scale_old_to_zero(self.old) or recreate.old_pods_running(self.new, self.view.pods_of):
            return
        if self.new is None:
            self._create_new()
        else:
            rolling.scale_new(self.limits, self.new, self.everyone)
        self._clean_up_when_complete()

    def _clean_up_when_complete(self) -> None:
        if status.is_complete(self.deployment, self.limits, self.before):
            self._clean_up()

    def _clean_up(self) -> None:
        self.deletions = revisions.surplus_history(self.deployment, self.old)

    def _writes(self) -> list[Action]:
        """A patch (or the creation) of each changed ReplicaSet, each followed by its event."""
        actions: list[Action] = []
        for draft in self.everyone:
            before = 0 if draft.new else draft.obj["spec"].get("replicas", 1)
            if draft.replicas != before:
                draft.note_size(self.limits.replicas, self.limits.maximum)
            if (write := draft.write()) is None:
                continue
            actions.append(write)
            if draft.replicas != before:
                direction = "up" if draft.replicas > before else "down"
                text = f"Scaled {direction} replica set {draft.name} from {before} to {draft.replicas}"
                actions.append(RecordEvent(self.deployment, NORMAL, "ScalingReplicaSet", text))
        return actions

    def _status(self, *, rollout: bool) -> list[Action]:
        before = self.before | {"conditions": self.conditions}
        new = status.counts(self.deployment, self.limits, self.new, self.everyone, before, self.now)
        if rollout:
            new = status.progress(self.deployment, self.limits, self.new, self.before, new, self.now)
            new = status.replica_failure(new, self.new, self.everyone)
        after = status.check_after(self.deployment, self.limits, new, self.now) if rollout else None
        waits: list[Action] = [] if after is None else [Requeue(after)]
        annotations = annotations_of(self.deployment)
        revision = self.new.annotations.get(REVISION) if self.new else None
        renumbered = revision is not None and annotations.get(REVISION) != revision
        if not renumbered and status.same_status(self.before, new):
            return waits
        obj = self.deployment | {"status": new}
        if renumbered:
            obj["metadata"] = obj["metadata"] | {"annotations": annotations | {REVISION: revision}}
        return [*waits, UpdateStatus(DEPLOYMENTS, obj)]
