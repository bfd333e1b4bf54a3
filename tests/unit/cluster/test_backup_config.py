"""The config of scheduled backups, and what is said of them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from kube_actors.api.errors import ConfigError
from kube_actors.cluster import config, record
from kube_actors.cluster.backups import BackupStatus, backups_in, describe, read_status
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.plan import BackupPlan, ClusterPlan, plan
from kube_actors.cluster.processes import this_process
from kube_actors.cluster.record import RUNNING, ClusterRecord


def planned(backup: dict[str, Any], root: Path) -> ClusterPlan:
    parsed = config.parse({"store": {"backup": backup}}, "x.yaml")
    return plan(parsed, ClusterPaths(root), "process", embedded=False)


def test_an_interval_turns_backups_on(tmp_path: Path) -> None:
    assert planned({}, tmp_path).backup is None
    assert planned({"keep": 3}, tmp_path).backup is None
    assert planned({"interval": "1h30m"}, tmp_path).backup == BackupPlan(5400.0, 24, str(tmp_path / "backups"))
    chosen = planned({"interval": "1d", "keep": 2, "folder": "/b"}, tmp_path)
    assert chosen.backup == BackupPlan(86400.0, 2, "/b")


@pytest.mark.parametrize(
    ("backup", "problem"),
    [
        ({"interval": "often"}, "store.backup.interval: 'often' is no duration; write 30s, 15m, 1h or 1d"),
        ({"interval": "1s"}, "store.backup.interval: '1s' must be from 10s to 365d"),
        ({"interval": 60}, "store.backup.interval: must be text, not 60"),
        ({"keep": 0}, "store.backup.keep: 0 must be from 1 to 10000"),
        ({"folder": "b"}, "store.backup.folder: 'b' must be an absolute path"),
        ({"every": "1h"}, "store.backup.every: unknown key; allowed here: folder, interval, keep"),
        ("1h", "store.backup: must be a mapping, not '1h'"),
    ],
)
def test_a_wrong_value_is_one_line(backup: Any, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        config.parse({"store": {"backup": backup}}, "x.yaml")
    assert str(refused.value) == f"x.yaml: {problem}"


def test_a_store_in_memory_needs_a_folder_that_stays() -> None:
    content = {"mode": "embedded", "store": {"durable": False, "backup": {"interval": "1h"}}}
    with pytest.raises(ConfigError, match=r"store\.backup\.folder: needed for a store in memory"):
        config.parse(content, "x.yaml")


def test_the_record_keeps_the_plan_of_backups(tmp_path: Path) -> None:
    paths = ClusterPaths(tmp_path)
    for resolved in (planned({"interval": "1h"}, tmp_path), planned({}, tmp_path)):
        written = ClusterRecord("default", "ray", RUNNING, this_process(), resolved)
        record.write(paths, written)
        assert record.read(paths) == written


def test_only_the_clusters_own_scheduled_backups_are_counted(tmp_path: Path) -> None:
    mine = ["a-20260102T030405Z.backup", "a-20260102T030406Z.backup", "a-20260103T000000Z.backup"]
    for name in [*mine[::-1], "a-b-20260102T030405Z.backup", "a.backup", "a-20260102T030405Z.backup.old", "notes"]:
        (tmp_path / name).touch()
    assert [path.name for path in backups_in(tmp_path, "a")] == mine


def test_what_status_says(tmp_path: Path) -> None:
    assert read_status(tmp_path / "none") == BackupStatus()
    assert describe(BackupStatus()) == "none made yet"
    status = BackupStatus(made=3, failed=2, last="2026-01-02T03:04:05Z", last_keys=7)
    assert describe(status) == "3 made, last 2026-01-02T03:04:05Z (7 keys), 2 failed"
    failing = BackupStatus(failed=2, failing=2, last_error="disk full", last_error_at="2026-01-02T03:04:05Z")
    assert describe(failing) == "none made, 2 failed; FAILING since 2 attempts, 2026-01-02T03:04:05Z: disk full"
    (tmp_path / "status").write_text(json.dumps(dataclasses.asdict(failing)))
    assert read_status(tmp_path / "status") == failing
    (tmp_path / "status").write_text("{")
    assert read_status(tmp_path / "status") == BackupStatus()
