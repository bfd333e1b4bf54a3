"""Range requests: which keys, in which order, which part of them. Shared by Range and transactions."""

from __future__ import annotations

import asyncio

from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.store.engine import Engine
from kube_actors.store.errors import KV, Compacted, FutureRevision, InvalidSortOption, KeyNotProvided
from kube_actors.store.ranges import bounds
from kube_actors.store.records import decode
from kube_actors.store.services.messages import header

# Records read between two turns of the loop.
STEP = 500

_SORT_KEYS = {
    pb.RangeRequest.KEY: lambda kv: kv.key,
    pb.RangeRequest.VERSION: lambda kv: kv.version,
    pb.RangeRequest.CREATE: lambda kv: kv.create_revision,
    pb.RangeRequest.MOD: lambda kv: kv.mod_revision,
    pb.RangeRequest.VALUE: lambda kv: kv.value,
}


def check_range(request: pb.RangeRequest) -> None:
    """What can be refused without looking."""
    if not request.key:
        raise KeyNotProvided
    if request.sort_target not in _SORT_KEYS or request.sort_order not in (0, 1, 2):
        raise InvalidSortOption


def check_revision(engine: Engine, revision: int, newest: int) -> None:
    if revision > newest:
        raise FutureRevision
    if 0 < revision < engine.compacted:
        raise Compacted(compact_revision=engine.compacted)


async def read(engine: Engine, request: pb.RangeRequest) -> pb.RangeResponse:
    """Answer from what is durable. A large range is read in steps; all of it at one revision."""
    newest = engine.durable
    check_revision(engine, request.revision, newest)
    ids, count = _select(engine, request, newest)
    if len(ids) <= STEP:
        return _answer(request, _fetch(engine, ids), count, header(engine, newest))
    kvs: list[KV] = []
    with engine.hold():
        for start in range(0, len(ids), STEP):
            if start:
                await asyncio.sleep(0)
            kvs.extend(_fetch(engine, ids[start : start + STEP]))
    return _answer(request, kvs, count, header(engine, newest))


def read_now(engine: Engine, request: pb.RangeRequest, newest: int) -> pb.RangeResponse:
    """Answer within a transaction, which sees its own writes (`newest` is its revision)."""
    ids, count = _select(engine, request, newest)
    return _answer(request, _fetch(engine, ids), count, pb.ResponseHeader(revision=newest))


def _select(engine: Engine, request: pb.RangeRequest, newest: int) -> tuple[list[int], int]:
    revision = request.revision if request.revision > 0 else newest
    if request.range_end:
        start, end = bounds(request.key, request.range_end)
        ids = [record_id for _, record_id in engine.index.range(start, end, revision)]
    else:
        found = engine.index.at(request.key, revision)
        ids = [] if found is None else [found]
    if request.count_only:
        return [], len(ids)
    if request.limit > 0 and request.sort_order == pb.RangeRequest.NONE and not _filtered(request):
        # One more than asked, as etcd does: a target without an order sorts what the limit has left.
        return ids[: request.limit + (request.sort_target != pb.RangeRequest.KEY)], len(ids)
    return ids, len(ids)


def _fetch(engine: Engine, ids: list[int]) -> list[KV]:
    pairs = zip(ids, engine.records(ids), strict=True)
    return [decode(record_id, record) for record_id, record in pairs if record is not None]


def _sorted(request: pb.RangeRequest) -> bool:
    return request.sort_target != pb.RangeRequest.KEY or request.sort_order == pb.RangeRequest.DESCEND


def _filtered(request: pb.RangeRequest) -> bool:
    return bool(
        request.min_mod_revision
        or request.max_mod_revision
        or request.min_create_revision
        or request.max_create_revision
    )


def _passes(request: pb.RangeRequest, kv: KV) -> bool:
    return (
        kv.mod_revision >= request.min_mod_revision
        and (not request.max_mod_revision or kv.mod_revision <= request.max_mod_revision)
        and kv.create_revision >= request.min_create_revision
        and (not request.max_create_revision or kv.create_revision <= request.max_create_revision)
    )


def _answer(request: pb.RangeRequest, kvs: list[KV], count: int, head: pb.ResponseHeader) -> pb.RangeResponse:
    # As etcd does: the count is of the range, before filters; `more` is about what the limit cut.
    answer = pb.RangeResponse(header=head, count=count)
    if request.count_only:
        return answer
    candidates = count
    if _filtered(request):
        kvs = [kv for kv in kvs if _passes(request, kv)]
        candidates = len(kvs)
    if _sorted(request):
        descending = request.sort_order == pb.RangeRequest.DESCEND
        kvs = sorted(kvs, key=_SORT_KEYS[request.sort_target], reverse=descending)
    if request.limit > 0:
        answer.more = candidates > request.limit
        kvs = kvs[: request.limit]
    keys_only = request.keys_only
    add = answer.kvs.add
    for kv in kvs:
        add(
            key=kv.key,
            create_revision=kv.create_revision,
            mod_revision=kv.mod_revision,
            version=kv.version,
            value=b"" if keys_only else kv.value,
            lease=kv.lease,
        )
    return answer
