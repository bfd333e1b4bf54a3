"""Events of both groups, which are one kind inside."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.metadata import metadata
from kube_actors.api.validation.rules import Rules

_NAME_MAX, _NOTE_MAX = 128, 1024
_FIXED = (
    ("involvedObject", "regarding"), ("reason", "reason"), ("message", "note"), ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"), ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"), ("related", "related"), ("type", "type"), ("reportingController",) * 2,
    ("reportingInstance",) * 2, ("action",) * 2, ("eventTime",) * 2,
)  # fmt: skip


def _namespace(causes: Causes, obj: Obj, target: Obj) -> None:
    """An event lives where its object does; events of cluster-scoped objects in `default`."""
    where, here = target.get("namespace", ""), obj["metadata"].get("namespace", "")
    if where != here and not (not where and here == "default"):
        causes.invalid("involvedObject.namespace", where, "does not match event.namespace")


def _core_event(causes: Causes, obj: Obj) -> None:
    _namespace(causes, obj, obj.get("involvedObject") or {})


def _new_event(causes: Causes, obj: Obj) -> None:
    _namespace(causes, obj, obj.get("regarding") or {})
    if not obj.get("eventTime"):
        causes.required("eventTime")
    controller = obj.get("reportingController", "")
    if obj.get("eventTime"):
        if not controller:
            causes.required("reportingController")
        causes.each_invalid("reportingController", controller, names.qualified_name(controller))
        for field in ("reportingInstance", "action", "reason"):
            value = obj.get(field, "")
            if not value:
                causes.required(field)
            elif len(value) > _NAME_MAX:
                causes.invalid(field, "", f"can have at most {_NAME_MAX} characters")
        if len(obj.get("note", "")) > _NOTE_MAX:
            causes.invalid("message", "", f"can have at most {_NOTE_MAX} characters")
    if obj.get("type") not in ("Normal", "Warning"):
        causes.invalid("type", "", f"has invalid value: {obj.get('type', '')}")
    series = obj.get("series")
    if series is not None:
        if series.get("count", 0) < 2:
            causes.invalid("series.count", "", "should be at least 2")
        if not series.get("lastObservedTime"):
            causes.required("series.lastObservedTime")
    for field, shown in (
        ("deprecatedFirstTimestamp", "firstTimestamp"), ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"), ("deprecatedSource", "source"),
    ):  # fmt: skip
        if obj.get(field):
            causes.invalid(shown, "", "needs to be unset")


def _new_event_with_name(causes: Causes, obj: Obj) -> None:
    _new_event(causes, obj)
    metadata(causes, obj["metadata"], True, names.dns_subdomain)


def _new_event_update(causes: Causes, new: Obj, old: Obj) -> None:
    for shown, field in _FIXED:
        causes.immutable(shown, new.get(field), old.get(field))


EVENT = Rules(create=_core_event, checks_metadata=False)
NEW_EVENT = Rules(create=_new_event_with_name, checks_metadata=False, update=_new_event_update)
