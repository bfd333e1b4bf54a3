from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from kube_actors.api import errors
from kube_actors.api.resources import CONFIGMAPS, PODS
from kube_actors.client.client import KubeClient
from kube_actors.client.types import Binding
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import api_pb2 as pb


def config_map(name: str, **metadata: Any) -> dict[str, Any]:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default", **metadata}}


async def test_an_object_that_was_created_is_read_back(client: KubeClient) -> None:
    created = await client.create(CONFIGMAPS, config_map("a"))
    assert created["metadata"]["resourceVersion"] == "1"
    assert await client.get(CONFIGMAPS, "a", "default") == created


async def test_refusals_are_raised_as_the_class_of_their_reason(client: KubeClient) -> None:
    await client.create(CONFIGMAPS, config_map("a"))
    with pytest.raises(errors.AlreadyExists, match='configmaps "a" already exists'):
        await client.create(CONFIGMAPS, config_map("a"))
    with pytest.raises(errors.NotFound):
        await client.get(CONFIGMAPS, "b", "default")


async def test_calls_of_one_turn_travel_in_one_message(client: KubeClient, server: Any) -> None:
    await client.create(CONFIGMAPS, config_map("first"))
    await asyncio.gather(*(client.create(CONFIGMAPS, config_map(f"a{i}")) for i in range(100)))
    assert max(server.kube.batch_sizes) == 100


async def test_a_batch_larger_than_a_message_may_be_is_split(client: KubeClient, server: Any) -> None:
    big = [config_map(f"a{i}") | {"data": {"x": "x" * 1_000_000}} for i in range(10)]
    await asyncio.gather(*(client.create(CONFIGMAPS, each) for each in big))
    assert len(server.kube.batch_sizes) >= 3
    assert sum(server.kube.batch_sizes) == 10


async def test_a_write_whose_stream_broke_before_the_answer_fails_as_transient(client: KubeClient, server: Any) -> None:
    server.kube.mute = True
    write = asyncio.gather(client.create(CONFIGMAPS, config_map("a")), return_exceptions=True)
    await server.kube.swallowed.wait()
    await server.stop()
    await server.start()
    (error,) = await write
    assert isinstance(error, RpcError)
    assert error.transient


async def test_a_get_whose_stream_broke_is_asked_again(client: KubeClient, server: Any) -> None:
    await client.create(CONFIGMAPS, config_map("a"))
    server.kube.mute = True
    read = asyncio.gather(client.get(CONFIGMAPS, "a", "default"))
    await server.kube.swallowed.wait()
    await server.stop()
    server.kube.mute = False
    await server.start()
    (obj,) = await read
    assert obj["metadata"]["name"] == "a"


async def test_a_write_that_was_never_sent_waits_for_the_server(client: KubeClient, server: Any) -> None:
    await client.create(CONFIGMAPS, config_map("a"))
    await server.stop()
    await asyncio.sleep(0.2)
    write = asyncio.gather(client.create(CONFIGMAPS, config_map("b")))
    await asyncio.sleep(0.3)
    await server.start()
    await write
    assert ("default", "b") in server.kube.objects


async def test_a_write_to_a_server_that_is_away_fails_when_patience_ends(tmp_path: Any) -> None:
    client = KubeClient([f"unix:{tmp_path}/nobody.sock"], patience=0.2)
    await client.start()
    with pytest.raises(RpcError, match="UNAVAILABLE"):
        await client.create(CONFIGMAPS, config_map("a"))
    await client.stop()


async def test_a_call_without_an_answer_ends_at_its_timeout(server: Any) -> None:
    server.kube.mute = True
    client = KubeClient([server.address], timeout=0.2)
    await client.start()
    with pytest.raises(RpcError, match="DEADLINE_EXCEEDED"):
        await client.get(CONFIGMAPS, "a", "default")
    await client.stop()


async def test_a_session_that_is_refused_fails_its_calls_with_the_refusal(client: KubeClient, server: Any) -> None:
    server.kube.refuse = errors.Unauthorized("Unauthorized")
    with pytest.raises(errors.Unauthorized):
        await client.create(CONFIGMAPS, config_map("a"))
    server.kube.refuse = None
    await client.create(CONFIGMAPS, config_map("a"))


async def test_stopping_answers_the_calls_that_still_wait(client: KubeClient, server: Any) -> None:
    server.kube.mute = True
    read = asyncio.gather(client.get(CONFIGMAPS, "a", "default"), return_exceptions=True)
    await server.kube.swallowed.wait()
    await client.stop()
    (error,) = await read
    assert isinstance(error, RpcError)
    with pytest.raises(RpcError, match="not running"):
        await client.get(CONFIGMAPS, "a", "default")


async def test_an_idle_client_opens_no_session(client: KubeClient, server: Any) -> None:
    await asyncio.sleep(0.1)
    assert server.kube.sessions == 0


async def test_pages_of_a_list_are_joined(client: KubeClient) -> None:
    for i in range(5):
        await client.create(CONFIGMAPS, config_map(f"a{i}"))
    found = await client.list(CONFIGMAPS, "default")
    assert [obj["metadata"]["name"] for obj in found.items] == ["a0", "a1", "a2", "a3", "a4"]
    assert found.resource_version == "5"


async def test_an_error_event_is_raised_after_the_events_before_it(client: KubeClient, server: Any) -> None:
    status = b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410,"message":"too old"}'
    server.kube.watch_script = [
        pb.WatchBatch(
            events=[
                pb.WatchEvent(type=pb.WatchEvent.ADDED, object=b'{"metadata":{"name":"a"}}'),
                pb.WatchEvent(type=pb.WatchEvent.ERROR, object=status),
            ]
        )
    ]
    seen = []
    with pytest.raises(errors.Expired, match="too old"):  # noqa: PT012  the events before it are seen too
        async with aclosing(client.watch(CONFIGMAPS, resource_version="1")) as watch:
            async for events in watch:
                seen += events
    assert [(event.type, event.object["metadata"]["name"]) for event in seen] == [("ADDED", "a")]
    assert server.kube.watch_requests[0].allow_bookmarks


async def test_each_binding_has_its_own_result(client: KubeClient, server: Any) -> None:
    server.kube.bind_refusals["b"] = errors.conflict("pods", "", "b", "already bound")
    results = await client.bind([Binding("default", name, "", "node-1") for name in "abc"])
    assert [type(result) for result in results] == [type(None), errors.Conflict, type(None)]


async def test_options_of_a_delete_reach_the_server(client: KubeClient, server: Any) -> None:
    await client.create(PODS, config_map("a"))
    await client.delete(PODS, "a", "default", uid="u1", grace_seconds=0, propagation="Foreground")
    assert server.kube.deleted_with == {
        "kind": "DeleteOptions",
        "apiVersion": "meta.k8s.io/v1",
        "preconditions": {"uid": "u1"},
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Foreground",
    }


async def test_logs_come_as_chunks_and_absent_options_stay_absent(client: KubeClient) -> None:
    async with aclosing(client.logs("default", "a")) as log:
        assert [chunk async for chunk in log] == [b"end\n"]
    async with aclosing(client.logs("default", "a", tail_lines=0)) as log:
        assert [chunk async for chunk in log] == [b"tail=0\n", b"end\n"]


async def test_version_says_what_answers(client: KubeClient) -> None:
    assert (await client.version()).git_version == "v1.36.0"
