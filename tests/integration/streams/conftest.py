"""One embedded cluster with real processes for all tests of the folder, in a thread; kubectl and kactl against it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kube_actors.api import Obj
from kube_actors.api.meta import is_true
from kube_actors.api.resources import PODS
from kube_actors.cluster.embedded import Cluster
from tests.programs import Program, Terminal, talking

SERVE = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        if self.path.startswith("/page"):
            text, kind = b'<html><a href="/rewriteme">x</a><a href="other">y</a></html>', "text/html"
        else:
            text, kind = f"{self.command} {self.path} {body.decode()}".encode(), "text/plain"
        self.send_response(302 if self.path.startswith("/moved") else 200)
        if self.path.startswith("/moved"):
            self.send_header("Location", "/there")
        self.send_header("Content-Type", kind)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = answer
    def log_message(self, *args):
        print("served", self.path, flush=True)
http.server.ThreadingHTTPServer((os.environ["POD_IP"], 8080), Handler).serve_forever()
"""
WORKLOADS: dict[str, Obj] = {
    "shell": {"command": ["sh", "-c", "echo begun; while :; do sleep 0.2; done"]},
    "echo": {"command": ["sh", "-c", "while read line; do echo got $line; done"], "stdin": True},
    "terminal": {"command": ["sh"], "stdin": True, "tty": True},
    "web": {
        "command": [sys.executable, "-c", SERVE],
        "ports": [{"containerPort": 8080, "name": "http"}],
        "listens": 8080,
    },
}


def pod(name: str, listens: int = 0, **container: Any) -> Obj:
    """A pod of one container on the machine's own files; it is ready when it listens."""
    if listens:
        container["readinessProbe"] = {"tcpSocket": {"port": listens}, "periodSeconds": 1}
    ip = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    spec = {
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "image": "host", "env": [ip]} | container],
    }
    metadata = {"name": name, "namespace": "default", "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


class Running:
    """A cluster whose loop runs in a thread of its own, for tests that wait for programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = Cluster(nodes=1, runtime="process", kubeconfig=folder / "kubeconfig")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cluster")

    def start(self) -> None:
        self._thread.start()
        self.do(self.cluster.start())

    def stop(self) -> None:
        try:
            self.do(self.cluster.stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def do(self, work: Any, seconds: float = 60.0) -> Any:
        """Run a coroutine in the cluster's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def run(self, *pods: Obj) -> None:
        """Create pods; returns when they are ready."""
        self.do(self._run(pods))

    async def _run(self, pods: tuple[Obj, ...]) -> None:
        client = self.cluster.client
        for each in pods:
            await client.create(PODS, each, namespace="default")
        waiting = {each["metadata"]["name"] for each in pods}
        async for events in client.watch(PODS, "default", send_initial_events=True):
            for event in events:
                if event.type != "BOOKMARK" and is_true(event.object, "Ready"):
                    waiting.discard(event.object["metadata"]["name"])
            if not waiting:
                return

    @property
    def environment(self) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        return clean | {"KUBECONFIG": str(self.cluster.kubeconfig), "HOME": str(self.folder)}

    def popen(self, *words: str, env: Mapping[str, str] | None = None) -> Program:
        """A program to talk with, until its `with` block is left."""
        return talking(words, env=self.environment | dict(env or {}))

    def terminal(self, *words: str, **env: str) -> Terminal:
        """A program on a pseudo-terminal, until its `with` block is left."""
        return Terminal(words, self.environment | env)

    def call(self, *words: str, stdin: bytes = b"", code: int = 0, **env: str) -> str:
        """The output of a program that has to end with this code; what it complained of where that is not 0."""
        with self.popen(*words, env=env) as process:
            output, complaints = process.communicate(stdin, timeout=60)
        assert process.returncode == code, (process.returncode, output, complaints)
        return (complaints if code else output).decode()

    def kubectl(self, *words: str, **options: Any) -> str:
        return self.call("kubectl", *words, **options)

    def kactl(self, *words: str, **options: Any) -> str:
        return self.call(sys.executable, "-m", "kube_actors_cli.main", *words, **options)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    running = Running(tmp_path_factory.mktemp("streams"))
    running.start()
    try:
        running.run(*(pod(name, **container) for name, container in WORKLOADS.items()))
        yield running
    finally:
        running.stop()
