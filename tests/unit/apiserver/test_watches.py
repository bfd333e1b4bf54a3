"""Watches: nothing left out, nothing twice, each in its order."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api import encoding, errors
from kube_actors.api.resources import CONFIGMAPS, PODS
from kube_actors.api.selectors import FieldSelector, LabelSelector
from kube_actors.apiserver import fields
from kube_actors.apiserver.cache.bucket import Bucket
from kube_actors.apiserver.cache.entry import Entry
from kube_actors.apiserver.cache.selection import Selection
from kube_actors.apiserver.cache.watcher import Watcher


def summary(batch):
    """(type, name, version) of events."""
    seen = []
    for event in batch:
        obj = encoding.loads(event.frame.data)
        seen.append((event.type.value, obj["metadata"].get("name"), int(obj["metadata"]["resourceVersion"])))
    return seen


async def collect(session, count):
    """The first events of a watch."""
    events, found = session.events(), []
    async with asyncio.timeout(5):
        async for batch in events:
            found += summary(batch)
            if len(found) >= count:
                break
    await events.aclose()
    return found


async def make(api, name, **labels):
    made = await api.create(CONFIGMAPS, {"metadata": {"name": name, "labels": labels}})
    return int(made["metadata"]["resourceVersion"])


async def test_a_watch_from_a_version_replays_what_came_after_it(api):
    first = await make(api, "a")
    await api.patch(CONFIGMAPS, "a", {"data": {"k": "v"}})
    await make(api, "b")
    await api.delete(CONFIGMAPS, "a")
    await api.pipeline.cache.fresh()
    session = await api.watch(CONFIGMAPS, "default", resource_version=str(first))
    assert await collect(session, 3) == [
        ("MODIFIED", "a", first + 1),
        ("ADDED", "b", first + 2),
        ("DELETED", "a", first + 3),
    ]


@pytest.mark.parametrize("version", ["", "0"])
async def test_a_watch_without_a_version_begins_with_what_is_there(api, version):
    await make(api, "b")
    await make(api, "a")
    await api.pipeline.cache.fresh()
    session = await api.watch(CONFIGMAPS, resource_version=version)
    assert [(kind, name) for kind, name, _ in await collect(session, 2)] == [("ADDED", "a"), ("ADDED", "b")]


async def test_an_object_enters_and_leaves_a_selection(api):
    start = await make(api, "a")
    await api.patch(CONFIGMAPS, "a", {"metadata": {"labels": {"on": "1"}}})
    await api.patch(CONFIGMAPS, "a", {"data": {"k": "v"}})
    await api.patch(CONFIGMAPS, "a", {"metadata": {"labels": {"on": "2"}}})
    await api.pipeline.cache.fresh()
    session = await api.watch(CONFIGMAPS, labels="on=1", resource_version=str(start))
    assert await collect(session, 3) == [
        ("ADDED", "a", start + 1),
        ("MODIFIED", "a", start + 2),
        ("DELETED", "a", start + 3),
    ]


async def test_initial_events_end_with_a_bookmark_even_of_nothing(api):
    session = await api.watch(
        CONFIGMAPS, send_initial_events=True, resource_version_match="NotOlderThan", allow_bookmarks=True
    )
    events = session.events()
    [bookmark] = await anext(events)
    await events.aclose()
    obj = encoding.loads(bookmark.frame.data)
    assert bookmark.type.value == "BOOKMARK"
    assert obj["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert (obj["kind"], int(obj["metadata"]["resourceVersion"])) == ("ConfigMap", api.pipeline.cache.revision)


async def test_initial_events_need_a_version_match(api):
    with pytest.raises(errors.Invalid, match="sendInitialEvents requires setting resourceVersionMatch"):
        await api.watch(CONFIGMAPS, send_initial_events=True)


async def test_a_version_older_than_history_is_an_error_event(api):
    await make(api, "a")
    api.pipeline.cache.bucket(CONFIGMAPS).window.low = 100
    session = await api.watch(CONFIGMAPS, resource_version="5")
    [[event]] = [batch async for batch in session.events()]
    status = encoding.loads(event.frame.data)
    assert event.type.value == "ERROR"
    assert (status["reason"], status["code"]) == ("Expired", 410)
    assert status["message"] == "too old resource version: 5 (100)"


@pytest.mark.looptime
async def test_a_quiet_watch_gets_bookmarks_and_ends_in_time(api):
    session = await api.watch(CONFIGMAPS, resource_version="1", allow_bookmarks=True, timeout_seconds=150)
    kinds = [event.type.value async for batch in session.events() for event in batch]
    assert kinds == ["BOOKMARK", "BOOKMARK", "BOOKMARK"]
    assert asyncio.get_running_loop().time() == pytest.approx(150, abs=1)


async def test_a_slow_watcher_is_cut_and_told_to_list_again(api):
    session = await api.watch(CONFIGMAPS, resource_version=str(api.storage.head))
    events = session.events()
    reading = asyncio.gather(anext(events))
    await make(api, "first")
    [first] = await reading
    assert summary(first)[0][1] == "first"
    [watcher] = api.pipeline.cache.bucket(CONFIGMAPS).watchers()
    watcher._limit = 2
    for number in range(4):
        await make(api, f"c{number}")
    await api.pipeline.cache.fresh()
    [event] = await anext(events)
    assert event.type.value == "ERROR"
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    assert not list(api.pipeline.cache.bucket(CONFIGMAPS).watchers())


async def test_all_watchers_share_the_bytes_of_an_event(api):
    sessions = [await api.watch(CONFIGMAPS, resource_version=str(api.storage.head)) for _ in range(2)]
    streams = [session.events() for session in sessions]
    reading = asyncio.gather(*(anext(stream) for stream in streams))
    await asyncio.sleep(0)
    await make(api, "a")
    [[one], [other]] = await reading
    assert one.frame is other.frame
    assert one.frame.form("x", lambda data: data + b"!") is other.frame.form("x", lambda data: b"never made twice")
    for stream in streams:
        await stream.aclose()


async def test_a_lost_history_is_loaded_anew_and_watchers_list_again(api):
    await make(api, "a")
    await api.pipeline.cache.fresh()
    session = await api.watch(CONFIGMAPS, resource_version=str(api.storage.head))
    events = session.events()
    reading = asyncio.gather(anext(events))
    await asyncio.sleep(0)
    api.storage.hold_events()
    await make(api, "b")
    await api.storage.compact(api.storage.head + 1)
    api.storage.let_events_go()
    [[event]] = await reading
    assert event.type.value == "ERROR"
    await events.aclose()
    assert await api.names(CONFIGMAPS) == ["a", "b"]


async def test_a_value_that_is_no_object_is_left_out(api):
    await api.storage.put(b"/registry/configmaps/default/bad", b"k8s\x00nonsense")
    await make(api, "good")
    assert await api.names(CONFIGMAPS) == ["good"]


NODES = st.sampled_from(["", "n1", "n2"])
NAMES = st.sampled_from(["a/x", "a/y", "b/x"])
STEPS = st.lists(st.tuples(NAMES, NODES, st.booleans(), st.booleans()), max_size=30)
SELECTIONS = (
    ("", "", ""),
    ("a", "", ""),
    ("", "", "spec.nodeName=n1"),
    ("", "on=1", "spec.nodeName!=n1"),
    ("b", "on=1", ""),
    ("", "", "metadata.name=x"),
    ("a", "", "metadata.name=y,spec.nodeName=n2"),
)


@given(STEPS)
def test_every_watcher_can_follow_what_its_selection_holds(steps):
    """Whoever applies the events of a watch has, after each step, what a list with its selection gives."""
    asyncio.run(_follow(steps))


async def _follow(steps):
    read = fields.reader("Pod")
    bucket = Bucket(0, read)
    watchers = []
    for namespace, labels, selector in SELECTIONS:
        selection = Selection(
            read,
            namespace,
            LabelSelector.parse(labels) if labels else None,
            FieldSelector.parse(selector) if selector else None,
        )
        watcher = Watcher(selection, 0)
        bucket.attach(watcher)
        watchers.append((watcher, {}))
    for revision, (key, node, on, deleted) in enumerate(steps, start=1):
        bucket.apply(key, None if deleted else _entry(key, revision, node, on), revision)
        bucket.flush()
        for watcher, known in watchers:
            for event in watcher.take():
                obj = encoding.loads(event.frame.data)
                name = f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
                assert obj["metadata"]["resourceVersion"] == str(revision)
                assert (name in known) == (event.type.value != "ADDED")
                if event.type.value == "DELETED":
                    del known[name]
                else:
                    known[name] = obj
            held = {entry.key for entry in bucket.entries(*bucket.keys()) if watcher.selection.matches(entry)}
            assert known.keys() == held


def _entry(key, revision, node, on):
    namespace, _, name = key.partition("/")
    metadata = {"name": name, "namespace": namespace, "labels": {"on": "1"} if on else {}}
    obj = {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"nodeName": node}}
    return Entry.of_stored(key, revision, encoding.encode(obj))


async def test_pods_of_a_node_are_found_by_their_node(api, new_pod):
    session = await api.watch(PODS, fields="spec.nodeName=n1", resource_version=str(api.storage.head))
    bucket = api.pipeline.cache.bucket(PODS)
    events = session.events()
    reading = asyncio.gather(anext(events))
    await asyncio.sleep(0)
    assert not bucket._wide
    await api.create(PODS, new_pod("other", nodeName="n2"))
    await api.create(PODS, new_pod("mine", nodeName="n1"))
    [batch] = await reading
    assert [name for _, name, _ in summary(batch)] == ["mine"]
    await events.aclose()
    assert not bucket._narrow
    assert not bucket._trigger_fields
