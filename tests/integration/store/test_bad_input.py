"""Bad input gets etcd's own code and text, from our store and from a real etcd; the store stays up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kube_actors.rpc.channel import Channel, Conversation, Stub
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.server import Listener
from kube_actors.store.client import StoreClient
from kube_actors.store.server import StoreConfig, StoreServer

LIMIT = 3 << 19
FAR = 1 << 40


class Raw:
    """Requests as they are, without a client's care."""

    def __init__(self, address: str) -> None:
        self.channel = Channel([address])
        self._stubs = {name: Stub(self.channel, found) for name, found in pb.DESCRIPTOR.services_by_name.items()}

    async def __call__(self, service: str, method: str, request: Any) -> Any:
        return await self._stubs[service].unary(method, request, 10)

    async def refusal(self, service: str, method: str, request: Any) -> tuple[str, str]:
        with pytest.raises(RpcError) as refused:
            await self(service, method, request)
        return refused.value.code, refused.value.message

    def watch(self) -> Conversation:
        return self._stubs["Watch"].open("Watch")

    async def revision(self) -> int:
        return int((await self("KV", "Range", pb.RangeRequest(key=b"\0"))).header.revision)


@pytest.fixture
async def raw(address: str) -> AsyncIterator[Raw]:
    found = Raw(address)
    yield found
    # Whatever was asked, the store still answers.
    await found("KV", "Put", pb.PutRequest(key=b"still", value=b"there"))
    await found.channel.close()


def puts(count: int, prefix: bytes = b"k", size: int = 1) -> list[pb.RequestOp]:
    return [
        pb.RequestOp(request_put=pb.PutRequest(key=b"%s%d" % (prefix, number), value=b"x" * size))
        for number in range(count)
    ]


def op(request: Any) -> pb.RequestOp:
    name = {pb.RangeRequest: "range", pb.PutRequest: "put", pb.DeleteRangeRequest: "delete_range", pb.TxnRequest: "txn"}
    return pb.RequestOp(**{f"request_{name[type(request)]}": request})


NESTED = [*puts(70, b"x"), op(pb.TxnRequest(success=puts(70)))]
A = pb.PutRequest(key=b"a")
KEY_NOT_PROVIDED = ("INVALID_ARGUMENT", "etcdserver: key is not provided")
TOO_MANY_OPS = ("INVALID_ARGUMENT", "etcdserver: too many operations in txn request")
DUPLICATE = ("INVALID_ARGUMENT", "etcdserver: duplicate key given in txn request")
TOO_LARGE = ("INVALID_ARGUMENT", "etcdserver: request is too large")
MESSAGE_TOO_LARGE = ("RESOURCE_EXHAUSTED", "grpc: received message larger than max (3145736 vs. 2097152)")
FUTURE = ("OUT_OF_RANGE", "etcdserver: mvcc: required revision is a future revision")
COMPACTED = ("OUT_OF_RANGE", "etcdserver: mvcc: required revision has been compacted")
NO_LEASE = ("NOT_FOUND", "etcdserver: requested lease not found")
KEY_NOT_FOUND = ("INVALID_ARGUMENT", "etcdserver: key not found")
CASES: dict[str, tuple[str, Any, tuple[str, str]]] = {
    "a put without a key": ("Put", pb.PutRequest(value=b"1"), KEY_NOT_PROVIDED),
    "a range without a key": ("Range", pb.RangeRequest(range_end=b"\0"), KEY_NOT_PROVIDED),
    "a deletion without a key": ("DeleteRange", pb.DeleteRangeRequest(), KEY_NOT_PROVIDED),
    "a put without a key in a txn": ("Txn", pb.TxnRequest(failure=[op(pb.PutRequest())]), KEY_NOT_PROVIDED),
    "a compare without a key": ("Txn", pb.TxnRequest(compare=[pb.Compare()]), KEY_NOT_PROVIDED),
    "an empty operation": ("Txn", pb.TxnRequest(success=[pb.RequestOp()]), KEY_NOT_FOUND),
    "a value too many": ("Put", pb.PutRequest(key=b"a", value=b"1", ignore_value=True),
                         ("INVALID_ARGUMENT", "etcdserver: value is provided")),
    "a lease too many": ("Put", pb.PutRequest(key=b"a", lease=1, ignore_lease=True),
                         ("INVALID_ARGUMENT", "etcdserver: lease is provided")),
    "a value kept of no key": ("Put", pb.PutRequest(key=b"none", ignore_value=True), KEY_NOT_FOUND),
    "129 operations": ("Txn", pb.TxnRequest(success=puts(129)), TOO_MANY_OPS),
    "129 compares": ("Txn", pb.TxnRequest(compare=[pb.Compare(key=b"a")] * 129), TOO_MANY_OPS),
    "141 nested operations": ("Txn", pb.TxnRequest(success=NESTED), TOO_MANY_OPS),
    "a key put twice": ("Txn", pb.TxnRequest(success=[op(A), op(A)]), DUPLICATE),
    "a key put and deleted": ("Txn", pb.TxnRequest(success=[op(A), op(pb.DeleteRangeRequest(key=b"a"))]), DUPLICATE),
    "a key put twice, nested": ("Txn", pb.TxnRequest(success=[op(A), op(pb.TxnRequest(failure=[op(A)]))]), DUPLICATE),
    "a request over the limit": ("Put", pb.PutRequest(key=b"a", value=b"x" * LIMIT), TOO_LARGE),
    "a txn over the limit": ("Txn", pb.TxnRequest(success=puts(4, size=500_000)), TOO_LARGE),
    "a message over the limit": ("Put", pb.PutRequest(key=b"a", value=b"x" * (2 * LIMIT)),
                                 MESSAGE_TOO_LARGE),
    "a range of the future": ("Range", pb.RangeRequest(key=b"a", revision=FAR), FUTURE),
    "a range of the future in a txn": (
        "Txn", pb.TxnRequest(success=[op(pb.RangeRequest(key=b"a", revision=FAR))]), FUTURE),
    "a compaction of the future": ("Compact", pb.CompactionRequest(revision=FAR), FUTURE),
    "a compaction before all": ("Compact", pb.CompactionRequest(revision=-5), COMPACTED),
    "a negative revision in a txn": (
        "Txn", pb.TxnRequest(success=[op(pb.RangeRequest(key=b"a", revision=-5))]), COMPACTED),
    "a put with a lease that is none": ("Put", pb.PutRequest(key=b"a", lease=4711), NO_LEASE),
    "a negative lease": ("Put", pb.PutRequest(key=b"a", lease=-3), NO_LEASE),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_refused(raw: Raw, case: str) -> None:
    method, request, expected = CASES[case]
    before = await raw.revision()
    assert await raw.refusal("KV", method, request) == expected
    assert await raw.revision() == before


@pytest.mark.parametrize(
    ("method", "request_", "expected"),
    [
        ("LeaseGrant", pb.LeaseGrantRequest(ID=6, TTL=9_000_000_001),
         ("OUT_OF_RANGE", "etcdserver: too large lease TTL")),
        ("LeaseRevoke", pb.LeaseRevokeRequest(ID=4711), NO_LEASE),
        ("LeaseRevoke", pb.LeaseRevokeRequest(), NO_LEASE),
    ],
)  # fmt: skip
async def test_refused_leases(raw: Raw, method: str, request_: Any, expected: tuple[str, str]) -> None:
    assert await raw.refusal("Lease", method, request_) == expected


async def test_a_lease_that_exists_and_one_too_short(raw: Raw) -> None:
    granted = await raw("Lease", "LeaseGrant", pb.LeaseGrantRequest(ID=815, TTL=-3))
    assert (granted.ID, granted.TTL) == (815, 2)
    assert await raw.refusal("Lease", "LeaseGrant", pb.LeaseGrantRequest(ID=815, TTL=10)) == (
        "FAILED_PRECONDITION", "etcdserver: lease already exists",
    )  # fmt: skip
    await raw("Lease", "LeaseRevoke", pb.LeaseRevokeRequest(ID=815))
    assert (await raw("Lease", "LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=815))).TTL == -1


async def test_what_looks_bad_and_is_answered(raw: Raw) -> None:
    """A negative revision means now, a negative limit none, an unknown comparison holds."""
    await raw("KV", "Put", pb.PutRequest(key=b"a", value=b"1"))
    assert (await raw("KV", "Range", pb.RangeRequest(key=b"a", revision=-5))).kvs[0].value == b"1"
    assert (await raw("KV", "Range", pb.RangeRequest(key=b"a", limit=-5))).kvs[0].value == b"1"
    for compare in (pb.Compare(key=b"a", result=9), pb.Compare(key=b"a", target=9)):
        assert (await raw("KV", "Txn", pb.TxnRequest(compare=[compare]))).succeeded
    assert (await raw("KV", "Txn", pb.TxnRequest(success=puts(128)))).succeeded
    assert (await raw("KV", "DeleteRange", pb.DeleteRangeRequest(key=b"b", range_end=b"a"))).deleted == 0
    largest = pb.PutRequest(key=b"a", value=b"x" * (LIMIT - 100))
    assert (await raw("KV", "Put", largest)).header.revision == await raw.revision()


async def test_fields_that_nobody_knows_are_skipped(raw: Raw) -> None:
    request = pb.PutRequest.FromString(pb.PutRequest(key=b"u", value=b"1").SerializeToString() + b"\xfa\x3f\x03abc")
    await raw("KV", "Put", request)
    assert (await raw("KV", "Range", pb.RangeRequest(key=b"u"))).kvs[0].value == b"1"


async def test_a_target_without_an_order_sorts_what_the_limit_left(raw: Raw) -> None:
    for key, value in ((b"s1", b"9"), (b"s2", b"8"), (b"s3", b"7"), (b"s4", b"1")):
        await raw("KV", "Put", pb.PutRequest(key=key, value=value))
    request = pb.RangeRequest(key=b"s", range_end=b"t", limit=2, sort_target=pb.RangeRequest.VALUE)
    answer = await raw("KV", "Range", request)
    assert [kv.key for kv in answer.kvs] == [b"s3", b"s2"]
    assert (answer.more, answer.count) == (True, 4)


async def answers(stream: Conversation, count: int) -> list[Any]:
    async with asyncio.timeout(5):
        return [await stream.read() for _ in range(count)]


def create(**fields: Any) -> pb.WatchRequest:
    return pb.WatchRequest(create_request=pb.WatchCreateRequest(**fields))


async def test_watches_that_cannot_be(raw: Raw) -> None:
    stream = raw.watch()
    for request in (create(key=b"b", range_end=b"a"), create(key=b"a", watch_id=7), create(key=b"a", watch_id=7)):
        await stream.write(request)
    empty, made, twice = await answers(stream, 3)
    assert (empty.watch_id, empty.created, empty.canceled) == (-1, True, True)
    assert empty.cancel_reason == "mvcc: watcher range is empty"
    assert (made.watch_id, made.created, made.canceled) == (7, True, False)
    assert twice.cancel_reason == "mvcc: duplicate watch ID provided on the WatchStream"
    # The stream lives: what nobody has is cancelled without a word, and the watch that was made works.
    await stream.write(pb.WatchRequest(cancel_request=pb.WatchCancelRequest(watch_id=99)))
    await stream.write(pb.WatchRequest())
    await raw("KV", "Put", A)
    (event,) = await answers(stream, 1)
    assert (event.watch_id, event.events[0].kv.key) == (7, b"a")
    stream.cancel()


async def test_a_watch_on_the_future_waits_for_it(raw: Raw) -> None:
    stream = raw.watch()
    now = await raw.revision()
    await stream.write(create(key=b"f", start_revision=now + 3))
    (made,) = await answers(stream, 1)
    assert (made.created, made.header.revision) == (True, now)
    for _ in range(4):
        await raw("KV", "Put", pb.PutRequest(key=b"f"))
    seen: list[int] = []
    while len(seen) < 2:
        seen += [event.kv.mod_revision for event in (await answers(stream, 1))[0].events]
    assert seen == [now + 3, now + 4]
    stream.cancel()


@pytest.mark.parametrize("start", [1, -7])
async def test_a_watch_on_what_is_compacted_is_cancelled(raw: Raw, start: int) -> None:
    await raw("KV", "Put", A)
    now = (await raw("KV", "Put", A)).header.revision
    await raw("KV", "Compact", pb.CompactionRequest(revision=now))
    assert await raw.refusal("KV", "Compact", pb.CompactionRequest(revision=now)) == COMPACTED
    assert await raw.refusal("KV", "Range", pb.RangeRequest(key=b"a", revision=now - 1)) == COMPACTED
    stream = raw.watch()
    await stream.write(create(key=b"a", start_revision=start))
    made, ended = await answers(stream, 2)
    assert (made.created, made.canceled) == (True, False)
    assert (ended.canceled, ended.compact_revision, len(ended.events)) == (True, now, 0)
    stream.cancel()


async def test_long_catching_up_comes_in_fragments(raw: Raw) -> None:
    """No message is larger than a client takes; put together nothing is missing."""
    start = await raw.revision() + 1
    for number in range(8):
        await raw("KV", "Put", pb.PutRequest(key=b"g/%d" % number, value=b"%d" % number * 900_000))
    stream = raw.watch()
    await stream.write(create(key=b"g/", range_end=b"g0", start_revision=start, fragment=True))
    seen: list[bytes] = []
    while len(seen) < 8:
        (answer,) = await answers(stream, 1)
        assert answer.ByteSize() < 4 << 20
        seen += [event.kv.value[:1] for event in answer.events]
    assert seen == [b"%d" % number for number in range(8)]
    assert not answer.fragment
    stream.cancel()


async def test_clients_that_vanish_in_the_middle_of_a_stream(raw: Raw, address: str) -> None:
    code = """
import asyncio, os, sys
from kube_actors.rpc.channel import Channel, Stub
from kube_actors.rpc.pb import etcd_pb2 as pb, store_pb2
async def main():
    channel = Channel([sys.argv[1]])
    services = pb.DESCRIPTOR.services_by_name
    watch = Stub(channel, services["Watch"]).open("Watch")
    for _ in range(50):
        create = pb.WatchCreateRequest(key=b"v", range_end=b"w", start_revision=1)
        await watch.write(pb.WatchRequest(create_request=create))
    keep = Stub(channel, services["Lease"]).open("LeaseKeepAlive")
    await keep.write(pb.LeaseKeepAliveRequest(ID=1))
    batch = Stub(channel, store_pb2.DESCRIPTOR.services_by_name["Store"]).open("Batch")
    try:
        await batch.write(store_pb2.BatchRequest(writes=[store_pb2.Write(key=b"v/batch", value=b"x")]))
    except Exception: pass
    await watch.read()
    os._exit(1)
asyncio.run(main())
"""
    clients = [subprocess.Popen([sys.executable, "-c", code, address], stderr=subprocess.DEVNULL) for _ in range(2)]
    while any(client.poll() is None for client in clients):
        await raw("KV", "Put", pb.PutRequest(key=b"v/1", value=b"x" * 1000))
        await asyncio.sleep(0.01)
    for _ in range(20):
        await raw("KV", "Put", pb.PutRequest(key=b"v/1", value=b"x" * 1000))
    assert (await raw("KV", "Range", pb.RangeRequest(key=b"v/1"))).count == 1


NO_AUTH = ("FAILED_PRECONDITION", "etcdserver: authentication is not enabled")


async def test_authentication_is_not_enabled(raw: Raw) -> None:
    assert await raw.refusal("Auth", "Authenticate", pb.AuthenticateRequest(name="root", password="x")) == NO_AUTH


# --- where ours is stricter than etcd, on purpose -----------------------------------------------------------------


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Raw]:
    server = StoreServer(StoreConfig((Listener("127.0.0.1:0"),), tmp_path / "store"))
    await server.start()
    found = Raw(server.addresses[0])
    yield found
    await found.channel.close()
    await server.stop()


async def test_a_key_put_and_deleted_to_the_last_key_is_refused(ours: Raw) -> None:
    """etcd lets it pass, and a watch then sees a key twice at one revision."""
    everything = pb.DeleteRangeRequest(key=b"a", range_end=b"\0")
    assert await ours.refusal("KV", "Txn", pb.TxnRequest(success=[op(everything), op(A)])) == DUPLICATE


@pytest.mark.parametrize("fields", [{"sort_target": 9, "sort_order": 1}, {"sort_order": 9}])
async def test_an_unknown_order_is_refused(ours: Raw, fields: dict[str, Any]) -> None:
    """etcd 3.4 dies of it; later ones answer this."""
    expected = ("INVALID_ARGUMENT", "etcdserver: invalid sort option")
    assert await ours.refusal("KV", "Range", pb.RangeRequest(key=b"a", **fields)) == expected


async def test_users_and_roles_are_refused(ours: Raw) -> None:
    """etcd keeps some while authentication is off; ours never will have any."""
    for method in pb.DESCRIPTOR.services_by_name["Auth"].methods:
        request = getattr(pb, method.input_type.name)()
        if method.name == "AuthStatus":
            assert not (await ours("Auth", method.name, request)).enabled
        elif method.name == "AuthDisable":
            await ours("Auth", method.name, request)
        else:
            assert await ours.refusal("Auth", method.name, request) == NO_AUTH


async def test_a_vanished_client_leaves_no_watch_behind(tmp_path: Path) -> None:
    server = StoreServer(StoreConfig((Listener("127.0.0.1:0"),)))
    await server.start()
    for _ in range(5):
        client = StoreClient(server.addresses)
        await client.start()
        await client.put(b"/a", b"1")
        watch = client.watch(b"/", 1)
        await anext(watch)
        assert len(server._hub) == 1
        await watch.aclose()
        await client.stop()
        async with asyncio.timeout(5):
            while len(server._hub):
                await asyncio.sleep(0.01)
    await server.stop()


async def test_a_second_process_on_the_same_file_says_so_in_one_line(store_process: Any, tmp_path: Path) -> None:
    process = await asyncio.to_thread(store_process, "127.0.0.1:0", tmp_path)
    code = """
import pathlib, sys
from kube_actors.api.errors import ConfigError
from kube_actors.store.backend import Backend
try:
    Backend(pathlib.Path(sys.argv[1]), 1 << 30)
except ConfigError as error:
    print(error)
"""
    second = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert second.stdout == f"{tmp_path} is in use by another store; stop it or choose another folder\n"
    assert process.poll() is None
