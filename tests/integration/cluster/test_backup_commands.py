"""kactl backup and kactl restore, as a user runs them, on embedded clusters with simulated nodes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kube_actors.api.errors import Conflict, Expired
from kube_actors.api.resources import NAMESPACES
from kube_actors.cluster import restoring
from kube_actors.cluster.embedded import Cluster
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.store.backup.export import Choices, export
from kube_actors.store.backup.reader import check

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  replicas: 3
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: c, image: i}]}
"""
CONFIG = """
name: default
mode: embedded
runtime: simulated
apiServer: {port: 0, grpcPort: 0, tokenPort: 0}
store: {port: 0, backup: {interval: 10s, keep: 2, folder: FOLDER}}
workers: {count: 2}
"""


class Kactl:
    """kactl with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "KUBE_ACTORS_HOME": str(home / "home")}
        self._command = [sys.executable, "-m", "kube_actors_cli.main"]
        self.up: subprocess.Popen[str] | None = None

    def run(self, *words: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._command, *map(str, words)],
            input=stdin, env=self.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def ok(self, *words: object, stdin: str = "") -> str:
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, *words: object) -> str:
        """The one line that says why."""
        done = self.run(*words)
        assert (done.returncode, done.stdout) == (1, ""), done.stdout
        assert len(done.stderr.splitlines()) == 1, done.stderr
        return done.stderr

    def start(self, *words: object) -> None:
        assert self.up is None
        command = [*self._command, "up", *map(str, words)]
        with open(self.home / "up.log", "w") as log:
            self.up = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.up.stdout is not None
        for line in self.up.stdout:
            if "Ctrl-C" in line:
                return
        raise AssertionError((self.home / "up.log").read_text())

    def stop(self) -> None:
        if self.up is None:
            return
        process, self.up = self.up, None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def embedded(self, data: Path) -> None:
        self.start("--embedded", "--data", data, "--api-port", 0, "--runtime", "simulated", "--nodes", 2)

    def deploy(self, name: str) -> None:
        path = self.home / f"{name}.yaml"
        path.write_text(DEPLOYMENT.replace("NAME", name))
        self.ok("apply", "-f", path)
        self.ok("rollout", "status", f"deployment/{name}")

    def version_of(self, name: str) -> int:
        return int(self.ok("get", "deployment", name, "-o", "jsonpath={.metadata.resourceVersion}"))

    def names(self, kind: str) -> list[str]:
        return self.ok("get", kind, "-o", "name").split()


@pytest.fixture
def kactl(tmp_path: Path) -> Iterator[Kactl]:
    found = Kactl(tmp_path)
    yield found
    found.stop()


def test_deployments_survive_backup_down_restore_up(kactl: Kactl, tmp_path: Path) -> None:
    data, new, backup, keyed = (tmp_path / name for name in ("data", "new", "a.backup", "keyed.backup"))
    kactl.embedded(data)
    kactl.deploy("web")
    pods = kactl.names("pods")
    assert len(pods) == 3
    said = kactl.ok("backup", backup)
    contents = check(backup)
    assert said == (
        f"Backup: {contents.counts.keys} keys at revision {contents.header.revision}, "
        f"{backup.stat().st_size} bytes, in {backup}\n"
    )
    assert contents.files == ()
    assert backup.stat().st_mode & 0o777 == 0o600
    assert "with its certificates and token" in kactl.ok("backup", keyed, "--with-keys")
    assert {file.name for file in check(keyed).files} >= {"pki/ca.crt", "pki/ca.key", "pki/sa.key", "token"}
    kubeconfig = (tmp_path / "home" / "default" / "kubeconfig").read_text()
    kactl.deploy("later")
    newest = kactl.version_of("later")

    # While it runs, nothing is touched.
    assert "cluster 'default' is running; end it first with 'kactl down'" in kactl.fails("restore", backup)
    assert "is in use by a store that runs" in kactl.fails("restore", backup, "--data", data, "--force")
    kactl.stop()
    assert "no cluster is running here" in kactl.fails("backup", backup)
    assert "holds a store already" in kactl.fails("restore", backup, "--data", data)

    said = kactl.ok("restore", backup, "--data", data, "--force")
    assert f"Restored {contents.counts.keys} keys of cluster 'default'" in said
    assert "its certificates and token stay as they are" in said
    assert f"The replaced store is kept as {data}/store/store.lmdb.replaced" in said
    kactl.embedded(data)
    assert kactl.names("deployments") == ["deployment.apps/web"]
    assert kactl.names("pods") == pods
    assert kactl.version_of("web") > newest
    kactl.deploy("after")
    kactl.stop()

    # Into a new place: with the keys the old kubeconfig's authority is the new cluster's.
    said = kactl.ok("restore", keyed, "--data", new)
    assert "kubeconfigs from then stay valid" in said
    assert (new / "pki" / "ca.crt").read_bytes() == (data / "pki" / "ca.crt").read_bytes()
    assert (new / "pki" / "ca.key").stat().st_mode & 0o777 == 0o600
    assert (new / "token").read_bytes() == (data / "token").read_bytes()
    kactl.embedded(new)
    old = tmp_path / "old-kubeconfig"
    now = (tmp_path / "home" / "default" / "kubeconfig").read_text()
    old.write_text(_with_addresses_of(kubeconfig, now))
    assert kactl.ok("get", "deployments", "-o", "name", "--kubeconfig", old) == "deployment.apps/web\n"
    kactl.stop()


def _with_addresses_of(kubeconfig: str, other: str) -> str:
    """The old credentials at the new ports."""
    import yaml

    old, new = yaml.safe_load(kubeconfig), yaml.safe_load(other)
    assert old["users"] != new["users"]
    kept = old["clusters"][0]["cluster"]["certificate-authority-data"]
    assert kept == new["clusters"][0]["cluster"]["certificate-authority-data"]
    return yaml.safe_dump({**new, "users": old["users"]})


async def test_clients_are_told_to_list_again_and_go_on(tmp_path: Path) -> None:
    async with Cluster(data_dir=tmp_path / "data") as cluster:
        for number in range(5):
            await cluster.client.create(NAMESPACES, {"metadata": {"name": f"kept-{number}"}})
        async with restoring.wire(cluster.plan) as wire:
            await export(wire, tmp_path / "a", Choices())
        for number in range(5):
            await cluster.client.create(NAMESPACES, {"metadata": {"name": f"lost-{number}"}})
        seen = int((await cluster.client.list(NAMESPACES)).resource_version)
        stale = await cluster.client.get(NAMESPACES, "kept-0")
    paths = ClusterPaths(tmp_path / "data")
    restored = restoring.restore(tmp_path / "a", check(tmp_path / "a"), paths, force=True)
    assert restored.revision > seen
    async with Cluster(data_dir=tmp_path / "data") as cluster:
        with pytest.raises(Expired):
            async for _ in cluster.client.watch(NAMESPACES, resource_version=str(seen)):
                pass
        listed = await cluster.client.list(NAMESPACES)
        names = {item["metadata"]["name"] for item in listed.items}
        assert {f"kept-{number}" for number in range(5)} <= names
        assert not any(name.startswith("lost") for name in names)
        assert all(int(item["metadata"]["resourceVersion"]) > seen for item in listed.items)
        with pytest.raises(Conflict):
            await cluster.client.update(NAMESPACES, stale)


def test_without_keys_a_new_cluster_says_that_kubeconfigs_change(kactl: Kactl, tmp_path: Path) -> None:
    kactl.embedded(tmp_path / "data")
    kactl.deploy("web")
    kactl.ok("backup", tmp_path / "a", "--compression", "none")
    kactl.ok("backup", tmp_path / "keyed", "--with-keys")
    kactl.stop()
    said = kactl.ok("restore", tmp_path / "a", "--data", tmp_path / "new")
    assert "'kactl up' makes new ones, and kubeconfigs from before are not valid" in said
    kactl.embedded(tmp_path / "new")
    assert kactl.names("deployments") == ["deployment.apps/web"]
    kactl.deploy("more")
    kactl.stop()
    # The new cluster has an authority of its own now: the backup's would change every kubeconfig.
    (tmp_path / "new" / "store" / "store.lmdb").unlink()
    assert "differs from the backup's; --force replaces it" in kactl.fails(
        "restore", tmp_path / "keyed", "--data", tmp_path / "new"
    )
    assert not (tmp_path / "new" / "store" / "store.lmdb").exists()
    kactl.ok("restore", tmp_path / "keyed", "--data", tmp_path / "new", "--force")
    assert (tmp_path / "new" / "pki.replaced" / "ca.key").exists()
    assert (tmp_path / "new" / "pki" / "ca.crt").read_bytes() == (tmp_path / "data" / "pki" / "ca.crt").read_bytes()


def test_bad_input_is_one_line_and_changes_nothing(kactl: Kactl, tmp_path: Path) -> None:
    kactl.embedded(tmp_path / "data")
    good = tmp_path / "good"
    kactl.ok("backup", good)
    (tmp_path / "notes").write_text("my only copy")
    assert "does not exist; make it, or choose another" in kactl.fails("backup", tmp_path / "none" / "a")
    assert "is a folder; give the name of a file" in kactl.fails("backup", tmp_path)
    assert "exists and is no backup" in kactl.fails("backup", tmp_path / "notes")
    assert "does not answer" in kactl.fails("backup", tmp_path / "x", "--endpoints", "127.0.0.1:1")
    assert "TLS needs --cacert" in kactl.fails("backup", tmp_path / "x", "--endpoints", "a:1", "--cert", good)
    kactl.stop()
    content = good.read_bytes()
    middle = len(content) // 2
    bad: dict[str, tuple[bytes, str]] = {
        "cut": (content[:middle], "is damaged: it is cut off; use another backup"),
        "altered": (content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :], "is damaged: "),
        "longer": (content + b"\n", "is damaged: something follows its end"),
        "future": (content[:9] + b"\x07" + content[10:], "has format version 7, this program reads 1"),
        "other": (b"PK\3\4" + b"x" * 100, "is no backup of kactl"),
    }
    before = (tmp_path / "data" / "store" / "store.lmdb").read_bytes()
    for name, (damaged, problem) in bad.items():
        (tmp_path / name).write_bytes(damaged)
        assert problem in kactl.fails("restore", tmp_path / name, "--data", tmp_path / "data", "--force")
    assert problem in kactl.fails("restore", tmp_path / name, "--data", tmp_path / "fresh")
    assert "No such file" in kactl.fails("restore", tmp_path / "missing", "--data", tmp_path / "data", "--force")
    assert (tmp_path / "data" / "store" / "store.lmdb").read_bytes() == before
    assert not (tmp_path / "fresh").exists()
    assert (tmp_path / "notes").read_text() == "my only copy"
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_backups_by_the_clock_are_kept_and_shown(kactl: Kactl, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    (tmp_path / "config.yaml").write_text(CONFIG.replace("FOLDER", str(folder)))
    kactl.start("-f", tmp_path / "config.yaml")

    def status() -> dict[str, int]:
        return dict(json.loads(kactl.ok("status", "-o", "json"))["backups"])

    assert status()["made"] == 0
    _until(lambda: status()["made"] == 1)
    (made,) = folder.iterdir()
    assert check(made).counts.keys > 20
    # A file where the folder should be: counted and shown, and the cluster goes on.
    made.rename(tmp_path / "moved")
    folder.rmdir()
    folder.write_text("")
    _until(lambda: status()["failed"] > 0)
    assert "FAILING since 1 attempts" in kactl.ok("status")
    kactl.deploy("web")
    folder.unlink()
    _until(lambda: status()["made"] == 2)
    assert status()["failing"] == 0
    assert "1 failed" in kactl.ok("status")


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.5)
