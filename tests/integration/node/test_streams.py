"""The gRPC Node service over a real socket: logs, exec, attach, dial, stats, and who may use them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kube_actors.api import Obj, encoding
from kube_actors.api.errors import BadRequest, Forbidden, NotFound, Unavailable
from kube_actors.api.resources import PODS
from kube_actors.client.testing import FakeKubeClient
from kube_actors.cluster.pki import Pki
from kube_actors.node.agent import NodeAgent
from kube_actors.node.config import NodeConfig
from kube_actors.node.runtime.simulated import Behaviour, SimulatedConfig, SimulatedRuntime
from kube_actors.node.server import NODE
from kube_actors.rpc.channel import Channel, Stub
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import api_pb2, node_pb2
from kube_actors.rpc.server import Listener

POD: Obj = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "default", "uid": "u"},
    "spec": {"nodeName": "n", "hostNetwork": True, "containers": [{"name": "c", "image": "web:1"}]},
    "status": {},
}


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki.open(tmp_path / "pki")


@pytest.fixture
async def agent(tmp_path: Path, pki: Pki) -> AsyncIterator[NodeAgent]:
    client = FakeKubeClient([POD])
    config = NodeConfig(
        name="n",
        root_dir=tmp_path,
        pod_cidr="10.1.0.0/24",
        listener=Listener("127.0.0.1:0", pki.server_tls("node.kube-actors", ("127.0.0.1",))),
    )
    agent = NodeAgent(config, client, SimulatedRuntime(SimulatedConfig(Behaviour(log="one\ntwo\nthree\n"))))
    await agent.start()
    while (client.peek(PODS, "default/p") or {}).get("status", {}).get("phase") != "Running":
        await asyncio.sleep(0.01)
    yield agent
    await agent.stop()


@pytest.fixture
async def stub(agent: NodeAgent, pki: Pki) -> AsyncIterator[Stub]:
    tls = pki.client_tls("kube-apiserver-kubelet-client", ("system:masters",), "node.kube-actors")
    channel = Channel([f"127.0.0.1:{agent.port}"], tls)
    yield Stub(channel, NODE)
    await channel.close()


async def logs(stub: Stub, **request: Any) -> bytes:
    chunks = [
        chunk.data async for chunk in stub.stream("Logs", api_pb2.LogsRequest(namespace="default", pod="p", **request))
    ]
    return b"".join(chunks)


async def test_logs_come_whole_or_from_the_end(stub: Stub) -> None:
    assert await logs(stub) == b"one\ntwo\nthree\n"
    assert await logs(stub, container="c", tail_lines=1) == b"three\n"
    assert await logs(stub, limit_bytes=5) == b"one\nt"
    assert await logs(stub, tail_lines=0) == b""


async def test_logs_of_what_is_not_there_are_refused_in_kubernetes_words(stub: Stub) -> None:
    with pytest.raises(BadRequest, match='previous terminated container "c" in pod "p" not found'):
        await logs(stub, previous=True)
    with pytest.raises(BadRequest, match="container x is not valid for pod p"):
        await logs(stub, container="x")
    with pytest.raises(NotFound):
        async for _ in stub.stream("Logs", api_pb2.LogsRequest(namespace="default", pod="no")):
            pass


async def test_exec_carries_input_output_and_the_exit_code(stub: Stub) -> None:
    session = stub.open("Exec")
    ref = api_pb2.ContainerRef(namespace="default", pod="p", container="c")
    await session.write(api_pb2.ExecInput(open=api_pb2.ExecOpen(ref=ref, command=["cat"], stdin=True)))
    assert await session.read() == api_pb2.ExecOutput(opened=True)
    await session.write(api_pb2.ExecInput(stdin=b"hello"))
    first = await session.read()
    assert first is not None
    assert first.stdout == b"hello"
    await session.write(api_pb2.ExecInput(stdin_closed=True))
    last = await session.read()
    assert last is not None
    assert last.WhichOneof("output") == "exit_code"
    assert last.exit_code == 0
    assert await session.read() is None


async def test_a_connection_goes_through_both_ways(stub: Stub) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read()
        writer.write(data.upper())
        writer.close()

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ref = api_pb2.ContainerRef(namespace="default", pod="p")
    connection = stub.open("Dial")
    await connection.write(api_pb2.DialData(ref=ref, port=port))
    assert (await connection.read()) == api_pb2.DialData()
    await connection.write(api_pb2.DialData(data=b"abc"))
    await connection.write(api_pb2.DialData(closed=True))
    answer = await connection.read()
    assert answer is not None
    assert answer.data == b"ABC"
    closing = await connection.read()
    assert closing is not None
    assert closing.closed
    server.close()
    await server.wait_closed()
    connection = stub.open("Dial")
    await connection.write(api_pb2.DialData(ref=ref, port=port))
    with pytest.raises(Unavailable, match="connect: connection refused"):
        await connection.read()


async def test_stats_name_the_pods_and_their_use(stub: Stub) -> None:
    body = encoding.loads((await stub.unary("Stats", node_pb2.StatsRequest(node="n"))).summary)
    assert body["node"]["nodeName"] == "n"
    assert body["pods"][0]["containers"][0]["memory"]["workingSetBytes"] == 16 << 20


async def test_only_the_api_server_may_ask(agent: NodeAgent, pki: Pki) -> None:
    stranger = Channel([f"127.0.0.1:{agent.port}"], pki.client_tls("bob", ("devs",), "node.kube-actors"))
    with pytest.raises(Forbidden):
        await logs(Stub(stranger, NODE))
    await stranger.close()
    nobody = Channel([f"127.0.0.1:{agent.port}"], None)
    with pytest.raises(RpcError):
        await logs(Stub(nobody, NODE))
    await nobody.close()
