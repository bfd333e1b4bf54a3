"""The small parts: index, leases, ranges, records, sorted keys, guarantees."""

from __future__ import annotations

import bisect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.store import guarantees
from kube_actors.store.client_watch import EventBatch, StoreEvent
from kube_actors.store.errors import KV, Compacted, LeaseExists, LeaseNotFound, LeaseTTLTooLarge, from_text
from kube_actors.store.index import KeyIndex
from kube_actors.store.leases import Leases
from kube_actors.store.ranges import prefix_end
from kube_actors.store.records import TOMBSTONE, decode, decode_head, encode, first_id
from kube_actors.store.sorted_keys import SortedKeys


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=3)), max_size=300), st.binary(max_size=3), st.binary())
def test_sorted_keys_are_a_sorted_set(steps: list[tuple[bool, bytes]], start: bytes, end: bytes) -> None:
    keys, model = SortedKeys(), set()
    for add, key in steps:
        if add and key not in model:
            keys.add(key)
            model.add(key)
        elif not add and key in model:
            keys.remove(key)
            model.discard(key)
    assert list(keys.between(b"", None)) == sorted(model)
    assert list(keys.between(start, end)) == [key for key in sorted(model) if start <= key < end]


def test_many_keys_are_split_over_chunks() -> None:
    keys = SortedKeys()
    expected: list[bytes] = []
    for number in range(5000):
        key = str(number * 7919 % 5000).encode()
        keys.add(key)
        bisect.insort(expected, key)
    assert list(keys.between(b"2", b"4")) == [key for key in expected if b"2" <= key < b"4"]


def index_of_a() -> KeyIndex:
    """put a (2), put a (4), delete a (5)."""
    index = KeyIndex()
    for revision in (2, 4):
        index.push(b"a", (first_id(revision), 2, 1, 0))
    index.push(b"a", (first_id(5) | TOMBSTONE, 0, 0, 0))
    return index


@pytest.mark.parametrize(
    ("revision", "gone", "shown"),
    [
        (3, [], {3: first_id(2), 4: first_id(4), 5: None}),
        (4, [first_id(2)], {4: first_id(4), 5: None}),
        (5, [first_id(2), first_id(4)], {5: None}),
        (6, [first_id(2), first_id(4), first_id(5) | TOMBSTONE], {6: None}),
    ],
)
def test_compaction_keeps_what_its_revision_shows(revision: int, gone: list[int], shown: dict[int, int | None]) -> None:
    index = index_of_a()
    assert index.compact(b"a", revision) == gone
    assert {at: index.at(b"a", at) for at in shown} == shown
    assert (b"a" in index.heads) == (revision < 6)


def test_undo_restores_every_state() -> None:
    index = KeyIndex()
    first = index.push(b"a", (first_id(2), 2, 1, 0))
    second = index.push(b"a", (first_id(3) | TOMBSTONE, 0, 0, 0))
    index.undo(b"a", second)
    assert index.live(b"a") == (first_id(2), 2, 1, 0)
    assert index.compactable() == []
    index.undo(b"a", first)
    assert list(index.range(b"", None, 9)) == []


def test_a_lease_that_is_renewed_does_not_end() -> None:
    leases = Leases()
    lease = leases.grant(7, 10, now=0)
    assert leases.renew(7, now=8) == 10
    assert leases.expired(now=11) == []
    assert leases.expired(now=18.5) == [7]
    leases.remove(lease)
    assert leases.renew(7, now=19) == 0


def test_leases_refuse_as_etcd_does() -> None:
    leases = Leases()
    assert leases.grant(1, 1, now=0).ttl == 2
    with pytest.raises(LeaseExists):
        leases.grant(1, 10, now=0)
    with pytest.raises(LeaseTTLTooLarge):
        leases.grant(2, 9_000_000_001, now=0)
    with pytest.raises(LeaseNotFound):
        leases.get(5)


def test_the_end_of_a_prefix() -> None:
    assert prefix_end(b"/a/") == b"/a0"
    assert prefix_end(b"a\xff\xff") == b"b"
    assert prefix_end(b"") == prefix_end(b"\xff") == b"\0"


def test_a_record_comes_back_and_a_damaged_one_does_not() -> None:
    name = first_id(7).to_bytes(12, "big")
    record = encode(first_id(7), b"key", b"value", 3, 2, 9)
    assert decode(first_id(7), record) == KV(b"key", b"value", 7, 3, 2, 9)
    assert decode_head(name, record) == (b"key", 3, 2, 9)
    with pytest.raises(ValueError, match="checksum"):
        decode_head(name, record[:-1] + b"X")
    with pytest.raises(ValueError, match="checksum"):
        decode_head(first_id(8).to_bytes(12, "big"), record)
    with pytest.raises(ValueError, match="too short"):
        decode_head(name, record[:10])


def test_an_error_is_found_by_its_text() -> None:
    assert isinstance(from_text(Compacted.text, "OUT_OF_RANGE"), Compacted)
    assert str(from_text("something new", "INTERNAL")) == "something new (INTERNAL)"


def event(revision: int, key: bytes = b"k") -> StoreEvent:
    return StoreEvent(False, KV(key, b"", revision, revision, 1, 0), None)


@pytest.mark.parametrize(
    ("history", "broken"),
    [
        ([[event(3)], [event(2)]], "ordered"),
        ([[event(2), event(2)]], "unique"),
        ([[event(2, b"a")], [event(2, b"b")]], "atomic"),
    ],
)
def test_broken_promises_are_named(history: list[list[StoreEvent]], broken: str) -> None:
    batches = [EventBatch(events, events[-1].kv.mod_revision) for events in history]
    assert any(wrong.startswith(f"{broken}:") for wrong in guarantees.violations(batches))


def test_missing_and_early_events_are_named() -> None:
    batches = [EventBatch([event(2)], 2), EventBatch([], 5), EventBatch([event(4)], 4)]
    wrong = guarantees.violations(batches, guarantees.resumable(3), guarantees.reliable([(2, b"k"), (3, b"k")]))
    assert "check: revision 2 is before the start 3" in wrong
    assert "check: b'k' at revision 3 is missing" in wrong
    assert "bookmarkable: revision 4 came after progress to 5" in wrong
