"""Completion indexes: of a pod, and sets of them as the status writes them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Set

from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of

INDEX = "batch.kubernetes.io/job-completion-index"


def index_of(pod: Obj) -> int | None:
    """The pod's completion index; None where the annotation is missing or no index."""
    text = annotations_of(pod).get(INDEX, "")
    return int(text) if text.isascii() and text.isdigit() else None


def parse(text: str | None, completions: int) -> frozenset[int]:
    """`0,2,5-9` as a set, of indexes below `completions` alone; what is no interval is passed over."""
    found: set[int] = set()
    for part in (text or "").split(","):
        first, dash, last = part.partition("-")
        if first.isdigit() and (not dash or last.isdigit()):
            found.update(range(int(first), min(int(last) if dash else int(first), completions - 1) + 1))
    return frozenset(found)


def to_text(indexes: Iterable[int]) -> str:
    """The shortest text of a set; two neighbours are two numbers, three are an interval."""
    parts: list[str] = []
    ordered = sorted(indexes)
    start = 0
    for position, index in enumerate(ordered):
        if position + 1 < len(ordered) and ordered[position + 1] == index + 1:
            continue
        first = ordered[start]
        parts += [str(first)] if first == index else [f"{first},{index}" if index == first + 1 else f"{first}-{index}"]
        start = position + 1
    return ",".join(parts)


def first_free(taken: Set[int], count: int, completions: int) -> list[int]:
    """The lowest `count` indexes below `completions` that are not taken."""
    free: list[int] = []
    for index in range(completions):
        if len(free) >= count:
            break
        if index not in taken:
            free.append(index)
    return free
