"""A store whose members are on three hosts of a Ray that exists: one host is lost while the cluster is written to."""

from __future__ import annotations

import importlib.util
import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _load(path: Path) -> ModuleType:
    """tests/ is no package, so the module is loaded by its path."""
    spec = importlib.util.spec_from_file_location(f"kube_actors_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


hosts = _load(Path(__file__).parents[1] / "hosts.py")

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("etcd") is None, reason="no etcd on PATH (Debian: etcd-server)"),
    pytest.mark.skipif(hosts.why_not() is not None, reason=str(hosts.why_not())),
]

CONFIG = """
runtime: simulated
apiServer: {port: 0, grpcPort: 0, tokenPort: 0}
store:
  engine: etcd
  nodeSelector: {disk: fast}
  replaceAfter: 1s
ray: {address: "%s:6379", tokenFile: %s}
"""
# Creates objects one after the other; what was acknowledged goes to stdout, with the time.
WRITER = """
import asyncio, itertools, sys, time
from kube_actors.api.errors import KubeActorsError
from kube_actors.api.resources import CONFIGMAPS
from kube_actors.cluster import paths, record, wiring
from kube_actors.cluster.pki import Pki

async def main():
    found = record.read(paths.of_cluster("default"))
    client = wiring.client(found.plan, Pki.open(found.plan.paths.pki), wiring.ADMIN, (wiring.MASTERS_GROUP,))
    await client.start()
    for number in itertools.count():
        named = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"written-{number}"}}
        try:
            await client.create(CONFIGMAPS, named, namespace="default")
        except KubeActorsError as error:
            print("failed", time.monotonic(), error, file=sys.stderr, flush=True)
            await asyncio.sleep(0.05)
        else:
            print(f"written-{number}", time.monotonic(), flush=True)
        await asyncio.sleep(0.01)

asyncio.run(main())
"""


class Kactl:
    """kactl on a host."""

    def __init__(self, host: Any) -> None:
        self.host = host

    def run(self, *words: str) -> tuple[int, str, str]:
        command = self.host.command([sys.executable, "-m", "kube_actors_cli.main", *words])
        done = subprocess.run(
            command, env=self.host.environment, capture_output=True, text=True, timeout=150, check=False
        )
        return done.returncode, done.stdout, done.stderr

    def __call__(self, *words: str) -> str:
        code, out, err = self.run(*words)
        assert code == 0, f"kactl {' '.join(words)}: {out}{err}"
        return out

    def members(self) -> list[dict[str, Any]]:
        _, out, _ = self.run("status", "-o", "json")
        found: list[dict[str, Any]] = json.loads(out)["store"]
        return found


@pytest.fixture
def lab() -> Iterator[Any]:
    pytest.importorskip("ray", reason="Ray is not installed")
    with hosts.HostLab() as lab:
        yield lab
        for path in sorted(lab.folder.glob("home-*/default/logs/*")):
            print(f"== {path.relative_to(lab.folder)}\n{path.read_text(errors='replace')[-3000:]}")


@pytest.fixture
def writer() -> Iterator[Callable[[Any], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(host: Any) -> subprocess.Popen[str]:
        command = host.command([sys.executable, "-c", WRITER])
        with open(host.home / "written", "w") as out, open(host.home / "refused", "w") as err:
            started.append(subprocess.Popen(command, env=host.environment, stdout=out, stderr=err, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def written(host: Any) -> dict[str, float]:
    """What was acknowledged, and when."""
    lines = (host.home / "written").read_text().splitlines()
    return {name: float(at) for name, at in (line.split() for line in lines)}


def until(holds: Callable[[], bool], what: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(0.3)


def on_hosts(members: list[dict[str, Any]]) -> list[str]:
    """The addresses of members that are well and have a vote."""
    voters = [each for each in members if each["healthy"] and each["role"] in ("leader", "follower")]
    return sorted(each["address"].partition(":")[0] for each in voters)


def test_a_host_is_lost_no_acknowledged_write_is_and_its_member_gets_another_host(lab: Any, writer: Any) -> None:
    head, second, third = lab.add(3)
    head.start_ray(labels="disk=fast")
    head.wait_for_ray()
    for host in (second, third):
        host.start_ray(head, labels="disk=fast")
        host.wait_for_ray()
    kactl = Kactl(head)
    config = head.home / "config.yaml"
    config.write_text(CONFIG % (head.address, lab.token))
    kactl("up", "-f", str(config))
    until(lambda: on_hosts(kactl.members()) == [head.address, second.address, third.address], kactl.members)
    # The authority has not left the master.
    assert not list(lab.folder.glob("home-[23]/**/ca.key"))

    writer(head)
    until(lambda: len(written(head)) > 20, lambda: (head.home / "refused").read_text())
    leader = next(each["address"] for each in kactl.members() if each["role"] == "leader").partition(":")[0]
    lost, kept = (second, third) if leader != third.address else (third, second)
    lost.lose()
    at = time.monotonic()
    until(
        lambda: sum(when > at + 1 for when in written(head).values()) > 20, lambda: (head.home / "refused").read_text()
    )

    # Another machine joins.
    [spare] = lab.add()
    spare.start_ray(head, labels="disk=fast")
    spare.wait_for_ray()
    until(lambda: on_hosts(kactl.members()) == sorted((head.address, kept.address, spare.address)), kactl.members)
    assert etcds(spare)

    acknowledged = written(head)
    there = set(kactl("get", "configmaps", "-o", "name").split())
    assert not {f"configmap/{name}" for name in acknowledged} - there
    times = sorted(acknowledged.values())
    pause = max(after - before for before, after in itertools.pairwise(times))
    print(f"{len(acknowledged)} writes, the longest pause {pause:.1f} s")
    assert pause < 20

    kactl("down")
    assert not any(etcds(host) for host in (head, kept, spare))
    # Ray was there before.
    assert "raylet" in "".join(map(command_of, head.processes()))


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def etcds(host: Any) -> list[int]:
    return [pid for pid in host.processes() if " --initial-advertise-peer-urls " in command_of(pid)]
