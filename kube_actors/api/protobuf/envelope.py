"""Whole bodies: "k8s\\0" and a runtime.Unknown {typeMeta{apiVersion, kind}, raw, contentEncoding, contentType}.

Kubernetes: k8s.io/apimachinery/pkg/runtime/serializer/protobuf. A frame of a watch is a WatchEvent {type, object{raw}}
behind four bytes of its length, without that prefix; the object in it is a whole body.
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.protobuf import decoder, encoder, table
from kube_actors.api.protobuf.encoder import sized
from kube_actors.api.protobuf.wire import WireError, grouped

MAGIC = b"k8s\x00"
# What kube-apiserver calls its set of kinds in messages.
_SCHEME = "pkg/api/legacyscheme/scheme.go:30"


class DecodeError(ValueError):
    """A body that is no object. `kind` and `api_version` are empty where they could not be read."""

    def __init__(self, text: str, api_version: str = "", kind: str = "") -> None:
        super().__init__(text)
        self.api_version, self.kind = api_version, kind


def known(api_version: str, kind: str) -> bool:
    """Whether objects of this kind have a protobuf form: built-in ones and lists of them."""
    return table.message_of(api_version, kind) is not None


def decode(body: bytes, api_version: str = "", kind: str = "") -> Obj:
    """The object of a body; `api_version` and `kind` count where it does not say its own. Raises DecodeError."""
    if not body:
        raise DecodeError("empty data")
    if not body.startswith(MAGIC):
        shown = " ".join(map(str, MAGIC))
        raise DecodeError(f"provided data does not appear to be a protobuf message, expected prefix [{shown}]")
    try:
        fields = grouped(body[len(MAGIC) :])
        types = grouped(_bytes(fields, 1))
        kind = _bytes(types, 2).decode(errors="replace") or kind
        api_version = _bytes(types, 1).decode(errors="replace") or api_version
        raw = _bytes(fields, 2)
    except WireError as error:
        raise DecodeError(str(error)) from None
    name = table.message_of(api_version, kind)
    if name is None:
        text = (
            f'no kind "{kind}" is registered for version "{api_version}" in scheme "pkg/api/legacyscheme/scheme.go:30"'
        )
        raise DecodeError(text, api_version, kind)
    try:
        return {"kind": kind, "apiVersion": api_version, **decoder.decode(name, raw)}
    except ValueError as error:
        raise DecodeError(str(error), api_version, kind) from None


def encode(obj: Obj) -> bytes:
    """The body of an object with kind and apiVersion. Raises ValueError where it has no protobuf form."""
    api_version, kind = obj["apiVersion"], obj["kind"]
    return wrapped(api_version, kind, encoder.encode(message(api_version, kind), obj))


def message(api_version: str, kind: str) -> str:
    """The name of a kind's message. Raises ValueError where it has none."""
    name = table.message_of(api_version, kind)
    if name is None:
        raise ValueError(f"{api_version} {kind} has no protobuf form")
    return name


def wrapped(api_version: str, kind: str, raw: bytes) -> bytes:
    """The body around a message's bytes."""
    types = sized(1, api_version.encode()) + sized(2, kind.encode())
    return b"%b%b%b\x1a\x00\x22\x00" % (MAGIC, sized(1, types), sized(2, raw))


def watch_frame(event: str, body: bytes) -> bytes:
    """One event of a watch, whose object is `body`."""
    data = sized(1, event.encode()) + sized(2, sized(1, body))
    return len(data).to_bytes(4, "big") + data


def _bytes(fields: dict[int, list[int | bytes]], number: int) -> bytes:
    value = fields.get(number, [b""])[-1]
    if isinstance(value, int):
        raise WireError(f"proto: wrong wireType = 0 for field {number}")
    return value
