"""ServiceCIDR: a range from which Services get their addresses, one for each IP family at most."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.gotext import go_json
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import references
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.rules import Rules

_PATH = "spec.cidrs"


def _create(causes: Causes, obj: Obj) -> None:
    ranges = obj["spec"].get("cidrs") or []
    if not ranges:
        causes.required(_PATH, "at least one CIDR required")
    elif len(ranges) > 2:
        causes.invalid(_PATH, Raw(go_json({"CIDRs": ranges})), "may only hold up to 2 values")
    elif len(ranges) == 2 and not _dual_stack(ranges):
        text = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        causes.invalid(_PATH, ranges, text)
    else:
        for index, one in enumerate(ranges):
            causes.each_invalid(f"{_PATH}[{index}]", one, references.strict_cidr(one))


def _dual_stack(ranges: list[str]) -> bool:
    return {network.version for network in map(references.parse_cidr, ranges) if network} == {4, 6}


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    """A range never changes; a second one of the other family may be added."""
    after, before = (one["spec"].get("cidrs") or [] for one in (new, old))
    if len(after) == len(before):
        for index, (one, other) in enumerate(zip(after, before, strict=True)):
            causes.immutable(f"{_PATH}[{index}]", one, other)
    elif len(before) == 1 and len(after) == 2:
        if after[0] != before[0]:
            causes.invalid(f"{_PATH}[0]", after[0], "primary CIDR can not be changed")
        _create(causes, new)
    else:
        causes.invalid(_PATH, after, "field is immutable")


KIND = Kind(
    rules=Rules(create=_create, update=_update),
    status_takes_metadata=False,
)
