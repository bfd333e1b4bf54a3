"""Durable puts of 1 kB: unary and batched, at 1, 16 and 128 clients, on our store and on etcd side by side.

    python tests/benchmarks/store_puts.py [--seconds 3] [--etcd /usr/bin/etcd]

The store runs in a process of its own, as in a cluster. Prints; asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kube_actors.rpc.channel import Channel, Stub
from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.pb import store_pb2
from kube_actors.store.client import StoreClient

VALUE = os.urandom(1000)
SERVER = """
import asyncio, pathlib, sys
from kube_actors.rpc.server import Listener
from kube_actors.store.server import StoreConfig, StoreServer
async def main():
    server = StoreServer(StoreConfig((Listener(sys.argv[1]),), pathlib.Path(sys.argv[2])))
    await server.start()
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def unary(address: str, clients: int, seconds: float) -> float:
    channel = Channel([address])
    kv = Stub(channel, pb.DESCRIPTOR.services_by_name["KV"])
    end = time.perf_counter() + seconds

    async def client(number: int) -> int:
        done = 0
        while time.perf_counter() < end:
            await kv.unary("Put", pb.PutRequest(key=b"/bench/%d/%d" % (number, done % 1000), value=VALUE))
            done += 1
        return done

    total = sum(await asyncio.gather(*(client(number) for number in range(clients))))
    await channel.close()
    return total / seconds


async def through_client(address: str, clients: int, seconds: float) -> float:
    store = StoreClient([address])
    await store.start()
    end = time.perf_counter() + seconds

    async def client(number: int) -> int:
        done = 0
        while time.perf_counter() < end:
            await store.put(b"/bench/%d/%d" % (number, done % 1000), VALUE)
            done += 1
        return done

    total = sum(await asyncio.gather(*(client(number) for number in range(clients))))
    await store.stop()
    return total / seconds


async def raw_batches(address: str, size: int, seconds: float, window: int = 4) -> float:
    """Messages built beforehand, so that the server is measured and not the client."""
    channel = Channel([address])
    stream = Stub(channel, store_pb2.DESCRIPTOR.services_by_name["Store"]).open("Batch")
    writes = [store_pb2.Write(key=b"/bench/raw/%d" % number, value=VALUE) for number in range(size)]
    message = store_pb2.BatchRequest(writes=writes)
    begin = time.perf_counter()
    sent = answered = 0
    while time.perf_counter() < begin + seconds:
        while sent - answered < window:
            await stream.write(message)
            sent += 1
        await stream.read()
        answered += 1
    elapsed = time.perf_counter() - begin
    stream.cancel()
    await channel.close()
    return answered * size / elapsed


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def ready(address: str) -> None:
    store = StoreClient([address])
    await store.start()
    await store.revision()
    await store.stop()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--etcd", default=shutil.which("etcd") or "")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="store-bench-"))
    ours, theirs, peers = (f"127.0.0.1:{free_port()}" for _ in range(3))
    processes = [subprocess.Popen([sys.executable, "-c", SERVER, ours, str(folder / "ours")])]
    targets = {"kube_actors": ours}
    if options.etcd:
        command = [
            options.etcd, "--data-dir", str(folder / "etcd"), "--log-level", "error", "--logger", "zap",
            "--listen-client-urls", f"http://{theirs}", "--advertise-client-urls", f"http://{theirs}",
            "--listen-peer-urls", f"http://{peers}", "--initial-advertise-peer-urls", f"http://{peers}",
            "--initial-cluster", f"default=http://{peers}",
        ]  # fmt: skip
        processes.append(subprocess.Popen(command))
        targets["etcd"] = theirs
    try:
        for name, address in targets.items():
            await ready(address)
            for clients in (1, 16, 128):
                print(f"{name:12} unary   {clients:4} clients  {await unary(address, clients, options.seconds):9.0f}/s")
            for clients in (1, 16, 128, 1024):
                rate = await through_client(address, clients, options.seconds)
                print(f"{name:12} client  {clients:4} clients  {rate:9.0f}/s")
        for size in (1, 16, 128, 512):
            print(f"kube_actors  batched {size:4} a message {await raw_batches(ours, size, options.seconds):9.0f}/s")
    finally:
        for process in processes:
            process.terminate()
            process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(main())
