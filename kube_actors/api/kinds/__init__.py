"""What makes one built-in kind different from all others: one file a kind, with everything in it as one `KIND`.

`of(resource)` imports the file when the first object of the kind arrives, by the name of the kind: `CSIDriver` is
`csi_driver.py`. A kind without a file has the rules that hold for every kind. Adding a kind is one file here, and
one row in `resources.TABLE`. All of it is pure: what needs the store or the requesting user is the API server's.

What several kinds share lies in `defaults` and `validation`; `strategy` and `validation.engine` say when which of a
kind's functions runs.
"""

from __future__ import annotations

import importlib
import re
from functools import cache

from kube_actors.api.kinds.kind import Kind
from kube_actors.api.resources import Resource

_DEFAULT = Kind()
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def of(resource: Resource) -> Kind:
    """The rules of a resource's kind; those of every kind for a custom one, or one without a file here."""
    return _DEFAULT if resource.custom else _load(resource.kind)


@cache
def _load(kind: str) -> Kind:
    name = f"{__name__}.{_WORDS.sub('_', kind).lower()}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return _DEFAULT
    found: Kind = module.KIND
    return found
