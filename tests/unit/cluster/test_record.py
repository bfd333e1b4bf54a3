"""What is on record about a cluster, and processes by identity."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kube_actors.api.errors import ConfigError
from kube_actors.cluster import paths as paths_module
from kube_actors.cluster import record
from kube_actors.cluster.config import ClusterConfig, WorkersSection
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.plan import plan
from kube_actors.cluster.processes import ProcessId, this_process
from kube_actors.cluster.record import RUNNING, STARTING, ClusterRecord, RayRecord
from kube_actors.node.runtime.simulated import read_config


def _record(paths: ClusterPaths, phase: str = RUNNING, leader: ProcessId | None = None) -> ClusterRecord:
    config = ClusterConfig(workers=WorkersSection(count=2, labels={"a": "b"}, container_log_max_files=3))
    resolved = plan(config, paths, "process", embedded=False)
    ray = RayRecord("127.0.0.1:1", "http://127.0.0.1:2", "/tmp/x", leader) if leader else None
    return ClusterRecord("default", "ray", phase, this_process(), resolved, "/k", ray)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    paths = ClusterPaths(tmp_path)
    written = _record(paths, leader=this_process())
    record.write(paths, written)
    assert record.read(paths) == written
    record.remove(paths)
    assert record.read(paths) is None


def test_the_behaviours_of_simulated_containers_are_read_again(tmp_path: Path) -> None:
    simulated = read_config({"seed": 3, "rules": [{"labels": {"a": "b"}, "behaviour": {"runSeconds": 1.5}}]})
    config = ClusterConfig(runtime="simulated", simulated=simulated)
    paths = ClusterPaths(tmp_path)
    written = replace(_record(paths), plan=plan(config, paths, "simulated", embedded=False))
    record.write(paths, written)
    assert record.read(paths) == written


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "x"}'])
def test_a_damaged_record_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "cluster.json").write_text(content)
    assert record.read(ClusterPaths(tmp_path)) is None


def test_a_running_cluster_is_refused_a_second_start(tmp_path: Path) -> None:
    paths = ClusterPaths(tmp_path)
    record.write(paths, _record(paths))
    with pytest.raises(ConfigError, match="'default' runs already; use it, or end it with 'kactl down'"):
        record.refuse_if_running(paths)


def test_what_a_killed_start_left_is_no_running_cluster(tmp_path: Path) -> None:
    paths = ClusterPaths(tmp_path)
    record.write(paths, _record(paths, STARTING))
    record.refuse_if_running(paths)
    record.write(paths, _record(paths, RUNNING, leader=ProcessId(os.getpid(), "another start")))
    record.refuse_if_running(paths)


def test_one_process_at_a_time_starts_or_ends_a_cluster(tmp_path: Path) -> None:
    paths = ClusterPaths(tmp_path)
    with record.exclusive(paths), pytest.raises(ConfigError, match="another kactl"), record.exclusive(paths):
        raise AssertionError("two held it")
    with record.exclusive(paths):
        pass


def test_a_pid_with_another_start_time_is_another_process() -> None:
    me = this_process()
    assert me.alive()
    assert not ProcessId(me.pid, "0").alive()


def test_a_process_that_has_ended_is_not_alive_even_before_it_is_collected() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    try:
        assert not ProcessId(child.pid, "").alive()
    finally:
        child.wait()


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a" * 41, "../x", "a/b"])
def test_names_that_cannot_be_folders_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is no name for a cluster"):
        paths_module.of_cluster(name)


def test_the_home_of_clusters_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBE_ACTORS_HOME", str(tmp_path))
    assert paths_module.of_cluster("east").kubeconfig == tmp_path / "east" / "kubeconfig"


def test_a_token_is_made_once_and_private(tmp_path: Path) -> None:
    paths = ClusterPaths(tmp_path)
    token = paths.read_or_make_token(paths.token)
    assert len(token) == 48
    assert paths.read_or_make_token(paths.token) == token
    assert paths.token.stat().st_mode & 0o777 == 0o600
