"""Transactions: what etcd checks before, which branch is taken, what the branch does.

The order is etcd's: shape of the request, duplicate keys, all comparisons (nested ones too) on the state
before, then the operations of the chosen branches, one main revision for all of them or none at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.store.engine import Engine
from kube_actors.store.errors import (
    KV,
    Compacted,
    DuplicateKey,
    KeyNotFound,
    KeyNotProvided,
    LeaseProvided,
    TooManyOps,
    ValueProvided,
)
from kube_actors.store.ranges import bounds
from kube_actors.store.services.messages import key_value
from kube_actors.store.services.reading import check_range, check_revision, read_now

MAX_OPERATIONS = 128
_MISSING = KV(b"", b"", 0, 0, 0, 0)


def check_put(request: pb.PutRequest) -> None:
    if not request.key:
        raise KeyNotProvided
    if request.ignore_value and request.value:
        raise ValueProvided
    if request.ignore_lease and request.lease:
        raise LeaseProvided


def check_delete(request: pb.DeleteRangeRequest) -> None:
    if not request.key:
        raise KeyNotProvided


def check_txn(request: pb.TxnRequest, limit: int = MAX_OPERATIONS) -> None:
    """Raises what etcd's v3rpc refuses by the shape of the request alone."""
    _check_shape(request, limit)
    _check_duplicates(request.success)
    _check_duplicates(request.failure)


def _check_shape(request: pb.TxnRequest, limit: int) -> None:
    operations = max(len(request.compare), len(request.success), len(request.failure))
    if operations > limit:
        raise TooManyOps
    for compare in request.compare:
        if not compare.key:
            raise KeyNotProvided
    for operation in (*request.success, *request.failure):
        match operation.WhichOneof("request"):
            case "request_range":
                check_range(operation.request_range)
            case "request_put":
                check_put(operation.request_put)
            case "request_delete_range":
                check_delete(operation.request_delete_range)
            case "request_txn":
                _check_shape(operation.request_txn, limit - operations)
            case _:
                raise KeyNotFound


@dataclass(slots=True)
class _Touched:
    """Keys that a branch puts, ranges that it deletes."""

    puts: set[bytes] = field(default_factory=set)
    deletes: list[tuple[bytes, bytes | None]] = field(default_factory=list)

    def deletes_key(self, key: bytes) -> bool:
        return any(start <= key and (end is None or key < end) for start, end in self.deletes)

    def add_puts(self, keys: Iterable[bytes], safe: set[bytes]) -> None:
        for key in keys:
            if (key in self.puts and key not in safe) or self.deletes_key(key):
                raise DuplicateKey
            self.puts.add(key)


def _check_duplicates(operations: Sequence[pb.RequestOp]) -> _Touched:
    """No key may be written twice in a branch: the order within one revision would be lost."""
    touched = _Touched()
    for operation in operations:
        if operation.WhichOneof("request") == "request_delete_range":
            request = operation.request_delete_range
            touched.deletes.append(bounds(request.key, request.range_end))
    for operation in operations:
        if operation.WhichOneof("request") != "request_txn":
            continue
        then = _check_duplicates(operation.request_txn.success)
        otherwise = _check_duplicates(operation.request_txn.failure)
        touched.add_puts(then.puts, set())
        touched.add_puts(otherwise.puts, then.puts)
        touched.deletes += then.deletes + otherwise.deletes
    for operation in operations:
        if operation.WhichOneof("request") == "request_put":
            touched.add_puts((operation.request_put.key,), set())
    return touched


def apply_txn(engine: Engine, request: pb.TxnRequest) -> pb.TxnResponse:
    """Decide and do. The caller waits until it is settled, then fills the header."""
    path: list[bool] = []
    _choose(engine, request, path)
    start = engine.revision
    _check_effects(engine, list(_chosen(request, iter(path))), start)
    with engine.transaction():
        answer = _perform(engine, request, iter(path))
    answer.header.revision = engine.revision
    return answer


def _choose(engine: Engine, request: pb.TxnRequest, path: list[bool]) -> None:
    """The branches taken, depth first."""
    taken = all(_holds(engine, compare) for compare in request.compare)
    path.append(taken)
    for operation in request.success if taken else request.failure:
        if operation.WhichOneof("request") == "request_txn":
            _choose(engine, operation.request_txn, path)


def _holds(engine: Engine, compare: pb.Compare) -> bool:
    if compare.range_end:
        start, end = bounds(compare.key, compare.range_end)
        ids = [record_id for _, record_id in engine.index.range(start, end, engine.revision)]
    else:
        head = engine.index.live(compare.key)
        ids = [] if head is None else [head[0]]
    if not ids:
        # A value cannot be compared with nothing; all else of a missing key is zero.
        return compare.target != pb.Compare.VALUE and _compare(compare, _MISSING)
    return all(kv is not None and _compare(compare, kv) for kv in map(engine.kv, ids))


def _compare(compare: pb.Compare, kv: KV) -> bool:
    actual: int | bytes
    wanted: int | bytes
    match compare.target:
        case pb.Compare.VALUE:
            actual, wanted = kv.value, compare.value
            order = (actual > wanted) - (actual < wanted)
        case pb.Compare.CREATE:
            order = kv.create_revision - compare.create_revision
        case pb.Compare.MOD:
            order = kv.mod_revision - compare.mod_revision
        case pb.Compare.VERSION:
            order = kv.version - compare.version
        case pb.Compare.LEASE:
            order = kv.lease - compare.lease
        case _:
            order = 0
    match compare.result:
        case pb.Compare.EQUAL:
            return order == 0
        case pb.Compare.NOT_EQUAL:
            return order != 0
        case pb.Compare.GREATER:
            return order > 0
        case pb.Compare.LESS:
            return order < 0
        case _:
            return True  # as etcd decides what it does not know


def _chosen(request: pb.TxnRequest, path: Iterator[bool]) -> Iterator[pb.RequestOp]:
    """The operations of the chosen branches. `path` is consumed depth first."""
    for operation in request.success if next(path) else request.failure:
        if operation.HasField("request_txn"):
            yield from _chosen(operation.request_txn, path)
        else:
            yield operation


def _check_effects(engine: Engine, operations: list[pb.RequestOp], newest: int) -> None:
    """Refuse before the first effect what cannot be done: all puts, then all ranges, as etcd does."""
    for operation in operations:
        if operation.HasField("request_put"):
            put = operation.request_put
            _check_previous(engine, put)
            if put.lease:
                engine.leases.get(put.lease)
    for operation in operations:
        if operation.HasField("request_range"):
            revision = operation.request_range.revision
            if revision < 0 and revision < engine.compacted:
                raise Compacted(compact_revision=engine.compacted)  # outside a transaction it means: now
            check_revision(engine, revision, newest)


def _check_previous(engine: Engine, request: pb.PutRequest) -> None:
    if (request.ignore_value or request.ignore_lease) and engine.index.live(request.key) is None:
        raise KeyNotFound


def _perform(engine: Engine, request: pb.TxnRequest, path: Iterator[bool]) -> pb.TxnResponse:
    taken = next(path)
    answer = pb.TxnResponse(header=pb.ResponseHeader(), succeeded=taken)
    for operation in request.success if taken else request.failure:
        response = answer.responses.add()
        match operation.WhichOneof("request"):
            case "request_range":
                response.response_range.CopyFrom(read_now(engine, operation.request_range, engine.revision))
            case "request_put":
                response.response_put.CopyFrom(apply_put(engine, operation.request_put))
            case "request_delete_range":
                response.response_delete_range.CopyFrom(_delete(engine, operation.request_delete_range))
            case "request_txn":
                response.response_txn.CopyFrom(_perform(engine, operation.request_txn, path))
    return answer


def apply_put(engine: Engine, request: pb.PutRequest) -> pb.PutResponse:
    """One put, within a transaction or with a revision of its own."""
    value, lease = request.value, request.lease
    if lease:
        engine.leases.get(lease)
    previous = None
    if request.prev_kv or request.ignore_value or request.ignore_lease:
        head = engine.index.live(request.key)
        previous = None if head is None else engine.kv(head[0])
    if request.ignore_value or request.ignore_lease:
        if previous is None:
            raise KeyNotFound
        value = previous.value if request.ignore_value else value
        lease = previous.lease if request.ignore_lease else lease
    revision = engine.put(request.key, value, lease)
    answer = pb.PutResponse(header=pb.ResponseHeader(revision=revision))
    if request.prev_kv and previous is not None:
        answer.prev_kv.CopyFrom(key_value(previous))
    return answer


def apply_delete(engine: Engine, request: pb.DeleteRangeRequest) -> pb.DeleteRangeResponse:
    """One deletion with a revision of its own, however many keys it is."""
    with engine.transaction():
        return _delete(engine, request)


def _delete(engine: Engine, request: pb.DeleteRangeRequest) -> pb.DeleteRangeResponse:
    if request.range_end:
        start, end = bounds(request.key, request.range_end)
        found = list(engine.index.range(start, end, engine.revision))
    else:
        head = engine.index.live(request.key)
        found = [] if head is None else [(request.key, head[0])]
    answer = pb.DeleteRangeResponse(deleted=len(found))
    if request.prev_kv:
        answer.prev_kvs.extend(key_value(kv) for _, record_id in found if (kv := engine.kv(record_id)) is not None)
    for key, _ in found:
        engine.delete(key)
    answer.header.revision = engine.revision
    return answer
