"""What nobody needs any more goes: dead containers, and leftovers of pods that neither API nor node knows."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.e2e.docker_cluster.cluster import DockerCluster, Space, pod
from tests.e2e.lab import BUSYBOX_IMAGE
from tests.kactl_cluster import until

# Ends when it is told to.
IDLE = "trap exit TERM; while :; do sleep 0.1; done"
UID = "io.kubernetes.pod.uid"


def containers(cluster: DockerCluster, uid: str, *more: str) -> list[str]:
    return cluster.docker("ps", "-a", "-q", "--filter", f"label={UID}={uid}", *more).split()


def labels(cluster: DockerCluster, container: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(cluster.docker("inspect", "-f", "{{json .Config.Labels}}", container))
    return found


def test_of_a_crash_loop_the_last_two_runs_stay_with_their_logs(space: Space) -> None:
    script = "echo run $(cat /data/count | wc -c); echo >>/data/count; exit 1"
    volume = {"volumes": [{"name": "data", "emptyDir": {}}]}
    mounts = [{"name": "data", "mountPath": "/data"}]
    space.create(pod("crash", script, spec=volume, volumeMounts=mounts))
    until(lambda: space.container("crash")["restartCount"] >= 2, seconds=90)
    uid = space.pod("crash")["metadata"]["uid"]
    until(lambda: len(containers(space.cluster, uid, "--filter", "status=exited")) == 2)
    assert space.kubectl("logs", "crash").startswith("run ")
    assert space.kubectl("logs", "crash", "--previous").startswith("run ")


def test_leftovers_of_pods_that_do_not_exist_go(space: Space) -> None:
    """As an agent leaves them that is killed between two steps, or that was away when their pod was deleted."""
    cluster = space.cluster
    space.create(pod("real"))
    space.wait("real")
    sandbox, member = sorted(
        containers(cluster, space.pod("real")["metadata"]["uid"]),
        key=lambda each: labels(cluster, each)["io.kubernetes.docker.type"],
        reverse=True,
    )
    image = cluster.docker("inspect", "-f", "{{.Config.Image}}", sandbox).strip()
    _make(cluster, labels(cluster, member) | {UID: "lost-member"}, BUSYBOX_IMAGE, "sh", "-c", IDLE)
    _make(cluster, labels(cluster, sandbox) | {UID: "lost-sandbox"}, image)
    lost = _make(cluster, labels(cluster, sandbox) | {UID: "lost-both"}, image)
    inside = labels(cluster, member) | {UID: "lost-both", "io.kubernetes.sandbox.id": lost}
    _make(cluster, inside, BUSYBOX_IMAGE, "sh", "-c", IDLE)
    # One that never ran, one of another cluster.
    cluster.docker("create", *_flags(labels(cluster, member) | {UID: "lost-created"}), BUSYBOX_IMAGE)
    others = labels(cluster, member) | {UID: "foreign", "kube-actors.cluster": "other"}
    foreign = _make(cluster, others, BUSYBOX_IMAGE, "sh", "-c", IDLE)
    try:
        for uid in ("lost-member", "lost-sandbox", "lost-both", "lost-created"):
            until(lambda uid=uid: not containers(cluster, uid), uid)
        assert containers(cluster, "foreign")
    finally:
        cluster.docker("rm", "-f", foreign)
    assert space.container("real")["restartCount"] == 0


def test_files_and_mounts_of_pods_that_do_not_exist_go(space: Space) -> None:
    cluster = space.cluster
    space.create(pod("real", spec={"volumes": [{"name": "v", "emptyDir": {}}]}))
    space.wait("real")
    folder = cluster.node_folder / "pods/00000000-dead/volumes"
    precious = cluster.folder / "precious"
    for path in (folder / "memory", folder / "deep/bound", folder / "plain", precious):
        path.mkdir(parents=True)
    (precious / "file").write_text("stays")
    (folder / "plain/link").symlink_to(precious)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder / "memory")], check=True)
    subprocess.run(["mount", "--bind", str(precious), str(folder / "deep/bound")], check=True)
    (folder / "memory/file").write_text("goes")
    until(lambda: not folder.parent.exists(), "the orphan's folder is gone")
    assert not [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line]
    assert (precious / "file").read_text() == "stays"
    shutil.rmtree(precious)
    assert (cluster.node_folder / "pods" / space.pod("real")["metadata"]["uid"]).exists()


def _make(cluster: DockerCluster, found: dict[str, str], image: str, *command: str) -> str:
    return cluster.docker("run", "-d", *_flags(found), image, *command).strip()


def _flags(found: dict[str, Any]) -> list[str]:
    return [word for key, value in found.items() for word in ("--label", f"{key}={value}")]
