"""One object in the cache, and one change of it, as bytes that are encoded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kube_actors.api import Obj, encoding

Fields = Mapping[str, str]
FieldReader = Callable[[Obj], dict[str, str]]

_SLOT = b'"metadata":{"resourceVersion":"'


class Frame:
    """The bytes of an object in one state, and their forms for the wire, each made once for all readers."""

    __slots__ = ("_forms", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._forms: dict[object, bytes] | None = None

    def form(self, key: object, make: Callable[[bytes], bytes]) -> bytes:
        """What `make` gives for these bytes; remembered under `key`."""
        if self._forms is None:
            self._forms = {}
        made = self._forms.get(key)
        if made is None:
            made = self._forms[key] = make(self.data)
        return made


class Entry:
    """An object as of `revision`. `key` is `namespace/name`, or the name of a cluster-scoped object."""

    __slots__ = ("_converted", "_fields", "_labels", "data", "key", "lease", "revision")

    def __init__(self, key: str, revision: int, data: bytes, lease: int = 0) -> None:
        self.key = key
        self.revision = revision
        self.lease = lease
        self.data = data
        self._labels: Mapping[str, str] | None = None
        self._fields: Fields | None = None
        self._converted: tuple[object, bytes] | None = None

    @classmethod
    def of_stored(cls, key: str, revision: int, stored: bytes, lease: int = 0) -> Entry:
        return cls(key, revision, encoding.with_resource_version(stored, revision), lease)

    def decode(self) -> Obj:
        """A new object, which the caller may change."""
        obj: Obj = encoding.loads(self.data)
        return obj

    def converted(self, version: object, convert: Callable[[bytes], bytes]) -> bytes:
        """The bytes in another version, or with its defaults; those of the version asked for last are kept."""
        if self._converted is None or self._converted[0] is not version:
            data = convert(self.data)
            # Most often nothing is to be done, and then nothing is kept twice.
            self._converted = (version, self.data if data == self.data else data)
        return self._converted[1]

    def index(self, obj: Obj, read_fields: FieldReader) -> None:
        """Fill in labels and fields from the decoded object, where it is at hand anyway."""
        self._labels = obj["metadata"].get("labels") or {}
        self._fields = read_fields(obj)

    def forget_index(self) -> None:
        self._labels = self._fields = None

    def labels(self, read_fields: FieldReader) -> Mapping[str, str]:
        if self._labels is None:
            self.index(self.decode(), read_fields)
        return self._labels or {}

    def fields(self, read_fields: FieldReader) -> Fields:
        if self._fields is None:
            self.index(self.decode(), read_fields)
        return self._fields or {}


class Change:
    """What happened to a key at `revision`: `new` is None for a deletion, `old` for a creation."""

    __slots__ = ("_gone", "_put", "new", "old", "revision")

    def __init__(self, revision: int, new: Entry | None, old: Entry | None) -> None:
        self.revision = revision
        self.new = new
        self.old = old
        self._put: Frame | None = None
        self._gone: Frame | None = None

    @property
    def key(self) -> str:
        entry = self.new or self.old
        return entry.key if entry is not None else ""

    def put(self) -> Frame:
        """The object as it is after the change."""
        if self._put is None:
            assert self.new is not None
            self._put = Frame(self.new.data)
        return self._put

    def gone(self) -> Frame:
        """The object as it was, with the resourceVersion of the change: what DELETED shows."""
        if self._gone is None:
            assert self.old is not None
            self._gone = Frame(_respliced(self.old, self.revision))
        return self._gone


def _respliced(entry: Entry, revision: int) -> bytes:
    old = b'%b%d"' % (_SLOT, entry.revision)
    return entry.data.replace(old, b'%b%d"' % (_SLOT, revision), 1)
