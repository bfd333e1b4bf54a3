"""Watches over HTTP: lines of JSON or frames of protobuf, each made once for all watchers that want the same form."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from kube_actors.api import encoding
from kube_actors.api.protobuf import envelope
from kube_actors.api.resources import Resource
from kube_actors.apiserver import printing, versions
from kube_actors.apiserver.cache.watcher import EventType, WatchEvent
from kube_actors.apiserver.rest.negotiation import JSON, PROTOBUF, Form
from kube_actors.apiserver.watching import WatchSession

_PLAIN = (EventType.ERROR, EventType.BOOKMARK)
# One write of a stream; a larger batch is sent in parts.
WRITE_BYTES = 1 << 20


async def stream(response: web.StreamResponse, session: WatchSession, encode: Callable[[WatchEvent], bytes]) -> None:
    """Send the events until the watch ends. The client's going away cancels it."""
    events = session.events()
    try:
        async for batch in events:
            parts: list[bytes] = []
            size = 0
            for event in batch:
                line = encode(event)
                parts.append(line)
                size += len(line)
                if size > WRITE_BYTES:
                    await response.write(b"".join(parts))
                    parts, size = [], 0
            if parts:
                await response.write(b"".join(parts))
        await response.write_eof()
    finally:
        await events.aclose()  # type: ignore[attr-defined]


def encoder(resource: Resource, form: Form, include: str, now: Callable[[], float]) -> Callable[[WatchEvent], bytes]:
    """From an event to its line or frame, remembered with the event's bytes. Of Tables the first has the columns."""
    convert = _converter(resource, form.shape)
    if form.media_type == PROTOBUF:
        return _frames(resource, form.shape)
    headers = True

    def encode(event: WatchEvent) -> bytes:
        nonlocal headers
        kind = event.type.value.encode()

        def make(data: bytes) -> bytes:
            if event.type not in _PLAIN:
                if convert is not None:
                    data = convert(data)
                if form.shape == "Table":
                    data = printing.table_of_one(resource, now(), include, headers=headers)(data)
                elif form.shape:
                    data = printing.partial_bytes(data)
            return b'{"type":"%b","object":%b}\n' % (kind, data)

        if form.shape == "Table" and event.type is EventType.BOOKMARK:
            return make(printing.bookmark_table(event.frame.data))
        line = event.frame.form(("json", kind, resource.group, form.shape, include, headers), make)
        headers = headers and form.shape != "Table"
        return line

    return encode


def content_type(form: Form) -> str:
    """Of the stream: what is no JSON says that it is one of events."""
    return f"{PROTOBUF};stream=watch" if form.media_type == PROTOBUF else JSON


def _converter(resource: Resource, shape: str) -> Callable[[bytes], bytes] | None:
    """Objects in another shape are made of what is stored."""
    return versions.bytes_converter(versions.stored(resource) if shape else resource)


def _frames(resource: Resource, shape: str) -> Callable[[WatchEvent], bytes]:
    convert = _converter(resource, shape)

    def encode(event: WatchEvent) -> bytes:
        def make(data: bytes) -> bytes:
            if convert is not None and event.type not in _PLAIN:
                data = convert(data)
            obj = encoding.loads(data)
            if shape and event.type is not EventType.ERROR:
                obj = printing.partial(obj)
            return envelope.watch_frame(event.type.value, envelope.encode(obj))

        return event.frame.form(("protobuf", event.type, resource.group, shape), make)

    return encode
