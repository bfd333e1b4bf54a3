"""Which of several classes is the default one: of StorageClasses and of IngressClasses."""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of


def is_default(one: Obj, *annotations: str) -> bool:
    """Whether an annotation calls the class the default."""
    return any(annotations_of(one).get(key) == "true" for key in annotations)


def default_class(classes: Iterable[Obj], *annotations: str) -> str:
    """The name of the newest class that an annotation calls the default, of the first by name among as new ones.

    Empty where there is none.
    """
    marked = [one for one in classes if is_default(one, *annotations)]
    marked.sort(key=lambda one: str(one["metadata"]["name"]))
    # Times are RFC 3339 of one precision in UTC: they sort as texts. max keeps the first of equals.
    newest = max(marked, key=lambda one: str(one["metadata"].get("creationTimestamp") or ""), default=None)
    return "" if newest is None else str(newest["metadata"]["name"])
