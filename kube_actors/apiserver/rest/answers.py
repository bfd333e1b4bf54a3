"""Bodies of answers. A list is a join of the bytes that the cache holds; nothing is parsed for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import yaml

from kube_actors.api import Obj, encoding
from kube_actors.api.protobuf import encoder, envelope
from kube_actors.api.resources import Resource
from kube_actors.apiserver import printing, versions
from kube_actors.apiserver.listing import Page
from kube_actors.apiserver.rest.negotiation import PROTOBUF, YAML, Form

OBJECTS_A_TURN = 20


def list_body(resource: Resource, page: Page, form: Form, now: float, include: str) -> bytes:
    """A list in the form that was asked for."""
    metadata = _list_metadata(page)
    kept = _decoded(versions.stored(resource), page)
    if form.shape == "Table":
        return encoding.dumps(printing.table(resource, kept, now, metadata, include=include))
    if form.shape:
        # An empty list of metadata is Go's nil slice.
        items = [printing.partial(obj) for obj in kept] or None
        kind = "PartialObjectMetadataList"
        return encoding.dumps({"kind": kind, "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items})
    return _joined(resource, page, metadata)


def _joined(resource: Resource, page: Page, metadata: Obj) -> bytes:
    if resource.custom:
        metadata = {"continue": "", **metadata}  # unstructured lists say it always
    head = {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": metadata, "items": []}
    opening = encoding.dumps(head)[:-2]
    return b"".join((opening, items_body(resource, page), b"]}"))


def items_body(resource: Resource, page: Page) -> bytes:
    """The objects, comma-separated; those of built-in kinds without kind and apiVersion, as Go's typed lists."""
    convert = versions.bytes_converter(resource)
    if convert is not None and resource.custom:
        return b",".join([entry.converted(resource.definition, convert) for entry in page.entries])
    if convert is not None:
        return b",".join(_without_type(convert(entry.data)) for entry in page.entries)
    if resource.custom:
        return b",".join([entry.data for entry in page.entries])
    head = len(b'{"kind":"%b","apiVersion":"%b",' % (resource.kind.encode(), resource.api_version.encode()))
    if not page.entries:
        return b""
    # Every object was encoded with kind and apiVersion first; what is cut off is "{" and both.
    return b"{" + b",{".join([entry.data[head:] for entry in page.entries])


def _without_type(data: bytes) -> bytes:
    obj = encoding.loads(data)
    return encoding.dumps({key: value for key, value in obj.items() if key not in ("kind", "apiVersion")})


def object_body(resource: Resource, data: bytes, form: Form, now: float, include: str) -> bytes:
    """One object in the form that was asked for."""
    if form.shape == "Table":
        return printing.table_of_one(resource, now, include)(data)
    if form.shape:
        return printing.partial_bytes(data)
    return data


def rendered(data: bytes, form: Form) -> bytes:
    """JSON bytes in the media type of the form."""
    if form.media_type == YAML:
        return to_yaml(encoding.loads(data))
    if form.media_type == PROTOBUF:
        return envelope.encode(encoding.loads(data))
    return data


async def protobuf_list(resource: Resource, page: Page) -> bytes:
    """A list of objects in protobuf. Objects are encoded for this answer alone, so others get their turn between."""
    message = envelope.message(resource.api_version, resource.kind)
    parts = [encoder.sized(1, encoder.encode("meta.v1.ListMeta", _list_metadata(page)))]
    for number, obj in enumerate(_decoded(resource, page)):
        parts.append(encoder.sized(2, encoder.encode(message, obj)))
        if number % OBJECTS_A_TURN == OBJECTS_A_TURN - 1:
            await asyncio.sleep(0)
    return envelope.wrapped(resource.api_version, f"{resource.kind}List", b"".join(parts))


def to_yaml(value: Any) -> bytes:
    return yaml.dump(value, Dumper=_DUMPER, default_flow_style=False, sort_keys=True, allow_unicode=True).encode()


_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def _list_metadata(page: Page) -> Obj:
    metadata: Obj = {"resourceVersion": str(page.revision)} if page.revision else {}
    if page.continue_token:
        metadata["continue"] = page.continue_token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    return metadata


def _decoded(resource: Resource, page: Page) -> Iterable[Obj]:
    return (versions.from_stored(resource, entry.decode()) for entry in page.entries)
