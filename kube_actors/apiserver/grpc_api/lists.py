"""Lists as messages of moderate size."""

from __future__ import annotations

from kube_actors.api import Obj, encoding
from kube_actors.api.resources import Resource
from kube_actors.apiserver import printing, versions
from kube_actors.apiserver.cache.entry import Entry
from kube_actors.apiserver.listing import Page
from kube_actors.rpc.pb import api_pb2 as pb

PAGE_ITEMS = 500
PAGE_BYTES = 2 << 20


def joined(resource: Resource, messages: list[pb.ListPage], as_table: bool) -> bytes:
    """The whole list as REST answers it; of Tables, the first."""
    if as_table:
        return messages[0].items[0]
    metadata = {"resourceVersion": messages[0].resource_version}
    head = {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": metadata, "items": []}
    items = b",".join(item for message in messages for item in message.items)
    return b"".join((encoding.dumps(head)[:-2], items, b"]}"))


def pages(resource: Resource, page: Page, table_at: float | None) -> list[pb.ListPage]:
    """The messages of a list; one at least, for its resourceVersion."""
    convert = versions.bytes_converter(resource if table_at is None else versions.stored(resource))
    revision = str(page.revision)
    messages = []
    for batch in _batches(page.entries):
        items = [entry.data if convert is None else convert(entry.data) for entry in batch]
        if table_at is not None:
            objects = map(encoding.loads, items)
            metadata = {"resourceVersion": revision}
            items = [encoding.dumps(printing.table(resource, objects, table_at, metadata))]
        messages.append(pb.ListPage(items=items, resource_version=revision))
    messages[-1].continue_token = page.continue_token
    messages[-1].remaining_item_count = page.remaining or 0
    return messages


def remote_page(found: Obj) -> pb.ListPage:
    """The list of a remote version, as one message."""
    metadata = found.get("metadata") or {}
    return pb.ListPage(
        items=[encoding.dumps(item) for item in found.get("items") or ()],
        resource_version=str(metadata.get("resourceVersion") or ""),
        continue_token=str(metadata.get("continue") or ""),
    )


def _batches(entries: list[Entry]) -> list[list[Entry]]:
    """Parts of a list that make messages of moderate size; one, maybe empty, at least."""
    batches: list[list[Entry]] = [[]]
    size = 0
    for entry in entries:
        if size > PAGE_BYTES or len(batches[-1]) >= PAGE_ITEMS:
            batches.append([])
            size = 0
        batches[-1].append(entry)
        size += len(entry.data)
    return batches
