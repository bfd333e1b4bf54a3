"""A cluster on Ray whose store is three members of a real etcd, by the real kactl."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("etcd") is None, reason="no etcd on PATH (Debian: etcd-server)"),
]

CONFIG = """
apiServer: {port: 0, grpcPort: 0, tokenPort: 0}
store: {%s}
runtime: simulated
ray: {objectStoreMemory: 80000000}
"""
STORE = "engine: etcd, members: 3, port: 0"
MEMBERS = ("storemember-1", "storemember-2", "storemember-3")


def _ray_conftest() -> ModuleType:
    """kactl as the other tests on Ray use it; tests/ is no package, so the module is loaded by its path."""
    path = Path(__file__).parents[1] / "ray" / "conftest.py"
    spec = importlib.util.spec_from_file_location("kube_actors_ray_conftest", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def kactl() -> Iterator[Any]:
    pytest.importorskip("ray", reason="Ray is not installed")
    module = _ray_conftest()
    folder = Path(tempfile.mkdtemp(prefix="ka-ha-"))
    kactl = module.Kactl(folder)
    try:
        yield kactl
    finally:
        kactl.run("down")
        for path in sorted((folder / "default" / "logs").glob("*")):
            print(f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}")
        left = etcds(folder)
        shutil.rmtree(folder, ignore_errors=True)
    assert not left


def etcds(home: Path) -> list[int]:
    """The etcd processes whose data is below that folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"--data-dir" in words and any(word.startswith(f"{home}/".encode()) for word in words):
                found.append(int(entry.name))
    return found


def up(kactl: Any, store: str) -> str:
    path = kactl.home / "ha.yaml"
    path.write_text(CONFIG % store)
    return str(kactl("up", "-f", str(path)))


def status(kactl: Any) -> dict[str, Any]:
    _, out, _ = kactl.run("status", "-o", "json")
    answer: dict[str, Any] = json.loads(out)
    return answer


def all_well(kactl: Any) -> bool:
    """Whether three members are healthy and one of them leads."""
    store = status(kactl)["store"]
    roles = sorted(member["role"] for member in store)
    return all(member["healthy"] for member in store) and roles == ["follower", "follower", "leader"]


def until(kactl: Any, holds: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds(kactl):
        assert time.monotonic() < deadline, status(kactl)
        time.sleep(0.5)


def process_of(kactl: Any, member: str) -> int:
    record = json.loads((kactl.home / "default" / "etcd" / member / "process").read_text())
    return int(record["process"]["pid"])


def actor_of(kactl: Any, member: str) -> int:
    kinds = {each["kind"]: each["pid"] for each in status(kactl)["components"]}
    return int(kinds[f"StoreMember/{member}"])


def replicas(kactl: Any) -> int:
    found = json.loads(kactl("get", "deployment", "web", "-n", "demo", "-o", "json"))
    return int(found["status"].get("readyReplicas", 0))


def test_members_come_back_are_replaced_and_restored_and_end_without_a_trace(kactl: Any) -> None:
    up(kactl, STORE)
    demo = Path(__file__).parents[3] / "cluster_configs" / "demo.yaml"
    kactl("apply", "-f", str(demo))
    kactl("rollout", "status", "deployment/web", "-n", "demo")
    until(kactl, all_well)
    assert len(etcds(kactl.home)) == 3

    # The leader, its actor with it: writes go on through the others, and it comes back.
    leader = next(member["name"] for member in status(kactl)["store"] if member["role"] == "leader")
    before, actor = process_of(kactl, leader), actor_of(kactl, leader)
    os.kill(before, signal.SIGKILL)
    os.kill(actor, signal.SIGKILL)
    # An actor alone: etcd goes on running, and is adopted.
    other = next(name for name in MEMBERS if name != leader)
    kept, keeper = process_of(kactl, other), actor_of(kactl, other)
    os.kill(keeper, signal.SIGKILL)
    scale(kactl, 5)
    until(kactl, lambda _: replicas(kactl) == 5)
    until(kactl, lambda _: actor_of(kactl, other) not in (0, keeper))
    until(kactl, all_well)
    assert process_of(kactl, leader) != before
    assert process_of(kactl, other) == kept
    assert kept in etcds(kactl.home)

    # A restore is one member with the backup's objects; the others have lost theirs, and join it.
    backup = kactl.home / "a.backup"
    kactl("backup", str(backup))
    kactl("delete", "deployment", "web", "-n", "demo")
    kactl("down")
    assert etcds(kactl.home) == []
    code, _, err = kactl.run("up")
    assert code == 1
    assert "this cluster has its objects in members of an etcd" in err.strip().splitlines()[-1]
    kactl("restore", str(backup), "--force")
    up(kactl, STORE)
    assert replicas(kactl) == 5
    until(kactl, all_well, seconds=90)
    kactl("down")
    assert etcds(kactl.home) == []


def scale(kactl: Any, count: int) -> None:
    """A write that has to go through while a member is away."""
    found = json.loads(kactl("get", "deployment", "web", "-n", "demo", "-o", "json"))
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "demo", "labels": found["metadata"]["labels"]},
        "spec": {**found["spec"], "replicas": count},
    }
    path = kactl.home / "scaled.json"
    path.write_text(json.dumps(manifest))
    kactl("apply", "-f", str(path))
