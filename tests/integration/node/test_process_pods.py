"""The agent over real processes: volumes, environment, probes, logs, restarts, adoption, deletion."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from kube_actors.aio.clock import SystemClock, rfc3339
from kube_actors.api import Obj
from kube_actors.api.resources import EVENTS, PODS
from kube_actors.client.testing import FakeKubeClient
from kube_actors.node.agent import NodeAgent
from kube_actors.node.config import NodeConfig
from kube_actors.node.runtime.process import ProcessConfig, ProcessRuntime

SERVE = """
import http.server, os, pathlib
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = os.environ["GREETING"] + " " + pathlib.Path("/etc/app/name").read_text()
        self.send_response(200); self.end_headers(); self.wfile.write(text.encode())
print("serving on", os.environ["POD_IP"], flush=True)
http.server.HTTPServer((os.environ["POD_IP"], 8080), Handler).serve_forever()
"""


def pod(name: str, command: list[str], **container: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {
            "nodeName": "n",
            "terminationGracePeriodSeconds": 5,
            "containers": [{"name": "c", "image": "host:1", "command": command} | container],
        },
        "status": {},
    }


class Node:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.client = FakeKubeClient()
        self.start_anew()

    def start_anew(self) -> None:
        self.runtime = ProcessRuntime(ProcessConfig(self.root, "test", "n"))
        config = NodeConfig(
            name="n", root_dir=self.root, pod_cidr="127.131.7.0/24", listener=None, volume_refresh_interval=0.3
        )
        self.agent = NodeAgent(config, self.client, self.runtime)

    def status(self, name: str) -> Obj:
        return (self.client.peek(PODS, f"default/{name}") or {}).get("status") or {}

    def container(self, name: str) -> Obj:
        return dict((self.status(name).get("containerStatuses") or [{}])[0])

    async def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.02)

    def delete(self, name: str, grace: int = 5) -> None:
        found = self.client.peek(PODS, f"default/{name}")
        assert found is not None
        when = rfc3339(SystemClock().now() + grace)
        metadata = found["metadata"] | {"deletionTimestamp": when, "deletionGracePeriodSeconds": grace}
        self.client.put(found | {"metadata": metadata})

    async def end(self) -> None:
        for each in self.client.objects(PODS):
            self.delete(each["metadata"]["name"], 1)
        await self.until(lambda: not self.client.objects(PODS) and not self.agent.pods)
        await self.agent.stop()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    node = Node(tmp_path)
    await node.agent.start()
    yield node
    await node.end()
    assert await node.runtime.list_pods() == []


async def fetch(address: str) -> bytes:
    reader, writer = await asyncio.open_connection(address, 8080)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n\r\n")[2]


async def test_a_web_server_reads_its_config_and_is_probed(node: Node) -> None:
    config: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm", "namespace": "default"}}
    secret: Obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}}
    node.client.put(config | {"data": {"name": "world"}})
    node.client.put(secret | {"data": {"greeting": "aGVsbG8="}})
    env = [
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "GREETING", "valueFrom": {"secretKeyRef": {"name": "s", "key": "greeting"}}},
    ]
    probe = {"httpGet": {"port": 8080}, "periodSeconds": 1}
    mounts = [{"name": "app", "mountPath": "/etc/app"}]
    web = pod("web", [sys.executable, "-c", SERVE], env=env, volumeMounts=mounts, readinessProbe=probe)
    web["spec"]["volumes"] = [{"name": "app", "configMap": {"name": "cm"}}]
    node.client.put(web)
    await node.until(lambda: node.container("web").get("ready"))
    address = node.status("web")["podIP"]
    assert await fetch(address) == b"hello world"
    node.client.put(config | {"data": {"name": "moon"}})

    async def changed() -> None:
        while await fetch(address) != b"hello moon":
            await asyncio.sleep(0.2)

    await asyncio.wait_for(changed(), 20)


async def test_a_restarted_agent_adopts_processes_and_sees_their_end(node: Node) -> None:
    node.client.put(pod("a", ["sleep", "1000"]))
    await node.until(lambda: node.status("a").get("phase") == "Running")
    before = node.container("a")
    await node.agent.stop()
    node.start_anew()
    await node.agent.start()
    await asyncio.sleep(0.5)
    assert node.container("a") == before
    await node.runtime.stop_container(before["containerID"], 1)
    await node.until(lambda: node.container("a").get("restartCount") == 1)
    assert node.container("a")["lastState"]["terminated"]["containerID"] == before["containerID"]


async def test_last_words_are_the_termination_message(node: Node) -> None:
    words = pod("w", ["sh", "-c", "printf bye > /dev/termination-log; exit 3"])
    words["spec"]["restartPolicy"] = "Never"
    logged = pod("l", ["sh", "-c", "echo oops; exit 4"], terminationMessagePolicy="FallbackToLogsOnError")
    logged["spec"]["restartPolicy"] = "Never"
    node.client.put(words)
    node.client.put(logged)
    await node.until(lambda: node.status("w").get("phase") == "Failed" and node.status("l").get("phase") == "Failed")
    ended = node.container("w")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (3, "Error", "bye")
    assert node.container("l")["state"]["terminated"]["message"] == "oops\n"


async def test_a_command_that_does_not_exist_is_told(node: Node) -> None:
    node.client.put(pod("bad", ["/no/such/program"]))
    await node.until(lambda: node.container("bad").get("restartCount", 0) >= 1)
    await node.until(lambda: "waiting" in node.container("bad")["state"])
    assert node.container("bad")["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert "no such" in node.container("bad")["lastState"]["terminated"]["message"].lower()
    await node.until(lambda: any("no such" in each["message"].lower() for each in node.client.objects(EVENTS)))


async def test_exec_probes_and_hooks_run_inside(node: Node, tmp_path: Path) -> None:
    mark = tmp_path / "marks"
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", f"echo start >> {mark}"]}},
        "preStop": {"exec": {"command": ["sh", "-c", f"echo stop >> {mark}"]}},
    }
    probe = {"exec": {"command": ["sh", "-c", f"test -e {tmp_path}/ok"]}, "periodSeconds": 1}
    node.client.put(pod("h", ["sleep", "1000"], lifecycle=hooks, readinessProbe=probe))
    await node.until(lambda: node.status("h").get("phase") == "Running")
    await asyncio.sleep(1.2)
    assert node.container("h")["ready"] is False
    (tmp_path / "ok").touch()
    await node.until(lambda: node.container("h")["ready"])
    node.delete("h")
    await node.until(lambda: node.client.peek(PODS, "default/h") is None)
    assert mark.read_text() == "start\nstop\n"


async def test_an_init_container_shares_an_empty_dir(node: Node) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}]
    shared = pod("i", ["sh", "-c", "cat /v/x; sleep 1000"], volumeMounts=mounts)
    init = {"name": "i", "image": "host:1", "command": ["sh", "-c", "echo made > /v/x"], "volumeMounts": mounts}
    shared["spec"] |= {"volumes": [{"name": "v", "emptyDir": {}}], "initContainers": [init]}
    node.client.put(shared)
    await node.until(lambda: node.status("i").get("phase") == "Running")
    from kube_actors.node.runtime.interface import LogOptions

    text = b""
    while b"made" not in text:
        text = b"".join([chunk async for chunk in node.runtime.logs(node.container("i")["containerID"], LogOptions())])
        await asyncio.sleep(0.05)
