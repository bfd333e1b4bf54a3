"""Lists: which state to read, pages, and what a page says of the rest.

Kubernetes: k8s.io/apiserver/pkg/storage (continue.go, cacher/delegator.go) and meta/internalversion/validation.
A page of an older revision than the cache's is read from the store, unless the resource has not changed since.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from kube_actors.api import decode, encoding, errors
from kube_actors.api.errors import Cause
from kube_actors.api.resources import Resource
from kube_actors.api.selectors import LabelSelector
from kube_actors.apiserver import fields, versions
from kube_actors.apiserver.cache.bucket import Bucket
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.cache.entry import Entry
from kube_actors.apiserver.cache.selection import NAME, NAMESPACE, Selection
from kube_actors.apiserver.request import ListOptions, Target
from kube_actors.apiserver.storage import Storage
from kube_actors.store.errors import Compacted, FutureRevision

TOKEN_VERSION = "meta.k8s.io/v1"
# Of a 64-bit number, less one: what is longer is from no store.
MAX_DIGITS = 18
# A page of an old revision is filtered in steps of this many keys of the store.
STORE_PAGE = 1000
EXPIRED = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list."  # noqa: E501


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of the stored version, in key order. `remaining` is None where it is not known."""

    entries: list[Entry]
    revision: int
    continue_token: str = ""
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """A continue token: the revision of the list (-1: any) and the first key of the next page."""

    revision: int
    start: str


async def list_page(cache: Cache, storage: Storage, target: Target, options: ListOptions) -> Page:
    """One page. Raises Kubernetes' errors for options that do not go together."""
    check(options)
    selection = select(cache, target, options)
    bucket = cache.bucket(versions.stored(target.resource))
    if options.continue_token:
        return await _continued(cache, storage, bucket, target, selection, options)
    try:
        wanted = parse_version(options.resource_version)
    except errors.BadRequest as error:
        raise errors.BadRequest(f"invalid resource version: {error.message}") from None
    if options.resource_version_match == "Exact" or (wanted and not options.resource_version_match and options.limit):
        return await _at(cache, storage, bucket, target, selection, options.limit, Position(wanted, ""))
    if not options.resource_version:
        await cache.fresh()
    elif wanted:
        await cache.reach(wanted)
    return _from_cache(bucket, selection, options.limit, Position(cache.revision, ""))


def select(cache: Cache, target: Target, options: ListOptions) -> Selection:
    """The selection of a list or watch; a name in the path is a selector on it."""
    try:
        labels = LabelSelector.parse(options.labels) if options.labels else None
    except ValueError as error:
        raise errors.BadRequest(str(error)) from None
    wanted = fields.parse(target.resource, options.fields)
    if target.name:
        exact = fields.parse(target.resource, f"{NAME}={target.name}")
        wanted = exact if wanted is None or exact is None else type(wanted)((*exact.requirements, *wanted.requirements))
    namespace = target.namespace
    if not namespace and target.resource.namespaced and wanted is not None:
        namespace = wanted.exact(NAMESPACE) or ""
    read = cache.bucket(versions.stored(target.resource)).read_fields
    return Selection(read, namespace, None if labels is not None and labels.is_everything else labels, wanted)


def check(options: ListOptions) -> None:
    """Kubernetes: ValidateListOptions."""
    match, version = options.resource_version_match, options.resource_version
    causes = []

    def forbid(field: str, text: str) -> None:
        causes.append(Cause("FieldValueForbidden", f"Forbidden: {text}", field))

    if match:
        name = "resourceVersionMatch"
        if not version and not options.send_initial_events:
            forbid(name, "resourceVersionMatch is forbidden unless resourceVersion is provided")
        if options.continue_token:
            forbid(name, "resourceVersionMatch is forbidden when continue is provided")
        if match not in ("Exact", "NotOlderThan"):
            text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
            causes.append(Cause("FieldValueNotSupported", text, name))
        if match == "Exact" and version == "0":
            forbid(name, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if causes:
        raise errors.invalid("ListOptions", "meta.k8s.io", "", causes)


def parse_version(text: str) -> int:
    """A resourceVersion of a list; 0 for none."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise errors.BadRequest(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    if len(text) > MAX_DIGITS:
        raise errors.BadRequest(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": value out of range'
        )
    return int(text)


def encode_token(position: Position) -> str:
    body = encoding.dumps({"v": TOKEN_VERSION, "rv": position.revision, "start": position.start})
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def decode_token(text: str) -> Position:
    """Raises BadRequest."""
    try:
        body = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        good = len(text) - len(text) % 4
        raise _bad_token(f"illegal base64 data at input byte {good}") from None
    try:
        token = decode.parse(body)
    except decode.DecodeError as error:
        raise _bad_token(str(error)) from None
    version = token.get("v") if isinstance(token, dict) else None
    if version != TOKEN_VERSION:
        raise _bad_token(f"server does not recognize this encoded version {version}")
    start, revision = token.get("start"), token.get("rv")
    if not start or not isinstance(start, str) or not isinstance(revision, int) or revision == 0:
        raise _bad_token("encoded start key or resourceVersion is invalid")
    return Position(revision, start)


def _bad_token(reason: str) -> errors.BadRequest:
    return errors.BadRequest(f"invalid continue token: continue key is not valid: {reason}")


async def _continued(
    cache: Cache, storage: Storage, bucket: Bucket, target: Target, selection: Selection, options: ListOptions
) -> Page:
    if options.resource_version and options.resource_version != "0":
        raise errors.BadRequest("specifying resource version is not allowed when using continue")
    position = decode_token(options.continue_token)
    if position.revision < 0:
        await cache.fresh()
        position = Position(cache.revision, position.start)
    try:
        return await _at(cache, storage, bucket, target, selection, options.limit, position)
    except errors.Expired:
        again = encode_token(Position(-1, position.start))
        raise expired_continue(again) from None


def expired_continue(token: str) -> errors.Expired:
    """410 with a token by which the client may go on, inconsistently."""
    error = errors.Expired(EXPIRED)
    status = error.status()
    return errors.Expired(EXPIRED, status={**status, "metadata": {"continue": token}})


async def _at(
    cache: Cache, storage: Storage, bucket: Bucket, target: Target, selection: Selection, limit: int, position: Position
) -> Page:
    """A page as of exactly one revision."""
    await cache.reach(position.revision)
    if bucket.changed <= position.revision and bucket.window.low <= position.revision:
        return _from_cache(bucket, selection, limit, position)
    try:
        return await _from_store(storage, versions.stored(target.resource), selection, limit, position)
    except Compacted:
        text = f"The resourceVersion for the provided list is too old: {position.revision}"
        raise errors.Expired(text) from None
    except FutureRevision:
        raise errors.Timeout("Timeout: Too large resource version", retry_after=1) from None


def _from_cache(bucket: Bucket, selection: Selection, limit: int, position: Position) -> Page:
    low, high = bucket.keys(selection.namespace, position.start)
    if selection.unfiltered:
        end = min(high, low + limit) if limit > 0 else high
        entries = bucket.entries(low, end)
        if end == high:
            return Page(entries, position.revision)
        token = encode_token(Position(position.revision, _after(entries[-1])))
        return Page(entries, position.revision, token, high - end)
    found: list[Entry] = []
    for entry in candidates(bucket, selection, low, high):
        if not selection.matches(entry):
            continue
        if 0 < limit <= len(found):
            return Page(found, position.revision, encode_token(Position(position.revision, _after(found[-1]))))
        found.append(entry)
    return Page(found, position.revision)


def candidates(bucket: Bucket, selection: Selection, low: int, high: int) -> list[Entry]:
    """What may match: one entry for a name, else all of the range."""
    name = selection.fields.exact(NAME) if selection.fields is not None else None
    if name is None:
        return bucket.entries(low, high)
    entry = bucket.get(f"{selection.namespace}/{name}" if selection.namespace else name)
    if entry is None and not selection.namespace:
        return bucket.entries(low, high)
    first, end = bucket.keys(selection.namespace, entry.key) if entry is not None else (high, high)
    return [entry] if entry is not None and low <= first < min(end, high) else []


async def _from_store(
    storage: Storage, resource: Resource, selection: Selection, limit: int, position: Position
) -> Page:
    prefix = resource.store_prefix.encode()
    below = prefix + f"{selection.namespace}/".encode() if selection.namespace else prefix
    start = prefix + position.start.encode() if position.start else None
    found: list[Entry] = []
    while True:
        want = limit if limit and selection.unfiltered else STORE_PAGE
        result = await storage.range(below, start=start, limit=want, revision=position.revision)
        for index, kv in enumerate(result.kvs):
            entry = Entry.of_stored(kv.key[len(prefix) :].decode(), kv.mod_revision, kv.value)
            if not selection.unfiltered and not selection.matches(entry):
                continue
            if 0 < limit <= len(found):
                token = encode_token(Position(position.revision, _after(found[-1])))
                return Page(found, position.revision, token)
            found.append(entry)
            if len(found) == limit and selection.unfiltered and (result.more or index + 1 < len(result.kvs)):
                token = encode_token(Position(position.revision, _after(entry)))
                return Page(found, position.revision, token, result.count - index - 1)
        if not result.more:
            return Page(found, position.revision)
        start = result.kvs[-1].key + b"\0"


def _after(entry: Entry) -> str:
    return entry.key + "\0"
