"""Two stores that must behave the same: ours, and a real etcd where this machine has one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from kube_actors.rpc.server import Listener
from kube_actors.store.client import StoreClient
from kube_actors.store.server import StoreConfig, StoreServer


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def etcd() -> Iterator[str]:
    """A real etcd, one for all tests."""
    binary = shutil.which("etcd")
    if binary is None:
        pytest.skip("no etcd on PATH (Debian: etcd-server)")
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [
                binary, "--data-dir", folder, "--logger", "zap", "--log-level", "error", "--unsafe-no-fsync",
                "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
            ] if _knows_no_fsync(binary) else [
                binary, "--data-dir", folder, "--logger", "zap", "--log-level", "error",
                "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            address = client.removeprefix("http://")
            _wait_for(address)
            yield address
        finally:
            process.terminate()
            process.wait(10)


def _knows_no_fsync(binary: str) -> bool:
    return "unsafe-no-fsync" in subprocess.run([binary, "--help"], capture_output=True, text=True, check=False).stdout


def _wait_for(address: str) -> None:
    host, port = address.rsplit(":", 1)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                time.sleep(0.5)  # the port opens before the first election
                return
        time.sleep(0.05)
    raise RuntimeError(f"etcd does not listen on {address}")


@pytest.fixture(params=["ours", "etcd"])
async def address(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of an empty store, each kind in turn."""
    if request.param == "etcd":
        found: str = request.getfixturevalue("etcd")
        client = StoreClient([found])
        await client.start()
        for kv in (await client.range(b"", keys_only=True)).kvs:
            await client.delete(kv.key)
        await client.stop()
        yield found
        return
    server = StoreServer(StoreConfig((Listener("127.0.0.1:0"),), tmp_path / "store"))
    await server.start()
    yield server.addresses[0]
    await server.stop()


@pytest.fixture
async def client(address: str) -> AsyncIterator[StoreClient]:
    """A client of either store."""
    store = StoreClient([address])
    await store.start()
    yield store
    await store.stop()


SERVER = """
import asyncio, pathlib, sys
from kube_actors.rpc.server import Listener
from kube_actors.store.server import StoreConfig, StoreServer

async def main():
    server = StoreServer(StoreConfig((Listener(sys.argv[1]),), pathlib.Path(sys.argv[2])))
    await server.start()
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def store_process() -> Iterator[object]:
    """Starts our store in a process of its own, to be killed: `store_process(address, folder)`."""
    started: list[subprocess.Popen[str]] = []

    def start(address: str, folder: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, address, str(folder)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        while (line := process.stdout.readline()) and line != "ready\n":
            pass
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes file systems of so many MB: `tiny(4)`."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    mounted: list[Path] = []

    def make(megabytes: int) -> Path:
        folder = tmp_path / f"tiny-{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        if subprocess.run(command, check=False).returncode:
            pytest.skip("mounting is not allowed here")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)
