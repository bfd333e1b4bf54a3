"""CEL expressions in objects: whether they compile, and give what is wanted of them.

What asks the authorizer is not checked before it runs: its functions have no types here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kube_actors.api import cel
from kube_actors.api.validation.causes import Causes

Variables = Mapping[str, cel.Type]

_AUTHORIZER = re.compile(r"\bauthorizer\b")
_ANY_TYPE = "dyn"
_KIND = cel.object_of({"group": cel.STRING, "version": cel.STRING, "kind": cel.STRING})
_RESOURCE = cel.object_of({"group": cel.STRING, "version": cel.STRING, "resource": cel.STRING})
_USER = cel.object_of(
    {
        "username": cel.STRING,
        "uid": cel.STRING,
        "groups": cel.list_of(cel.STRING),
        "extra": cel.map_of(cel.list_of(cel.STRING)),
    }
)
_REQUEST = cel.object_of(
    {
        "kind": _KIND,
        "resource": _RESOURCE,
        "subResource": cel.STRING,
        "requestKind": _KIND,
        "requestResource": _RESOURCE,
        "requestSubResource": cel.STRING,
        "name": cel.STRING,
        "namespace": cel.STRING,
        "operation": cel.STRING,
        "userInfo": _USER,
        "dryRun": cel.BOOL,
        "options": cel.DYN,
    }
)
_ADMISSION = {"object": cel.DYN, "oldObject": cel.DYN, "request": _REQUEST, "namespaceObject": cel.DYN}
_OF_DRIVERS = cel.map_of(cel.map_of(cel.DYN))
DEVICE: Variables = {
    "device": cel.object_of(
        {
            "driver": cel.STRING,
            "attributes": _OF_DRIVERS,
            "capacity": _OF_DRIVERS,
            "allowMultipleAllocations": cel.BOOL,
        }
    )
}


def admission(*, params: bool, variables: Iterable[str] = ()) -> Variables:
    """What expressions of webhooks and policies may speak of."""
    found = {**_ADMISSION, "params": cel.DYN} if params else dict(_ADMISSION)
    names = dict.fromkeys(variables, cel.DYN)
    return {**found, "variables": cel.object_of(names)} if names else found


def expression(
    causes: Causes, text: str, path: str, variables: Variables, types: tuple[str, ...], *, constructs: bool = False
) -> None:
    """It compiles, and gives one of `types`; none for any type."""
    found = compiled_type(causes, text, path, variables, constructs=constructs)
    if found is None or not types or found in types:
        return
    wanted = types[0] if len(types) == 1 else f"one of [{' '.join(types)}]"
    causes.invalid(path, text, f"must evaluate to {wanted} but got {found}")


def device(causes: Causes, text: str, path: str) -> None:
    """An expression that says whether a device will do."""
    found = compiled_type(causes, text, path, DEVICE)
    if found not in (None, "bool", _ANY_TYPE):
        causes.invalid(path, text, f"must evaluate to bool or the unknown type, not {found}")


def compiled_type(
    causes: Causes, text: str, path: str, variables: Variables, *, constructs: bool = False
) -> str | None:
    """The type of what an expression gives; None for one that does not compile, or is not checked."""
    if _AUTHORIZER.search(text):
        return None
    try:
        return cel.compile(text, variables, constructs=constructs).type
    except cel.CompileError as error:
        causes.invalid(path, text, str(error))
        return None
