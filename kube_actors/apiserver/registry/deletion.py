"""What a DELETE does to an object: a plan made of the object and the options, without IO.

Kubernetes: Store.Delete of k8s.io/apiserver (generic/registry/store.go), rest.BeforeDelete, and the namespace
registry's own first step.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from enum import Enum

from kube_actors.aio.clock import parse_rfc3339, rfc3339
from kube_actors.api import Obj, errors
from kube_actors.api.resources import Resource
from kube_actors.apiserver.request import DeleteOptions
from kube_actors.apiserver.strategies.base import Strategy

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


class Step(Enum):
    REMOVE = "remove"
    # Write the terminating object, then remove it: watchers see it with its deletionTimestamp.
    MARK_AND_REMOVE = "mark and remove"
    UPDATE = "update"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Plan:
    """`obj` is the object to write, or what to answer where nothing is written."""

    step: Step
    obj: Obj


def plan(strategy: Strategy, current: Obj, options: DeleteOptions, now: float) -> Plan:
    """What to do with an object that shall go."""
    obj = copy.deepcopy(current)
    if strategy.begins_deletion_by_itself(obj):
        return _begin(strategy, obj, options, now)
    if not strategy.may_vanish(obj):
        return Plan(Step.NOTHING, obj)
    graceful = _graceful(strategy, obj, options, now)
    if graceful is Step.NOTHING:
        return Plan(Step.NOTHING, obj)
    set_gc_finalizers(strategy, obj, options)
    pending = bool(obj["metadata"].get("finalizers"))
    if graceful is Step.UPDATE:
        if pending or obj["metadata"]["deletionGracePeriodSeconds"] > 0:
            return Plan(Step.UPDATE, obj)
        marked = bool(current["metadata"].get("deletionTimestamp"))
        return Plan(Step.REMOVE if marked else Step.MARK_AND_REMOVE, obj)
    if pending:
        _mark(obj, now)
        return Plan(Step.UPDATE, obj) if obj != current else Plan(Step.NOTHING, obj)
    return Plan(Step.REMOVE, current)


def removable(strategy: Strategy, obj: Obj) -> bool:
    """Whether an update has taken away the last thing that kept a terminating object."""
    metadata = obj["metadata"]
    return bool(
        metadata.get("deletionTimestamp")
        and not metadata.get("finalizers")
        and not metadata.get("deletionGracePeriodSeconds")
        and strategy.may_vanish(obj)
    )


def check_preconditions(resource: Resource, obj: Obj, options: DeleteOptions) -> None:
    """Raises Conflict where the object is not the one that the client meant."""
    metadata = obj["metadata"]
    if options.uid and options.uid != metadata.get("uid"):
        text = f"the UID in the precondition ({options.uid}) does not match the UID in record "
        text += f"({metadata.get('uid')}). The object might have been deleted and then recreated"
        raise errors.conflict(resource.kind, resource.group, metadata["name"], text)
    if options.resource_version and options.resource_version != metadata.get("resourceVersion"):
        text = f"the ResourceVersion in the precondition ({options.resource_version}) does not match the "
        text += f"ResourceVersion in record ({metadata.get('resourceVersion')}). The object might have been modified"
        raise errors.conflict(resource.kind, resource.group, metadata["name"], text)


def set_gc_finalizers(strategy: Strategy, obj: Obj, options: DeleteOptions) -> None:
    """The finalizers by which the garbage collector learns what shall become of the dependents."""
    metadata = obj["metadata"]
    have = metadata.get("finalizers") or []
    policy = options.propagation
    if not policy:
        if FOREGROUND in have:
            policy = "Foreground"
        else:
            policy = "Orphan" if ORPHAN in have else strategy.rules.default_propagation
    wanted = {"Orphan": ORPHAN, "Foreground": FOREGROUND}.get(policy)
    kept = [one for one in have if one not in (ORPHAN, FOREGROUND) or one == wanted]
    if wanted and wanted not in kept:
        kept.append(wanted)
    if kept:
        metadata["finalizers"] = kept
    else:
        metadata.pop("finalizers", None)


def _begin(strategy: Strategy, obj: Obj, options: DeleteOptions, now: float) -> Plan:
    obj["metadata"]["deletionTimestamp"] = rfc3339(now)
    set_gc_finalizers(strategy, obj, options)
    strategy.mark_deleted(obj)
    return Plan(Step.UPDATE, obj)


def _graceful(strategy: Strategy, obj: Obj, options: DeleteOptions, now: float) -> Step:
    """UPDATE: the object was given its time; NOTHING: it is ending already; REMOVE: its kind has no grace."""
    metadata = obj["metadata"]
    deleting = metadata.get("deletionTimestamp")
    if deleting:
        granted = metadata.get("deletionGracePeriodSeconds")
        if granted is None:
            return Step.REMOVE
        asked = options.grace_seconds
        if strategy.grace_seconds(obj, options) is None:
            return Step.REMOVE
        if asked is None or asked >= granted:
            return Step.NOTHING
        asked = 1 if asked < 0 else asked
        metadata["deletionTimestamp"] = rfc3339(parse_rfc3339(deleting) - granted + asked)
        metadata["deletionGracePeriodSeconds"] = asked
        return Step.UPDATE
    grace = strategy.grace_seconds(obj, options)
    if grace is None:
        return Step.REMOVE
    metadata["deletionTimestamp"] = rfc3339(now + grace)
    metadata["deletionGracePeriodSeconds"] = grace
    _bump(metadata)
    return Step.UPDATE


def _mark(obj: Obj, now: float) -> None:
    metadata = obj["metadata"]
    if metadata.get("deletionGracePeriodSeconds") is None:
        _bump(metadata)
    metadata.setdefault("deletionTimestamp", rfc3339(now))
    metadata["deletionGracePeriodSeconds"] = 0


def _bump(metadata: Obj) -> None:
    if metadata.get("generation"):
        metadata["generation"] += 1
