"""PriorityLevelConfiguration: how many requests of a level are served at once, and what becomes of the others."""

from __future__ import annotations

import math

from kube_actors.api import Obj
from kube_actors.api.gotext import go_json
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import fairness
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.rules import Rules

_TYPES = ("Exempt", "Limited")
_RESPONSES = ("Queue", "Reject")
_QUEUES_MAX, _HASH_BITS = 10_000_000, 60
_QUEUING = (("handSize", 8), ("queues", 64), ("queueLengthLimit", 50))
# The levels that must be as they are; of `exempt`, the shares may change.
MANDATORY: dict[str, Obj] = {
    fairness.EXEMPT: {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}},
    fairness.CATCH_ALL: {
        "type": "Limited",
        "limited": {"nominalConcurrencyShares": 5, "lendablePercent": 0, "limitResponse": {"type": "Reject"}},
    },
}


def _defaults(obj: Obj) -> None:
    spec = obj["spec"]
    if spec.get("type") == "Exempt":
        spec.setdefault("exempt", {})
    if "exempt" in spec:
        spec["exempt"].setdefault("nominalConcurrencyShares", 0)
        spec["exempt"].setdefault("lendablePercent", 0)
    limited = spec.get("limited")
    if limited is None:
        return
    limited.setdefault("nominalConcurrencyShares", 30)
    limited.setdefault("lendablePercent", 0)
    queuing = limited.get("limitResponse", {}).get("queuing")
    if queuing is not None:
        for name, value in _QUEUING:
            queuing[name] = queuing.get(name) or value


def _create(causes: Causes, obj: Obj) -> None:
    name, spec = obj["metadata"].get("name", ""), obj["spec"]
    _spec(causes, name, spec)
    _mandatory(causes, name, spec)
    fairness.status(causes, obj)


def _spec(causes: Causes, name: str, spec: Obj) -> None:
    kind = spec.get("type", "")
    if (name == fairness.EXEMPT) != (kind == "Exempt"):
        causes.invalid("spec.type", kind, "must be 'Exempt' if and only if `name` is 'exempt'")
    if kind == "Exempt":
        if "exempt" in spec:
            _share(causes, spec["exempt"], "spec.exempt")
        if "limited" in spec:
            causes.forbidden("spec.limited", "must be nil if the type is not Limited")
    elif kind == "Limited":
        if "exempt" in spec:
            causes.forbidden("spec.exempt", "must be nil if the type is Limited")
        if "limited" not in spec:
            causes.required("spec.limited", "must not be empty when type is Limited")
        else:
            _limited(causes, spec["limited"], "spec.limited")
    else:
        causes.unsupported("spec.type", kind, _TYPES)


def _mandatory(causes: Causes, name: str, spec: Obj) -> None:
    wanted = MANDATORY.get(name)
    if wanted is None:
        return
    if name == fairness.EXEMPT:
        wanted, found = ({**one, "exempt": None} for one in (wanted, spec))
        text = f"spec of '{name}' except the 'spec.{name}' field must equal the fixed value"
    else:
        found, text = spec, f"spec of '{name}' must equal the fixed value"
    if found != wanted:
        causes.invalid("spec", Raw(go_json(_internal(spec))), text)


def _internal(spec: Obj) -> Obj:
    exempt = spec.get("exempt")
    shown = None
    if exempt is not None:
        shares = ("nominalConcurrencyShares", "lendablePercent")
        shown = {field[:1].upper() + field[1:]: exempt.get(field) for field in shares}
    return {"Type": spec.get("type", ""), "Limited": spec.get("limited"), "Exempt": shown}


def _share(causes: Causes, level: Obj, path: str) -> None:
    _not_negative(causes, level.get("nominalConcurrencyShares"), f"{path}.nominalConcurrencyShares")
    _percent(causes, level.get("lendablePercent"), f"{path}.lendablePercent")


def _not_negative(causes: Causes, value: int | None, path: str) -> None:
    if value is not None and value < 0:
        causes.invalid(path, value, "must be a non-negative integer")


def _percent(causes: Causes, value: int | None, path: str) -> None:
    if value is not None and not 0 <= value <= 100:
        causes.invalid(path, value, "must be between 0 and 100, inclusive")


def _limited(causes: Causes, limited: Obj, path: str) -> None:
    _not_negative(causes, limited.get("nominalConcurrencyShares"), f"{path}.nominalConcurrencyShares")
    _response(causes, limited.get("limitResponse") or {}, f"{path}.limitResponse")
    _percent(causes, limited.get("lendablePercent"), f"{path}.lendablePercent")
    borrowing = limited.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        causes.invalid(f"{path}.borrowingLimitPercent", borrowing, "if specified, must be a non-negative integer")


def _response(causes: Causes, response: Obj, path: str) -> None:
    kind, queuing = response.get("type", ""), response.get("queuing")
    if kind == "Reject":
        if queuing is not None:
            causes.forbidden(f"{path}.queuing", "must be nil if limited.limitResponse.type is not Limited")
    elif kind == "Queue":
        if queuing is None:
            causes.required(f"{path}.queuing", "must not be empty if limited.limitResponse.type is Limited")
        else:
            _queuing(causes, queuing, f"{path}.queuing")
    else:
        causes.unsupported(f"{path}.type", kind, _RESPONSES)


def _queuing(causes: Causes, queuing: Obj, path: str) -> None:
    limit, queues, hand = (queuing.get(field, 0) for field in ("queueLengthLimit", "queues", "handSize"))
    if limit <= 0:
        causes.invalid(f"{path}.queueLengthLimit", limit, "must be positive")
    if queues <= 0:
        causes.invalid(f"{path}.queues", queues, "must be positive")
    elif queues > _QUEUES_MAX:
        causes.invalid(f"{path}.queues", queues, f"must not be greater than {_QUEUES_MAX}")
    if hand <= 0:
        causes.invalid(f"{path}.handSize", hand, "must be positive")
    elif hand > queues:
        causes.invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})")
    elif _entropy(queues, hand) > _HASH_BITS:
        text = f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {_HASH_BITS}"
        causes.invalid(f"{path}.handSize", hand, text)


def _entropy(queues: int, hand: int) -> int:
    """How many bits of hash it takes to deal a hand of queues (shufflesharding.RequiredEntropyBits)."""
    return math.ceil(math.log2(queues) * hand)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _create(causes, new)


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    fairness.status(causes, new)


KIND = Kind(
    rules=Rules(create=_create, update=_update, status=_status),
    defaults=_defaults,
    counted=("spec",),
    status_takes_metadata=False,
)
