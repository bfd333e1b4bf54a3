"""Pods as processes under a cluster that is killed: adopted, restarted by policy, ended; nothing doubled or left."""

from __future__ import annotations

import os
import random
import secrets
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.docker_cluster.cluster import DockerCluster, Space, pod
from tests.e2e.hosts import ip, why_not
from tests.kactl_cluster import until

pytestmark = pytest.mark.timeout(180)

WAIT = "while [ ! -e {} ]; do sleep 0.1; done; exit {}"
FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
PROBE = {"exec": {"command": ["true"]}, "periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 10}


class Network:
    """A namespace with loopback alone: pods' loopback addresses are nobody else's."""

    docker_host = "unix:///nowhere"

    def __init__(self) -> None:
        self.name = f"kaproc-{secrets.token_hex(3)}"
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")

    def command(self, words: Sequence[str]) -> list[str]:
        return ["nsenter", f"--net=/var/run/netns/{self.name}", *words]

    def processes(self) -> set[int]:
        return {int(pid) for pid in ip("netns", "pids", self.name).split()}


class ProcessCluster(DockerCluster):
    """The same on the process runtime."""

    def __init__(self, network: Network) -> None:
        super().__init__(network, f"name: {network.name}\nmode: embedded\nruntime: process\napiServer: {{port: 0}}\n")
        self.network = network

    def leaks(self) -> list[str]:
        left = [f"process {pid}" for pid in self.network.processes() - {self.pid}]
        folders = (self.node_folder / "pods", self.node_folder / "runtime" / "pods")
        left += [f"folder {each}" for folder in folders if folder.exists() for each in folder.iterdir()]
        left += [f"mount {each}" for each in self.mounts()]
        # One tree, or one for each controller.
        group = f"kube-actors/{self.network.name}-node-1-*/"
        groups = [*Path("/sys/fs/cgroup").glob(group), *Path("/sys/fs/cgroup").glob(f"*/{group}")]
        return left + [f"control group {each}" for each in groups]


@pytest.fixture(scope="module")
def cluster() -> Iterator[ProcessCluster]:
    if reason := why_not():
        pytest.skip(reason)
    network = Network()
    cluster = ProcessCluster(network)
    try:
        cluster.start()
        yield cluster
    finally:
        print(cluster.log.read_text()[-6000:])
        cluster.close()
        left = network.processes()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        ip("netns", "del", network.name)
    assert not left


@pytest.fixture
def pods(cluster: ProcessCluster) -> Iterator[Space]:
    space = Space(cluster, "default")
    yield space
    space.kubectl("delete", "pods", "--all", "--timeout=90s", seconds=120)
    until(lambda: not cluster.leaks(), f"nothing is left: {cluster.leaks()}", seconds=30)


def ready(space: Space, name: str, restarts: int) -> Any:
    def look() -> Any:
        status = space.container(name)
        return status["ready"] and status["restartCount"] == restarts and status

    return until(look, f"{name} runs again")


def test_processes_outlive_the_agent_and_are_adopted(cluster: ProcessCluster, pods: Space, tmp_path: Path) -> None:
    end = tmp_path / "end"
    pods.create(
        pod("calm", FOREVER, readinessProbe=PROBE, livenessProbe=PROBE),
        pod("failing", WAIT.format(end, 7)),
        pod("once", WAIT.format(end, 0), spec={"restartPolicy": "Never"}),
    )
    for name in ("calm", "failing", "once"):
        pods.wait(name)
    before, others = pods.pod("calm"), cluster.network.processes() - {cluster.pid}
    cluster.kill()
    end.touch()
    until(lambda: len(cluster.network.processes() & others) < len(others), "two end unseen")
    cluster.start()
    end.unlink()
    assert pods.phase("once", "Succeeded")["status"]["containerStatuses"][0]["restartCount"] == 0
    failed = until(lambda: (found := pods.container("failing"))["restartCount"] and found, "restarted by its policy")
    assert failed["lastState"]["terminated"]["exitCode"] == 7
    assert pods.sh("calm", "echo hi") == "hi"
    assert pods.pod("calm") == before


def test_a_killed_process_and_a_killed_supervisor_are_restarted(cluster: ProcessCluster, pods: Space) -> None:
    pods.create(pod("process", "exec sleep 7777"), pod("supervisor", "exec sleep 8888"))
    for name in ("process", "supervisor"):
        pods.wait(name)
    os.kill(_running(cluster, "sleep\x007777"), signal.SIGKILL)
    assert ready(pods, "process", 1)["lastState"]["terminated"]["exitCode"] == 137
    child = _running(cluster, "sleep\x008888")
    os.kill(_parent(cluster, child), signal.SIGKILL)
    assert ready(pods, "supervisor", 1)["lastState"]["terminated"]["exitCode"] == 137
    assert child not in cluster.network.processes()


def _running(cluster: ProcessCluster, words: str) -> int:
    for pid in cluster.network.processes():
        if Path(f"/proc/{pid}/cmdline").read_text().startswith(words):
            return pid
    raise AssertionError(f"nothing runs {words!r}")


def _parent(cluster: ProcessCluster, pid: int) -> int:
    """The supervisor: the eldest above the process that is not the agent."""
    while (parent := int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])) > 1:
        if parent not in cluster.network.processes() - {cluster.pid}:
            break
        pid = parent
    return pid


def test_after_many_kills_all_is_as_wanted(cluster: ProcessCluster, pods: Space) -> None:
    chance = random.Random(6)
    wanted: set[str] = set()
    for round in range(3):
        made = [f"p{round}-{number}" for number in range(3)]
        pods.create(*(pod(name, FOREVER) for name in made))
        wanted |= set(made)
        for name in chance.sample(sorted(wanted), 2):
            pods.kubectl("delete", "pod", name, "--wait=false")
            wanted.discard(name)
        time.sleep(chance.random() / 2)
        cluster.kill()
        cluster.start()
    for name in wanted:
        pods.wait(name)
    until(lambda: set(pods.kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.name}").split()) == wanted)
    assert {name: pods.container(name)["restartCount"] for name in wanted} == dict.fromkeys(wanted, 0)
    assert len(set(pods.kubectl("get", "pods", "-o", "jsonpath={.items[*].status.podIP}").split())) == len(wanted)
