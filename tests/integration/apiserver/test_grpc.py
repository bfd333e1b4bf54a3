"""kube_actors.v1.Kube over real gRPC: certificates, tokens, sessions, watches, bindings, logs."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from kube_actors.api import errors
from kube_actors.api.resources import CONFIGMAPS, NODES, PODS
from kube_actors.client.client import KubeClient
from kube_actors.client.types import APPLY_PATCH, Binding
from kube_actors.rpc.pb import api_pb2, node_pb2
from kube_actors.rpc.server import Listener, Server, Service
from kube_actors.rpc.tls import ClientTLS


@pytest.fixture
async def client(server):
    made = server.client()
    await made.start()
    yield made
    await made.stop()


def pod(name: str) -> dict:
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }


async def test_a_burst_of_calls_on_one_session_is_answered_whole(client):
    made = await asyncio.gather(*(client.create(PODS, pod(f"p{number}")) for number in range(1500)))
    assert len({one["metadata"]["resourceVersion"] for one in made}) == 1500
    listed = await client.list(PODS)
    assert len(listed.items) == 1500
    found = await asyncio.gather(*(client.get(PODS, f"p{number}", "default") for number in range(200)))
    assert [one["metadata"]["name"] for one in found] == [f"p{number}" for number in range(200)]


async def test_bindings_of_one_message_succeed_and_fail_each_on_its_own(client):
    for name in ("a", "b"):
        await client.create(PODS, pod(name))
    results = await client.bind(
        [Binding("default", "a", "", "n1"), Binding("default", "nope", "", "n1"), Binding("default", "b", "x", "n1")]
    )
    assert results[0] is None
    assert isinstance(results[1], errors.NotFound)
    assert isinstance(results[2], errors.Conflict)
    assert (await client.get(PODS, "a", "default"))["spec"]["nodeName"] == "n1"
    assert "nodeName" not in (await client.get(PODS, "b", "default"))["spec"]


async def test_a_watch_sees_every_change_in_order(client):
    start = (await client.list(CONFIGMAPS)).resource_version
    names = [f"c{number}" for number in range(300)]

    async def follow() -> list[str]:
        seen: list[str] = []
        async with aclosing(client.watch(CONFIGMAPS, "default", resource_version=start)) as batches:
            async for batch in batches:
                seen += [event.object["metadata"]["name"] for event in batch if event.type == "ADDED"]
                if len(seen) == len(names):
                    break
        return seen

    following = asyncio.gather(follow())
    made = await asyncio.gather(
        *(
            client.create(
                CONFIGMAPS, {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": n, "namespace": "default"}}
            )
            for n in names
        )
    )
    by_version = sorted(made, key=lambda one: int(one["metadata"]["resourceVersion"]))
    async with asyncio.timeout(10):
        [seen] = await following
    assert seen == [one["metadata"]["name"] for one in by_version]


async def test_initial_events_end_with_their_bookmark(client):
    await client.create(PODS, pod("a"))
    async with aclosing(client.watch(PODS, send_initial_events=True)) as batches:
        events = []
        async with asyncio.timeout(10):
            async for batch in batches:
                events += batch
                if batch[-1].type == "BOOKMARK":
                    break
    assert [event.type for event in events] == ["ADDED", "BOOKMARK"]
    assert events[-1].object["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_refusals_come_with_their_status(client):
    with pytest.raises(errors.NotFound, match=r'^pods "x" not found$'):
        await client.get(PODS, "x", "default")
    with pytest.raises(errors.Invalid, match=r"spec.containers: Required value") as refusal:
        await client.create(PODS, {**pod("x"), "spec": {}})
    assert refusal.value.status()["details"]["causes"][0]["field"] == "spec.containers"


async def test_a_token_opens_the_listener_of_tokens_and_a_wrong_one_does_not(server):
    address = server.api.grpc_addresses[1]
    bare = ClientTLS(server.pki.ca, server_name="apiserver.kube-actors")
    for token, refusal in (("weak", errors.Forbidden), ("wrong", errors.Unauthorized), ("", errors.Forbidden)):
        client = KubeClient((address,), bare, token)
        await client.start()
        with pytest.raises(refusal):
            await client.list(PODS)
        await client.stop()
    client = KubeClient((address,), bare, "integration-test-token")
    await client.start()
    assert (await client.list(PODS)).items == []
    await client.stop()


async def test_who_has_a_certificate_of_a_stranger_does_nothing(server):
    client = server.client("jane", ("developers",))
    await client.start()
    with pytest.raises(errors.Forbidden, match=r'User "jane" cannot list resource "pods"'):
        await client.list(PODS)
    await client.stop()


class Agent:
    """A node agent that has one log."""

    def __init__(self) -> None:
        self.asked: list[api_pb2.LogsRequest] = []

    async def Logs(self, request, call):
        self.asked.append(request)
        for line in ("one\n", "two\n"):
            yield api_pb2.LogsChunk(data=line.encode())


async def test_a_log_comes_from_the_agent_of_the_pods_node(server, client, run_kubectl):
    agent = Agent()
    tls = server.pki.server_tls("node.kube-actors")
    service = Service(node_pb2.DESCRIPTOR.services_by_name["Node"], agent)
    node = Server([Listener("127.0.0.1:0", tls)], [service])
    await node.start()
    port = int(node.addresses[0].rpartition(":")[2])
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    await client.create(NODES, {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1"}, "status": status})
    await client.create(PODS, pod("a"))
    assert await run_kubectl("logs", "a") == ""
    await client.bind([Binding("default", "a", "", "n1")])
    assert [chunk async for chunk in client.logs("default", "a")] == [b"one\n", b"two\n"]
    assert await run_kubectl("logs", "a", "--tail=5", "--timestamps") == "one\ntwo\n"
    assert (agent.asked[1].container, agent.asked[1].tail_lines, agent.asked[1].timestamps) == ("c", 5, True)
    assert "container zz is not valid for pod a" in await run_kubectl("logs", "a", "-c", "zz", fails=True)
    await node.stop(0)


async def test_the_server_tells_what_it_serves(client):
    found = {(one.group, one.plural) for one in await client.discover()}
    assert {("", "pods"), ("apps", "deployments")} <= found
    assert (await client.version()).git_version == "v1.36.0"


async def test_server_side_apply_over_grpc(client):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}}
    await client.create(CONFIGMAPS, {**config, "metadata": {"name": "a", "namespace": "default"}})
    changed = {**config, "data": {"k": "2"}}
    with pytest.raises(errors.Conflict, match=r'conflict with "kubernetes-admin" using v1: \.data\.k'):
        await client.patch(CONFIGMAPS, "a", changed, "default", type=APPLY_PATCH, field_manager="m")
    text = b"apiVersion: v1\nkind: ConfigMap\ndata: {k: '2'}\n"
    forced = await client.patch(CONFIGMAPS, "a", text, "default", type=APPLY_PATCH, field_manager="m", force=True)
    assert [one["manager"] for one in forced["metadata"]["managedFields"]] == ["m", "kubernetes-admin"]
