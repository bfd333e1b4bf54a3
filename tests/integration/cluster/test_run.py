"""`kactl run`: each component a process of its own, found by addresses alone; a real etcd as the store."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(180)

KACTL = [sys.executable, "-m", "kube_actors_cli.main"]
POD = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(*command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs until the end of the block, and that ends when it is told to."""
    with log.open("ab") as out:
        started = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        assert started.wait(20) is not None, log.read_text()


def kubectl(folder: Path, *words: str, check: bool = True, stdin: str = "") -> str:
    done = subprocess.run(
        ["kubectl", "--kubeconfig", str(folder / "kubeconfig"), *words],
        input=stdin, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


def eventually(folder: Path, words: tuple[str, ...], wanted: str) -> None:
    deadline = time.monotonic() + 60
    while wanted not in (said := kubectl(folder, *words, check=False)):
        assert time.monotonic() < deadline, f"{words}: {said!r} without {wanted!r}"
        time.sleep(0.3)


@pytest.fixture(params=["ours", "etcd"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a store: ours as a process of its own, or a real etcd."""
    address, peer = f"127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    command = [*KACTL, "run", "store", "--data", str(tmp_path / "store"), "--listen", address]
    if request.param == "etcd":
        if shutil.which("etcd") is None:
            pytest.skip("no etcd on this machine")
        url = f"http://{address}"
        command = ["etcd", "--data-dir", str(tmp_path / "etcd"), "--listen-client-urls", url, "--log-level", "error"]
        command += ["--advertise-client-urls", url, "--listen-peer-urls", peer]
        command += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
    with process(*command, log=tmp_path / "store.log"):
        yield address


def test_five_processes_are_a_cluster(store: str, tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on this machine")
    folder = tmp_path / "cluster"
    server = f"127.0.0.1:{free_port()}"
    data = ("--data", str(folder))
    grpc = server.rpartition(":")[2]
    ports = ("--port", str(free_port()), "--grpc-port", grpc, "--token-port", str(free_port()))
    with contextlib.ExitStack() as stack:

        def run(component: str, *flags: str) -> None:
            stack.enter_context(process(*KACTL, "run", component, *data, *flags, log=tmp_path / f"{component}.log"))

        run("apiserver", "--store", store, *ports)
        eventually(folder, ("get", "namespaces"), "kube-system")
        run("scheduler", "--server", server)
        run("controller-manager", "--server", server)
        run("node", "--server", server, "--name", "n1", "--runtime", "simulated", "--no-proxy")
        eventually(folder, ("get", "nodes"), " Ready ")
        eventually(folder, ("get", "serviceaccounts"), "default")
        kubectl(folder, "apply", "-f", "-", stdin=POD)
        eventually(folder, ("get", "pod", "p", "-o", "wide"), "Running")
        if shutil.which("etcdctl") is not None:
            keys = subprocess.run(
                ["etcdctl", "--endpoints", store, "get", "/registry/pods/", "--prefix", "--keys-only"],
                env={**os.environ, "ETCDCTL_API": "3"}, capture_output=True, text=True, timeout=30, check=True,
            ).stdout  # fmt: skip
            assert keys.split() == ["/registry/pods/default/p"]
