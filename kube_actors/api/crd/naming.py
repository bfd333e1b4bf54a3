"""Which names a CRD gets, and its conditions: NamesAccepted, Established, Terminating.

Kubernetes: k8s.io/apiextensions-apiserver/pkg/controller/status/naming_controller.go and establish.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj

NAMES_ACCEPTED, ESTABLISHED, TERMINATING = "NamesAccepted", "Established", "Terminating"
FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


def condition(crd: Obj, kind: str) -> Obj | None:
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == kind), None)


def is_established(crd: Obj) -> bool:
    found = condition(crd, ESTABLISHED)
    return found is not None and found.get("status") == "True"


def with_names(crd: Obj, others: Iterable[Obj], taken: Iterable[str], now: float) -> Obj:
    """The CRD with the names that it gets and the conditions that follow.

    `others` are the CRDs of its group that were first; `taken` are kinds and plurals of built-in resources there.
    """
    accepted, conflict = _accepted(crd, list(others), set(taken))
    if conflict is None:
        conditions = _set(crd, NAMES_ACCEPTED, "True", "NoConflicts", "no conflicts found", now)
        text = "the initial names have been accepted"
        conditions = _set(_having(crd, conditions), ESTABLISHED, "True", "InitialNamesAccepted", text, now)
    else:
        conditions = _set(crd, NAMES_ACCEPTED, "False", *conflict, now)
        if not is_established(crd):
            text = "not all names are accepted"
            conditions = _set(_having(crd, conditions), ESTABLISHED, "False", "NotAccepted", text, now)
    status = {**(crd.get("status") or {}), "acceptedNames": accepted, "conditions": conditions}
    return {**crd, "status": status}


def with_condition(crd: Obj, kind: str, status: str, reason: str, message: str, now: float) -> Obj:
    """The CRD with one condition."""
    return _having(crd, _set(crd, kind, status, reason, message, now))


def _having(crd: Obj, conditions: list[Obj]) -> Obj:
    return {**crd, "status": {**(crd.get("status") or {}), "conditions": conditions}}


def _set(crd: Obj, kind: str, status: str, reason: str, message: str, now: float) -> list[Obj]:
    conditions = list((crd.get("status") or {}).get("conditions") or ())
    known = condition(crd, kind)
    new: Obj = {
        "type": kind,
        "status": status,
        "lastTransitionTime": rfc3339(now),
        "reason": reason,
        "message": message,
    }
    if known is None:
        return [*conditions, new]
    if known.get("status") == status:
        new["lastTransitionTime"] = known.get("lastTransitionTime")
    return [new if one is known else one for one in conditions]


def _accepted(crd: Obj, others: list[Obj], taken: set[str]) -> tuple[Obj, tuple[str, str] | None]:
    """(accepted names, (reason, message) of the last conflict)."""
    wanted = crd["spec"]["names"]
    accepted: Obj = {"plural": "", "kind": "", **((crd.get("status") or {}).get("acceptedNames") or {})}
    resources, kinds = set(taken), set(taken)
    for other in others:
        names = (other.get("status") or {}).get("acceptedNames") or {}
        resources |= {names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ())} - {""}
        kinds |= {names.get("kind", ""), names.get("listKind", "")} - {""}
    conflict: tuple[str, str] | None = None
    for field, used, reason in (
        ("plural", resources, "PluralConflict"),
        ("singular", resources, "SingularConflict"),
        ("shortNames", resources, "ShortNamesConflict"),
        ("kind", kinds, "KindConflict"),
        ("listKind", kinds, "ListKindConflict"),
    ):
        value = wanted.get(field)
        clashing = [one for one in (value if isinstance(value, list) else [value]) if one in used]
        if clashing:
            quoted = ", ".join(f'"{one}" is already in use' for one in clashing)
            conflict = (reason, quoted if len(clashing) == 1 else f"[{quoted}]")
        elif value:
            accepted[field] = value
        else:
            accepted.pop(field, None)
    if wanted.get("categories"):
        accepted["categories"] = wanted["categories"]
    else:
        accepted.pop("categories", None)
    return accepted, conflict
