"""Our store and a real etcd under the same load, side by side in one go; prints both and the ratio.

    python tests/benchmarks/store_vs_etcd.py [--seconds 3] [--size-mb 1024] [--only puts,range,watch,recovery,memory]

Durable puts of 1 kB (unary; through our client, which batches where it can; batches built beforehand), ranges
of one key, watch fan-out, the time until a big store answers after a start, and memory per key. Each server
runs in a process of its own, one at a time, on a fresh folder of the same disk. Prints; asserts nothing.
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
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kube_actors.rpc.channel import Channel, Stub
from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.pb import store_pb2
from kube_actors.store.client import StoreClient

VALUE = os.urandom(1000)
KV = pb.DESCRIPTOR.services_by_name["KV"]
WATCH = pb.DESCRIPTOR.services_by_name["Watch"]
STORE = store_pb2.DESCRIPTOR.services_by_name["Store"]
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


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Server:
    """One kind of server on a folder of its own."""

    name: str
    etcd: str
    folder: Path
    address: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    async def start(self) -> float:
        """Seconds until the first answer."""
        self.address = f"127.0.0.1:{free_port()}"
        begin = time.perf_counter()
        self.process = subprocess.Popen(self._command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = StoreClient([self.address], patience=300)
        await client.start()
        await client.revision()
        await client.stop()
        return time.perf_counter() - begin

    def _command(self) -> list[str]:
        if not self.etcd:
            return [sys.executable, "-c", SERVER, self.address, str(self.folder)]
        client, peer = f"http://{self.address}", f"http://127.0.0.1:{free_port()}"
        return [
            self.etcd, "--data-dir", str(self.folder), "--log-level", "error", "--logger", "zap",
            "--quota-backend-bytes", str(8 << 30), "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
        ]  # fmt: skip

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def memory(self, what: str = "VmRSS") -> float:
        """MB; RssAnon leaves out the pages of files."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return float(next(line.split()[1] for line in status.splitlines() if line.startswith(what))) / 1024


async def timed(clients: int, seconds: float, work: Callable[[int, int], Awaitable[object]]) -> float:
    """Calls a second of so many clients that each call again when answered."""
    begin = time.perf_counter()

    async def client(number: int) -> int:
        done = 0
        while time.perf_counter() < begin + seconds:
            await work(number, done)
            done += 1
        return done

    total = sum(await asyncio.gather(*(client(number) for number in range(clients))))
    return total / (time.perf_counter() - begin)


async def batches(address: str, size: int, seconds: float, window: int = 4) -> float:
    """Built beforehand, so that the server is measured and not the client; etcd has no such call."""
    channel = Channel([address])
    stream = Stub(channel, STORE).open("Batch")
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


Results = dict[str, tuple[float, str]]


async def puts(server: Server, options: argparse.Namespace) -> Results:
    found: Results = {}
    await server.start()
    channel = Channel([server.address])
    kv = Stub(channel, KV)
    store = StoreClient([server.address])
    await store.start()
    for clients in (1, 16, 128):
        rate = await timed(
            clients,
            options.seconds,
            lambda n, i: kv.unary("Put", pb.PutRequest(key=b"/bench/%d/%d" % (n, i % 1000), value=VALUE)),
        )
        found[f"durable puts, unary, {clients} clients"] = rate, "/s"
    for clients in (1, 16, 128, 1024):
        rate = await timed(clients, options.seconds, lambda n, i: store.put(b"/bench/%d/%d" % (n, i % 1000), VALUE))
        found[f"durable puts, our client, {clients} callers"] = rate, "/s"
    for size in (1, 16, 128, 512):
        name = f"durable puts, batches of {size}"
        if not server.etcd:
            found[name] = await batches(server.address, size, options.seconds), "/s"
    await store.stop()
    await channel.close()
    return found


async def ranges(server: Server, options: argparse.Namespace) -> Results:
    await server.start()
    store = StoreClient([server.address])
    await store.start()
    await asyncio.gather(*(store.put(b"/r/%d" % number, VALUE) for number in range(1000)))
    await store.stop()
    channel = Channel([server.address])
    kv = Stub(channel, KV)
    found: Results = {}
    for clients in (1, 16, 128):
        rate = await timed(
            clients, options.seconds, lambda n, i: kv.unary("Range", pb.RangeRequest(key=b"/r/%d" % ((n + i) % 1000)))
        )
        found[f"range by key, {clients} clients"] = rate, "/s"
    await channel.close()
    return found


async def watch(server: Server, options: argparse.Namespace) -> Results:
    """`watchers` watches on ten streams; each of 100 puts goes to all of them."""
    await server.start()
    channels = [Channel([server.address]) for _ in range(10)]
    streams = [Stub(channel, WATCH).open("Watch") for channel in channels]
    each = options.watchers // len(streams)
    for stream in streams:
        for _ in range(each):
            create = pb.WatchCreateRequest(key=b"/w/", range_end=b"/w0")
            await stream.write(pb.WatchRequest(create_request=create))
        for _ in range(each):
            await stream.read()
    store = StoreClient([server.address])
    await store.start()
    count = 100

    async def receive(stream: object) -> None:
        got = 0
        while got < count * each:
            got += len((await stream.read()).events)  # type: ignore[attr-defined]

    begin = time.perf_counter()
    reading = asyncio.gather(*(receive(stream) for stream in streams))
    for number in range(count):
        await store.put(b"/w/%d" % number, VALUE)
    written = time.perf_counter() - begin
    await reading
    rate = count * each * len(streams) / (time.perf_counter() - begin)
    await store.stop()
    for stream, channel in zip(streams, channels, strict=True):
        stream.cancel()
        await channel.close()
    return {
        f"events to {options.watchers} watchers": (rate, "/s"),
        f"puts while {options.watchers} watch": (count / written, "/s"),
    }


async def write_many(server: Server, keys: int) -> None:
    """A hundred puts a transaction, as both take them fastest."""
    channel = Channel([server.address])
    kv = Stub(channel, KV)
    starts = iter(range(0, keys, 100))

    async def client() -> None:
        for start in starts:
            puts = [
                pb.PutRequest(key=b"/registry/pods/%08d" % number, value=os.urandom(1000))
                for number in range(start, min(start + 100, keys))
            ]
            await kv.unary("Txn", pb.TxnRequest(success=[pb.RequestOp(request_put=put) for put in puts]), 60)

    await asyncio.gather(*(client() for _ in range(8)))
    await channel.close()


async def recovery(server: Server, options: argparse.Namespace) -> Results:
    await server.start()
    await write_many(server, options.size_mb * 1000)
    server.stop()
    return {f"start of a {options.size_mb} MB store": (await server.start(), " s")}


async def memory(server: Server, options: argparse.Namespace) -> Results:
    await server.start()
    await write_many(server, options.keys)
    label = f"memory with {options.keys:,} keys of 1 kB"
    found: Results = {label: (server.memory(), " MB"), f"{label}, own": (server.memory("RssAnon"), " MB")}
    server.stop()
    await server.start()
    found[f"{label}, restarted"] = server.memory(), " MB"
    found[f"{label}, restarted, own"] = server.memory("RssAnon"), " MB"
    return found


PARTS = {"puts": puts, "range": ranges, "watch": watch, "memory": memory, "recovery": recovery}


@contextmanager
def fresh(name: str, etcd: str) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="store-bench-") as folder:
        server = Server(name, etcd, Path(folder) / "data")
        try:
            yield server
        finally:
            server.stop()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--size-mb", type=int, default=1024)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--etcd", default=shutil.which("etcd") or "")
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'':46} {'kube_actors':>12} {'etcd':>12}  ours/etcd")
    for part in options.only.split(","):
        results: list[Results] = []
        for name, etcd in (("kube_actors", ""), ("etcd", options.etcd)):
            if name == "etcd" and not etcd:
                results.append({})
                continue
            with fresh(name, etcd) as server:
                results.append(await PARTS[part](server, options))
        ours, theirs = results
        for label, (value, unit) in ours.items():
            other = theirs.get(label)
            right = f"{other[0]:12,.1f} {value / other[0]:10.2f}" if other else ""
            print(f"{label:46} {value:12,.1f} {right} {unit.strip()}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
