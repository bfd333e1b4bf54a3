"""What the validation of a kind consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.metadata import NameCheck

Check = Callable[[Causes, Obj], None]
Change = Callable[[Causes, Obj, Obj], None]


@dataclass(frozen=True, slots=True)
class Rules:
    """The checks of one kind; metadata is checked for every kind, with `name` for its name."""

    # Everything of a new object but its metadata.
    create: Check | None = None
    # A changed object, all of it but its metadata; `create` where the kind has no rules of its own for changes.
    update: Change | None = None
    # A change through the status subresource.
    status: Change | None = None
    name: NameCheck = names.dns_subdomain
    # Some kinds leave their names to the check of path segments, which comes after all others.
    checks_metadata: bool = True
