"""What makes one built-in kind different from all others: one file a kind, with everything in it as one `KIND`.

`of(resource)` imports the file when the first object of the kind arrives, by the name of the kind: `CSIDriver` is
`csi_driver.py`. A kind without a file has the rules that hold for every kind. Adding a kind is one file here, and
one row in `resources.TABLE`. All of it is pure: what needs the store or the requesting user is the API server's.

Kinds of the core, apps and batch groups still have their rules by group, in `defaults`, `validation` and
`strategy`; those look here first.
"""

from __future__ import annotations

import importlib
import re
from functools import cache

from kube_actors.api.kinds.kind import Kind
from kube_actors.api.resources import Resource

_DEFAULT = Kind()
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def find(resource: Resource) -> Kind | None:
    """The rules of a built-in resource's kind; None where it has no file here."""
    return None if resource.custom else _load(resource.kind)


def of(resource: Resource) -> Kind:
    """The rules of a resource's kind; those of every kind where it has none of its own."""
    return find(resource) or _DEFAULT


@cache
def _load(kind: str) -> Kind | None:
    name = f"{__name__}.{_WORDS.sub('_', kind).lower()}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None
    found: Kind = module.KIND
    return found
