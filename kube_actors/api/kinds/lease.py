"""Lease: who leads, or that a node lives."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules


def _create(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        causes.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    if transitions is not None:
        causes.not_negative("spec.leaseTransitions", transitions)


def _drop_disabled(obj: Obj) -> None:
    """Coordinated leader election is off by default."""
    for field in ("strategy", "preferredHolder"):
        obj["spec"].pop(field, None)


KIND = Kind(
    rules=Rules(create=_create),
    rest=RestRules(create_on_update=True, unconditional_update=False),
    prepare_create=_drop_disabled,
    prepare_update=lambda new, _: _drop_disabled(new),
)
