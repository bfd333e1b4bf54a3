"""The spec of a ResourceClaim, which a template holds, too."""

from __future__ import annotations

from functools import partial

from kube_actors.api import Obj
from kube_actors.api.validation import devices, names
from kube_actors.api.validation.causes import Causes

REQUESTS_MAX = 32
_ALTERNATIVES_MAX, _CONSTRAINTS_MAX = 8, 32
_MODES = ("All", "ExactCount")
_REFERENCE_TEXT = (
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
)

# The names of a claim's requests, each with the names of its alternatives.
RequestNames = dict[str, set[str]]


def defaults(spec: Obj) -> None:
    """One device for each request, tolerations of equal values."""
    for request in (spec.get("devices") or {}).get("requests") or ():
        for one in (*((request["exactly"],) if "exactly" in request else ()), *(request.get("firstAvailable") or ())):
            one.setdefault("allocationMode", "ExactCount")
            if one["allocationMode"] == "ExactCount" and not one.get("count"):
                one["count"] = 1
            for toleration in one.get("tolerations") or ():
                toleration.setdefault("operator", "Equal")


def request_names(spec: Obj) -> RequestNames:
    requests = (spec.get("devices") or {}).get("requests") or ()
    return {
        one.get("name", ""): {alternative.get("name", "") for alternative in one.get("firstAvailable") or ()}
        for one in requests
    }


def claim_spec(causes: Causes, spec: Obj, path: str) -> None:
    """What devices are wanted, what they must have in common, how they are set up."""
    claim, known = spec.get("devices") or {}, request_names(spec)
    requests = claim.get("requests") or []
    devices.unique(
        causes, requests, REQUESTS_MAX, _request, lambda one: one.get("name", ""), f"{path}.devices.requests"
    )
    constraint, config = partial(_constraint, known=known), partial(claim_config, known=known)
    devices.each(causes, claim.get("constraints") or [], _CONSTRAINTS_MAX, constraint, f"{path}.devices.constraints")
    devices.each(causes, claim.get("config") or [], devices.CONFIGS_MAX, config, f"{path}.devices.config")


def _request(causes: Causes, request: Obj, path: str) -> None:
    devices.label(causes, request.get("name", ""), f"{path}.name")
    alternatives, text = request.get("firstAvailable"), "exactly one of `exactly` or `firstAvailable` is required"
    if alternatives and "exactly" in request:
        causes.invalid(path, None, f"{text}, but multiple fields are set")
    elif alternatives:
        where = f"{path}.firstAvailable"
        devices.unique(causes, alternatives, _ALTERNATIVES_MAX, _alternative, lambda one: one.get("name", ""), where)
    elif "exactly" in request:
        _exactly(causes, request["exactly"], f"{path}.exactly")
    else:
        causes.required(path, text)


def _alternative(causes: Causes, one: Obj, path: str) -> None:
    devices.label(causes, one.get("name", ""), f"{path}.name")
    _exactly(causes, one, path)


def _exactly(causes: Causes, one: Obj, path: str) -> None:
    name = one.get("deviceClassName", "")
    if not name:
        causes.required(f"{path}.deviceClassName")
    else:
        causes.each_invalid(f"{path}.deviceClassName", name, names.dns_subdomain(name))
    devices.each(causes, one.get("selectors") or [], devices.SELECTORS_MAX, devices.selector, f"{path}.selectors")
    mode, count = one.get("allocationMode", ""), one.get("count", 0)
    if mode == "All":
        if count:
            causes.invalid(f"{path}.count", count, "must not be specified when allocationMode is 'All'")
    elif mode == "ExactCount":
        if count <= 0:
            causes.invalid(f"{path}.count", count, "must be greater than zero")
    else:
        causes.unsupported(f"{path}.allocationMode", mode, _MODES)
    devices.each(causes, one.get("tolerations") or [], -1, devices.toleration, f"{path}.tolerations")


def _constraint(causes: Causes, one: Obj, path: str, known: RequestNames) -> None:
    _references(causes, one.get("requests") or [], f"{path}.requests", known)
    if "matchAttribute" in one:
        devices.fully_qualified(causes, one["matchAttribute"], f"{path}.matchAttribute")
    elif "distinctAttribute" in one:
        devices.fully_qualified(causes, one["distinctAttribute"], f"{path}.distinctAttribute")
    else:
        text = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
        causes.required(path, text)


def claim_config(causes: Causes, one: Obj, path: str, known: RequestNames) -> None:
    """Configuration for some of the requests, or all."""
    _references(causes, one.get("requests") or [], f"{path}.requests", known)
    devices.configuration(causes, one, path)


def _references(causes: Causes, items: list[str], path: str, known: RequestNames) -> None:
    devices.unique(causes, items, REQUESTS_MAX, partial(request_reference, known=known), str, path)


def request_reference(causes: Causes, name: str, path: str, known: RequestNames) -> None:
    """`request` or `request/alternative`."""
    parts = name.split("/")
    if len(parts) <= 2:
        for part in parts:
            devices.label(causes, part, path)
    found = len(parts) <= 2 and parts[0] in known and (len(parts) == 1 or parts[1] in known[parts[0]])
    if not found:
        causes.invalid(path, name, _REFERENCE_TEXT)
