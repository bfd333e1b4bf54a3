from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kube_actors.aio.clock import LoopClock
from kube_actors.api import Obj, errors
from kube_actors.api.meta import labels_of, name_of
from kube_actors.api.resources import CONFIGMAPS
from kube_actors.client.informer import Informer, InformerFactory
from kube_actors.client.mutation import CacheMutated
from kube_actors.client.testing import FakeKubeClient
from kube_actors.rpc.errors import RpcError

pytestmark = pytest.mark.looptime


def config_map(name: str, namespace: str = "default", **labels: str) -> Obj:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata}


class Recorder:
    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def on_add(self, obj: Obj, is_initial: bool) -> None:
        self.heard.append(("add", name_of(obj), is_initial))

    def on_update(self, old: Obj, new: Obj) -> None:
        self.heard.append(
            ("update", name_of(new), old["metadata"]["resourceVersion"] != new["metadata"]["resourceVersion"])
        )

    def on_delete(self, obj: Obj) -> None:
        self.heard.append(("delete", name_of(obj)))


class Fixture:
    def __init__(self) -> None:
        self.client = FakeKubeClient([config_map("a"), config_map("b", app="x")], clock=LoopClock())
        self.informer = Informer(
            self.client,
            CONFIGMAPS,
            indexers={"app": lambda obj: [labels_of(obj)["app"]] if "app" in labels_of(obj) else []},
            clock=LoopClock(),
        )
        self.handler = Recorder()
        self.informer.add_handler(self.handler)


@pytest.fixture
async def it() -> AsyncIterator[Fixture]:
    fixture = Fixture()
    yield fixture
    await fixture.informer.stop()


async def settle() -> None:
    await asyncio.sleep(0.01)


async def test_the_first_list_is_in_the_cache_and_told_before_synced_returns(it: Fixture) -> None:
    assert not it.informer.has_synced
    await it.informer.start()
    await it.informer.synced()
    assert it.handler.heard == [("add", "a", True), ("add", "b", True)]
    found = it.informer.get("default/a")
    assert found is not None
    assert name_of(found) == "a"
    assert len(it.informer) == 2


async def test_changes_reach_the_cache_and_the_handlers_in_order(it: Fixture) -> None:
    await it.informer.start()
    await it.informer.synced()
    it.handler.heard.clear()
    await it.client.create(CONFIGMAPS, config_map("c"))
    await it.client.patch(CONFIGMAPS, "c", {"data": {"k": "v"}}, "default")
    await it.client.delete(CONFIGMAPS, "c", "default")
    await settle()
    assert it.handler.heard == [("add", "c", False), ("update", "c", True), ("delete", "c")]
    assert it.informer.get("default/c") is None


async def test_indices_follow_the_objects(it: Fixture) -> None:
    await it.informer.start()
    await it.informer.synced()
    assert [name_of(obj) for obj in it.informer.by_index("app", "x")] == ["b"]
    await it.client.patch(CONFIGMAPS, "b", {"metadata": {"labels": {"app": "y"}}}, "default")
    await settle()
    assert it.informer.by_index("app", "x") == []
    assert [name_of(obj) for obj in it.informer.by_index("app", "y")] == ["b"]
    await it.client.delete(CONFIGMAPS, "b", "default")
    await settle()
    assert it.informer.by_index("app", "y") == []
    with pytest.raises(KeyError):
        it.informer.by_index("no-such-index", "x")


async def test_a_handler_that_comes_late_hears_of_what_is_there(it: Fixture) -> None:
    await it.informer.start()
    await it.informer.synced()
    late = Recorder()
    it.informer.add_handler(late)
    assert late.heard == [("add", "a", True), ("add", "b", True)]


async def test_after_an_expired_watch_a_new_list_tells_what_was_missed(it: Fixture) -> None:
    await it.informer.start()
    await it.informer.synced()
    it.handler.heard.clear()
    # While the watch is down: a goes, b changes, c comes; and the history is compacted. Lists are expired
    # when they come, too, which may not make the informer spin.
    it.client.fail("watch", CONFIGMAPS, RpcError("UNAVAILABLE", "away"))
    it.client.fail("list", CONFIGMAPS, RpcError("UNAVAILABLE", "away"))
    it.client.remove(CONFIGMAPS, "default/a")
    it.client.put(config_map("b", app="z"))
    it.client.put(config_map("c"))
    it.client.compacted = 100
    it.client.fail("watch", CONFIGMAPS, errors.Expired("too old"))
    await asyncio.sleep(1.0)
    it.client.compacted = 0
    await asyncio.sleep(30.0)
    assert it.handler.heard == [("delete", "a"), ("update", "b", True), ("add", "c", False)]


async def test_a_server_that_is_away_at_first_is_waited_for(it: Fixture) -> None:
    it.client.fail("list", CONFIGMAPS, RpcError("UNAVAILABLE", "away"), times=3)
    await it.informer.start()
    await it.informer.synced()
    waited = asyncio.get_running_loop().time()
    assert 0.4 < waited < 1.2  # 0.1 + 0.2 + 0.4, with jitter


async def test_an_object_created_again_while_nobody_looked_is_an_update(it: Fixture) -> None:
    await it.informer.start()
    await it.informer.synced()
    it.handler.heard.clear()
    it.client.fail("watch", CONFIGMAPS, errors.Expired("too old"))
    it.client.remove(CONFIGMAPS, "default/a")
    it.client.put(config_map("a"))
    await asyncio.sleep(5.0)
    assert it.handler.heard == [("update", "a", True)]


async def test_a_handler_that_raises_stops_neither_the_others_nor_the_informer(it: Fixture) -> None:
    class Broken(Recorder):
        def on_add(self, obj: Obj, is_initial: bool) -> None:
            raise RuntimeError("broken")

    second = Informer(it.client, CONFIGMAPS, clock=LoopClock())
    heard = Recorder()
    second.add_handler(Broken())
    second.add_handler(heard)
    await second.start()
    await second.synced()
    assert len(heard.heard) == 2
    assert second.handler_failures == 2
    await second.stop()


async def test_a_reader_that_changes_a_cached_object_is_found_out() -> None:
    fixture = Fixture()
    await fixture.informer.start()
    await fixture.informer.synced()
    found = fixture.informer.get("default/a")
    assert found is not None
    found["metadata"]["labels"]["changed"] = "yes"
    with pytest.raises(CacheMutated, match="default/a was changed"):
        await fixture.informer.stop()


async def test_selectors_limit_what_is_in_the_cache(it: Fixture) -> None:
    informer = Informer(it.client, CONFIGMAPS, labels="app=x", clock=LoopClock())
    heard = Recorder()
    informer.add_handler(heard)
    await informer.start()
    await informer.synced()
    await it.client.patch(CONFIGMAPS, "b", {"metadata": {"labels": {"app": "y"}}}, "default")
    await settle()
    assert heard.heard == [("add", "b", True), ("delete", "b")]
    await informer.stop()


async def test_a_factory_gives_one_informer_a_scope(it: Fixture) -> None:
    factory = InformerFactory(it.client, clock=LoopClock())
    everywhere = factory.informer(CONFIGMAPS)
    assert factory.informer(CONFIGMAPS, indexers={"n": lambda obj: [name_of(obj)]}) is everywhere
    assert factory.informer(CONFIGMAPS, namespace="kube-system") is not everywhere
    await factory.start_all()
    await factory.synced()
    assert [name_of(obj) for obj in everywhere.by_index("n", "a")] == ["a"]
    assert [name_of(obj) for obj in everywhere.list("default")] == ["a", "b"]
    await factory.stop_all()
