"""How many requests a second one API server with its store answers, and what CPU they cost it.

    python tests/benchmarks/apiserver_load.py [--seconds 5] [--connections 64]

The server runs in a process of its own on loopback with TLS, store in memory included; this process is the client.
On a busy machine read the last column: requests for each second of CPU that the server used.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path

import aiohttp

from kube_actors.apiserver.config import ApiServerConfig, StaticToken
from kube_actors.apiserver.server import ApiServer
from kube_actors.cluster.pki import Pki
from kube_actors.rpc.server import Listener
from kube_actors.store.server import StoreConfig, StoreServer

TOKEN = "load"
PODS = "/api/v1/namespaces/default/pods"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


def serve(folder: str, pipe: Connection) -> None:
    asyncio.run(_serve(Path(folder), pipe))


async def _serve(folder: Path, pipe: Connection) -> None:
    pki = Pki.open(folder)
    tls = pki.server_tls("apiserver.kube-actors", ["127.0.0.1"])
    store = StoreServer(StoreConfig(listeners=(Listener("127.0.0.1:0"),)))
    await store.start()
    api = ApiServer(
        ApiServerConfig(
            store_addresses=store.addresses,
            grpc_listeners=(Listener("127.0.0.1:0", tls),),
            rest_host="127.0.0.1",
            rest_port=0,
            rest_tls=tls,
            tokens=(StaticToken(TOKEN, "admin", groups=("system:masters",)),),
        )
    )
    await api.start()
    pipe.send(api.rest_port)
    while True:
        await asyncio.sleep(0.02)
        if pipe.poll():
            if pipe.recv() == "stop":
                break
            pipe.send(time.process_time())
    await api.stop()
    await store.stop()


def pod(name: str) -> dict[str, object]:
    container = {
        "name": "c",
        "image": "registry.k8s.io/pause:3.9",
        "ports": [{"containerPort": 80}],
        "env": [{"name": "A", "value": "b"}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
    }
    metadata = {"name": name, "labels": {"app": "bench", "tier": "web"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


async def measure(
    name: str, call: Callable[[], Awaitable[int]], pipe: Connection, seconds: float, connections: int
) -> None:
    """Run `call` over and over on each connection; it answers a status."""

    def server_cpu() -> float:
        pipe.send("cpu")
        return float(pipe.recv())

    end = time.monotonic() + seconds
    done = bad = 0

    async def worker() -> None:
        nonlocal done, bad
        while time.monotonic() < end:
            bad += await call() >= 400
            done += 1

    before, started = server_cpu(), time.monotonic()
    await asyncio.gather(*(worker() for _ in range(connections)))
    took, cpu = time.monotonic() - started, server_cpu() - before
    print(f"{name:24} {done / took:8.0f}/s {bad:5} refused {cpu:6.2f} CPU s {done / cpu:8.0f}/CPU s")


async def load(port: int, authority: str, pipe: Connection, seconds: float, connections: int) -> None:
    context = ssl.create_default_context(cadata=authority)
    connector = aiohttp.TCPConnector(ssl=context, limit=connections)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    numbers = itertools.count()
    async with aiohttp.ClientSession(f"https://127.0.0.1:{port}", connector=connector, headers=headers) as session:

        async def create() -> int:
            async with session.post(PODS, json=pod(f"p{next(numbers)}")) as response:
                await response.read()
                return response.status

        async def get(path: str) -> int:
            async with session.get(path) as response:
                await response.read()
                return response.status

        # Every namespace has it where the controllers run.
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        async with session.post(ACCOUNTS, json=account) as response:
            await response.read()
        await create()
        await measure("create pods", create, pipe, seconds, connections)
        await measure("get a pod", lambda: get(f"{PODS}/p0"), pipe, seconds, connections)
        await measure("list, limit=500", lambda: get(f"{PODS}?limit=500"), pipe, seconds, 4)
        await measure("list all", lambda: get(PODS), pipe, seconds, 2)
        print(f"{next(numbers)} pods")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        authority = Pki.open(Path(folder)).ca.decode()
        pipe, other = processes.Pipe()
        server = processes.Process(target=serve, args=(folder, other))
        server.start()
        port = pipe.recv()
        try:
            asyncio.run(load(port, authority, pipe, options.seconds, options.connections))
        finally:
            pipe.send("stop")
            server.join(10)
            server.kill()


if __name__ == "__main__":
    main()
