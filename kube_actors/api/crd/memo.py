"""Objects that a conversion webhook has converted, by what it was asked: the newest few thousand."""

from __future__ import annotations

from collections import OrderedDict

from kube_actors.api import Obj, encoding

KEPT = 4096


class Memo:
    """From (version, bytes of the source) to the converted object."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, bytes], bytes] = OrderedDict()

    def has(self, version: str, source: bytes) -> bool:
        return (version, source) in self._found

    def get(self, version: str, source: bytes) -> Obj | None:
        """A new object, which the caller may change."""
        found = self._found.get((version, source))
        return None if found is None else encoding.loads(found)

    def put(self, version: str, source: bytes, converted: Obj) -> None:
        self._found[version, source] = encoding.dumps(converted)

    def make_room(self, count: int) -> None:
        """Before `count` are put: they are needed together, whatever is forgotten for them."""
        while self._found and len(self._found) + count > KEPT:
            self._found.popitem(last=False)
