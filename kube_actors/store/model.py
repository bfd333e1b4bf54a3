"""The store's contract as the simplest program that keeps it: every state that ever was, in a dictionary.

Tests run the same requests against it, against our store and against a real etcd, and compare every answer
and every event; production does not use it. It knows no time (leases end by revocation), no disk and no
concurrency. Requests and answers are etcd's messages; refusals are the classes of `store.errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.store.errors import (
    Compacted,
    DuplicateKey,
    FutureRevision,
    KeyNotFound,
    KeyNotProvided,
    LeaseExists,
    LeaseNotFound,
    LeaseProvided,
    LeaseTTLTooLarge,
    ValueProvided,
)

MAX_TTL = 9_000_000_000
MIN_TTL = 2

_Answer = TypeVar("_Answer", pb.PutResponse, pb.DeleteRangeResponse, pb.TxnResponse, pb.LeaseRevokeResponse)
State = dict[bytes, pb.KeyValue]
_SORT = {
    pb.RangeRequest.KEY: "key",
    pb.RangeRequest.VERSION: "version",
    pb.RangeRequest.CREATE: "create_revision",
    pb.RangeRequest.MOD: "mod_revision",
    pb.RangeRequest.VALUE: "value",
}
_TARGETS = {
    pb.Compare.VERSION: "version",
    pb.Compare.CREATE: "create_revision",
    pb.Compare.MOD: "mod_revision",
    pb.Compare.VALUE: "value",
    pb.Compare.LEASE: "lease",
}


def within(key: bytes, start: bytes, end: bytes) -> bool:
    """Whether a request with these two fields means the key."""
    if not end:
        return key == start
    return key >= start and (end == b"\0" or key < end)


class Model:
    """`events`: the whole history, each event with what it replaced; `states`: what each revision shows."""

    def __init__(self, compacted: int = -1) -> None:
        self.revision = 1
        self.compacted = compacted
        self.states: dict[int, State] = {1: {}}
        self.events: list[pb.Event] = []
        self.leases: dict[int, int] = {}
        self._now: State = {}

    # --- what a client asks ----------------------------------------------------------------------------------

    def range(self, request: pb.RangeRequest) -> pb.RangeResponse:
        _check_range(request)
        if request.revision > self.revision:
            raise FutureRevision
        if 0 < request.revision < self.compacted:
            raise Compacted
        state = self.states[request.revision] if request.revision > 0 else self._now
        return self._answer(request, state, self.revision)

    def put(self, request: pb.PutRequest) -> pb.PutResponse:
        _check_put(request)
        self._check_lease(request)
        self._check_previous(request)
        return self._commit(lambda at: self._put(request, at))

    def delete(self, request: pb.DeleteRangeRequest) -> pb.DeleteRangeResponse:
        _check_key(request)
        return self._commit(lambda at: self._delete(request, at))

    def txn(self, request: pb.TxnRequest) -> pb.TxnResponse:
        _check_txn(request)
        path = list(self._choose(request))
        operations = list(self._chosen(request, iter(path)))
        for operation in operations:
            if operation.HasField("request_put"):
                self._check_previous(operation.request_put)
                self._check_lease(operation.request_put)
        for operation in operations:
            if operation.HasField("request_range"):
                self._check_revision(operation.request_range.revision)
        return self._commit(lambda at: self._perform(request, iter(path), at))

    def compact(self, request: pb.CompactionRequest) -> pb.CompactionResponse:
        if request.revision <= self.compacted:
            raise Compacted
        if request.revision > self.revision:
            raise FutureRevision
        self.compacted = request.revision
        return pb.CompactionResponse(header=pb.ResponseHeader(revision=self.revision))

    def grant(self, request: pb.LeaseGrantRequest) -> pb.LeaseGrantResponse:
        if request.TTL > MAX_TTL:
            raise LeaseTTLTooLarge
        if request.ID in self.leases:
            raise LeaseExists
        self.leases[request.ID] = max(request.TTL, MIN_TTL)
        header = pb.ResponseHeader(revision=self.revision)
        return pb.LeaseGrantResponse(header=header, ID=request.ID, TTL=self.leases[request.ID])

    def revoke(self, request: pb.LeaseRevokeRequest) -> pb.LeaseRevokeResponse:
        if request.ID not in self.leases:
            raise LeaseNotFound
        del self.leases[request.ID]

        def end(at: int) -> pb.LeaseRevokeResponse:
            for key in sorted(key for key, kv in self._now.items() if kv.lease == request.ID):
                self._remove(key, at)
            return pb.LeaseRevokeResponse(header=pb.ResponseHeader())

        return self._commit(end)

    def lease_keys(self, lease: int) -> list[bytes]:
        return sorted(key for key, kv in self._now.items() if kv.lease == lease)

    def watched(self, request: pb.WatchCreateRequest, start: int) -> list[pb.Event]:
        """What a watch of this request shows of the history from a revision on."""
        hidden = {pb.Event.PUT: pb.WatchCreateRequest.NOPUT, pb.Event.DELETE: pb.WatchCreateRequest.NODELETE}
        found = []
        for event in self.events:
            if event.kv.mod_revision < start or hidden[event.type] in request.filters:
                continue
            if within(event.kv.key, request.key or b"\0", request.range_end):
                copy = pb.Event()
                copy.CopyFrom(event)
                if not request.prev_kv:
                    copy.ClearField("prev_kv")
                found.append(copy)
        return found

    # --- within ----------------------------------------------------------------------------------------------

    def _commit(self, work: Callable[[int], _Answer]) -> _Answer:
        """All changes of `work` share one new revision; none: no new revision."""
        count, at = len(self.events), self.revision + 1
        answer = work(at)
        if len(self.events) > count:
            self.revision = at
            self.states[at] = dict(self._now)
        answer.header.revision = self.revision
        return answer

    def _answer(self, request: pb.RangeRequest, state: State, revision: int) -> pb.RangeResponse:
        kvs = [kv for key, kv in sorted(state.items()) if within(key, request.key, request.range_end)]
        answer = pb.RangeResponse(header=pb.ResponseHeader(revision=revision), count=len(kvs))
        if request.count_only:
            return answer
        limit = request.limit if request.limit > 0 else len(kvs) + 1
        filtered = bool(
            request.min_mod_revision
            or request.max_mod_revision
            or request.min_create_revision
            or request.max_create_revision
        )
        if request.sort_order == pb.RangeRequest.NONE and not filtered:
            # As etcd does: without an order asked for, the limit comes before the sorting.
            kvs = kvs[: limit + 1]
        kvs = [kv for kv in kvs if _passes(request, kv)]
        kvs.sort(
            key=lambda kv: getattr(kv, _SORT[request.sort_target]),
            reverse=request.sort_order == pb.RangeRequest.DESCEND,
        )
        answer.more = len(kvs) > limit
        for kv in kvs[:limit]:
            answer.kvs.append(kv)
            if request.keys_only:
                answer.kvs[-1].value = b""
        return answer

    def _put(self, request: pb.PutRequest, at: int) -> pb.PutResponse:
        old = self._now.get(request.key)
        kv = pb.KeyValue(key=request.key, mod_revision=at, create_revision=old.create_revision if old else at)
        kv.version = old.version + 1 if old else 1
        kv.value = old.value if request.ignore_value and old else request.value
        kv.lease = old.lease if request.ignore_lease and old else request.lease
        self._now[request.key] = kv
        self.events.append(pb.Event(kv=kv, prev_kv=old))
        return pb.PutResponse(header=pb.ResponseHeader(revision=at), prev_kv=old if request.prev_kv else None)

    def _delete(self, request: pb.DeleteRangeRequest, at: int) -> pb.DeleteRangeResponse:
        gone = sorted(key for key in self._now if within(key, request.key, request.range_end))
        answer = pb.DeleteRangeResponse(header=pb.ResponseHeader(), deleted=len(gone))
        if request.prev_kv:
            answer.prev_kvs.extend(self._now[key] for key in gone)
        for key in gone:
            self._remove(key, at)
        answer.header.revision = self._reached(at)
        return answer

    def _remove(self, key: bytes, at: int) -> None:
        old = self._now.pop(key)
        self.events.append(pb.Event(type=pb.Event.DELETE, kv=pb.KeyValue(key=key, mod_revision=at), prev_kv=old))

    def _reached(self, at: int) -> int:
        return at if self.events and self.events[-1].kv.mod_revision == at else at - 1

    def _choose(self, request: pb.TxnRequest) -> Iterable[bool]:
        """Which branches are taken, depth first, all decided on the state before."""
        taken = all(self._holds(compare) for compare in request.compare)
        yield taken
        for operation in request.success if taken else request.failure:
            if operation.HasField("request_txn"):
                yield from self._choose(operation.request_txn)

    def _holds(self, compare: pb.Compare) -> bool:
        found = [kv for key, kv in self._now.items() if within(key, compare.key, compare.range_end)]
        if not found:
            return compare.target != pb.Compare.VALUE and _compared(compare, pb.KeyValue())
        return all(_compared(compare, kv) for kv in found)

    def _chosen(self, request: pb.TxnRequest, path: Iterator[bool]) -> Iterable[pb.RequestOp]:
        for operation in request.success if next(path) else request.failure:
            if operation.HasField("request_txn"):
                yield from self._chosen(operation.request_txn, path)
            else:
                yield operation

    def _check_revision(self, revision: int) -> None:
        if revision > self.revision:
            raise FutureRevision
        if revision and revision < self.compacted:
            raise Compacted

    def _check_previous(self, request: pb.PutRequest) -> None:
        if (request.ignore_value or request.ignore_lease) and request.key not in self._now:
            raise KeyNotFound

    def _check_lease(self, request: pb.PutRequest) -> None:
        if request.lease and request.lease not in self.leases:
            raise LeaseNotFound

    def _perform(self, request: pb.TxnRequest, path: Iterator[bool], at: int) -> pb.TxnResponse:
        taken = next(path)
        answer = pb.TxnResponse(header=pb.ResponseHeader(), succeeded=taken)
        for operation in request.success if taken else request.failure:
            response = answer.responses.add()
            match operation.WhichOneof("request"):
                case "request_range":
                    asked = operation.request_range
                    state = self.states[asked.revision] if asked.revision > 0 else self._now
                    response.response_range.CopyFrom(self._answer(asked, state, self._reached(at)))
                case "request_put":
                    response.response_put.CopyFrom(self._put(operation.request_put, at))
                case "request_delete_range":
                    response.response_delete_range.CopyFrom(self._delete(operation.request_delete_range, at))
                case "request_txn":
                    response.response_txn.CopyFrom(self._perform(operation.request_txn, path, at))
        return answer


def _passes(request: pb.RangeRequest, kv: pb.KeyValue) -> bool:
    return bool(
        kv.mod_revision >= request.min_mod_revision
        and (not request.max_mod_revision or kv.mod_revision <= request.max_mod_revision)
        and kv.create_revision >= request.min_create_revision
        and (not request.max_create_revision or kv.create_revision <= request.max_create_revision)
    )


def _compared(compare: pb.Compare, kv: pb.KeyValue) -> bool:
    name = _TARGETS[compare.target]
    actual, wanted = getattr(kv, name), getattr(compare, name)
    return bool(
        {
            pb.Compare.EQUAL: actual == wanted,
            pb.Compare.NOT_EQUAL: actual != wanted,
            pb.Compare.GREATER: actual > wanted,
            pb.Compare.LESS: actual < wanted,
        }[compare.result]
    )


def _check_key(request: pb.RangeRequest | pb.PutRequest | pb.DeleteRangeRequest | pb.Compare) -> None:
    if not request.key:
        raise KeyNotProvided


def _check_range(request: pb.RangeRequest) -> None:
    _check_key(request)


def _check_put(request: pb.PutRequest) -> None:
    _check_key(request)
    if request.ignore_value and request.value:
        raise ValueProvided
    if request.ignore_lease and request.lease:
        raise LeaseProvided


def _check_txn(request: pb.TxnRequest) -> None:
    _check_shape(request)
    _written(request.success)
    _written(request.failure)


def _check_shape(request: pb.TxnRequest) -> None:
    for compare in request.compare:
        _check_key(compare)
    for operation in (*request.success, *request.failure):
        match operation.WhichOneof("request"):
            case "request_range":
                _check_range(operation.request_range)
            case "request_put":
                _check_put(operation.request_put)
            case "request_delete_range":
                _check_key(operation.request_delete_range)
            case "request_txn":
                _check_shape(operation.request_txn)


def _written(operations: Sequence[pb.RequestOp]) -> tuple[set[bytes], list[tuple[bytes, bytes]]]:
    """Keys put and ranges deleted by a branch. Raises DuplicateKey where the order within it would matter."""
    puts: set[bytes] = set()
    ranges = [(o.request_delete_range.key, o.request_delete_range.range_end) for o in operations
              if o.HasField("request_delete_range")]  # fmt: skip

    def put(keys: set[bytes], excused: set[bytes]) -> None:
        for key in keys:
            if (key in puts and key not in excused) or any(within(key, *span) for span in ranges):
                raise DuplicateKey
            puts.add(key)

    for operation in operations:
        if operation.HasField("request_txn"):
            then, then_ranges = _written(operation.request_txn.success)
            otherwise, other_ranges = _written(operation.request_txn.failure)
            put(then, set())
            put(otherwise, then)
            ranges += then_ranges + other_ranges
    for operation in operations:
        if operation.HasField("request_put"):
            put({operation.request_put.key}, set())
    return puts, ranges
