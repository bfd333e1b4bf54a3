"""Whether a status has to be written."""

from __future__ import annotations

from kube_actors.api import Obj


def same_status(old: Obj, new: Obj) -> bool:
    """Equal but for zeros and what is empty, which the server leaves out."""
    return _significant(old) == _significant(new)


def _significant(status: Obj) -> Obj:
    return {key: value for key, value in status.items() if value not in (0, [], {}, "", None)}
