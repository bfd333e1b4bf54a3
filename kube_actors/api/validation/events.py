"""Events of both groups, which are one kind inside (k8s.io/kubernetes/pkg/apis/core/validation/events.go).

An event with an eventTime is of the new sort, whichever group it is written through; the group events.k8s.io takes
no other, and does not let one change but for its series.
"""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.metadata import metadata

_NAME_MAX, _NOTE_MAX = 128, 1024
# The field as messages name it, and as events.k8s.io calls it. The reason is compared twice there, and so here.
_FIXED = (
    ("involvedObject", "regarding"), ("reason", "reason"), ("message", "note"), ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"), ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"), ("reason", "reason"), ("type", "type"), ("eventTime", "eventTime"),
    ("action", "action"), ("related", "related"), ("reportingController", "reportingController"),
    ("reportingInstance", "reportingInstance"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Fields:
    """How a group calls the fields that both check."""

    target: str
    note: str
    controller: str


_CORE = _Fields("involvedObject", "message", "reportingComponent")
_NEW = _Fields("regarding", "note", "reportingController")


def _common(causes: Causes, obj: Obj, fields: _Fields) -> None:
    here = obj["metadata"].get("namespace", "")
    there = (obj.get(fields.target) or {}).get("namespace", "")
    mismatch = "does not match event.namespace"
    if not obj.get("eventTime"):
        if there != here and not (not there and here == "default"):
            causes.invalid("involvedObject.namespace", there, mismatch)
        return
    if not there and here not in ("default", "kube-system"):
        causes.invalid("involvedObject.namespace", there, mismatch)
    controller = obj.get(fields.controller, "")
    if not controller:
        causes.required(fields.controller)
    causes.each_invalid(fields.controller, controller, names.qualified_name(controller))
    for field in ("reportingInstance", "action", "reason"):
        if not obj.get(field):
            causes.required(field)
        elif len(obj[field]) > _NAME_MAX:
            causes.invalid(field, "", f"can have at most {_NAME_MAX} characters")
    if len(obj.get(fields.note, "")) > _NOTE_MAX:
        causes.invalid("message", "", f"can have at most {_NOTE_MAX} characters")


def core_event(causes: Causes, obj: Obj) -> None:
    """An event written through the core group, new or changed."""
    _common(causes, obj, _CORE)


def new_event(causes: Causes, obj: Obj) -> None:
    """A new event of events.k8s.io."""
    _common(causes, obj, _NEW)
    metadata(causes, obj["metadata"], True, names.dns_subdomain)
    _series(causes, obj)
    if not obj.get("eventTime"):
        causes.required("eventTime")
    if obj.get("type") not in ("Normal", "Warning"):
        causes.invalid("type", "", f"has invalid value: {obj.get('type', '')}")
    for field, shown in (
        ("deprecatedFirstTimestamp", "firstTimestamp"), ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"), ("deprecatedSource", "source"),
    ):  # fmt: skip
        if obj.get(field):
            causes.invalid(shown, "", "needs to be unset")


def _series(causes: Causes, obj: Obj) -> None:
    series = obj.get("series")
    if series is None:
        return
    if series.get("count", 0) < 2:
        causes.invalid("series.count", "", "should be at least 2")
    if not series.get("lastObservedTime"):
        causes.required("series.lastObservedTime")


def new_event_update(causes: Causes, new: Obj, old: Obj) -> None:
    """The next state of an event of events.k8s.io."""
    _common(causes, new, _NEW)
    if new.get("series") != old.get("series"):
        _series(causes, new)
    for shown, field in _FIXED:
        causes.immutable(shown, new.get(field), old.get(field))
