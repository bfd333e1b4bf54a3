"""Image garbage collection on a real engine that a developer uses too: what the node pulled goes, nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.docker_cluster.cluster import DockerCluster, Space, cluster_in_a_lab, pod
from tests.e2e.docker_cluster.registry import HOST, Registry, pull_secret, why_not
from tests.e2e.lab import BUSYBOX_IMAGE
from tests.kactl_cluster import until

# More of the disk is in use than one percent: whatever may go goes.
CONFIG = """
mode: embedded
runtime: docker
apiServer: {port: 0, grpcPort: 0, tokenPort: 0}
workers:
  imageGCHighThresholdPercent: 1
  imageGCLowThresholdPercent: 0
  imageMinimumGCAge: 4s
  imageGCPeriod: 2s
"""
SECRET = {"imagePullSecrets": [{"name": "s"}]}


def names(cluster: DockerCluster) -> set[str]:
    return set(cluster.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split())


def test_only_what_the_node_pulled_and_nobody_uses_goes() -> None:
    if reason := why_not():
        pytest.skip(reason)
    with cluster_in_a_lab(CONFIG) as cluster, Registry(cluster.lab) as registry:
        for each in ("used", "done", "tagged", "stopped", "volume"):
            registry.push(f"FROM {BUSYBOX_IMAGE}\nENV NAME={each}\n", f"{each}:1")
        cluster.start()
        _collect(cluster, registry)


def _collect(cluster: DockerCluster, registry: Registry) -> None:
    space = Space(cluster, "default")
    registry.build(f"FROM {BUSYBOX_IMAGE}\nENV MINE=1\n", "mine:1")
    developers = names(cluster)
    volume = {"volumes": [{"name": "v", "image": {"reference": f"{HOST}/volume:1"}}]}
    space.create(
        pull_secret("s"),
        *(pod(each, image=f"{HOST}/{each}:1", spec=SECRET) for each in ("used", "done", "tagged", "stopped")),
        pod("volume", spec=SECRET | volume, volumeMounts=[{"name": "v", "mountPath": "/v"}]),
    )
    for each in ("used", "done", "tagged", "stopped", "volume"):
        space.wait(each)
    pause = next(each for each in names(cluster) if each.startswith("kube-actors/pause:"))
    cluster.docker("tag", f"{HOST}/tagged:1", "a-developers-own:1")
    cluster.docker("create", "--name", "a-developers-container", f"{HOST}/stopped:1", "sh")
    # What is known of the pulls outlives the agent.
    cluster.kill()
    cluster.start()
    for each in ("done", "tagged", "stopped"):
        space.kubectl("delete", "pod", each)
    # A pod that was adopted finds its volume again.
    cluster.docker("kill", space.container("volume")["containerID"].removeprefix("docker://"))
    until(lambda: space.container("volume")["restartCount"] == 1 and space.container("volume")["ready"])
    assert space.sh("volume", "ls -A /v").split() == ["bin", "etc", "root", "tmp"]
    until(lambda: f"{HOST}/done:1" not in names(cluster), "an image that nobody uses goes")
    # Two rounds more, so that what should stay had its chance to go.
    events = len(_node_events(space, "FreeDiskSpaceFailed"))
    until(lambda: sum(each["count"] for each in _node_events(space, "FreeDiskSpaceFailed")) > events + 2)
    stays = {f"{HOST}/{each}:1" for each in ("used", "tagged", "stopped", "volume")} | {"a-developers-own:1", pause}
    assert names(cluster) == developers | stays
    message = _node_events(space, "FreeDiskSpaceFailed")[0]["message"]
    assert message.startswith("Failed to garbage collect required amount of images. Attempted to free ")
    assert _node_events(space, "ImageGCFailed")
    # With its last user an image goes, and with its last pod the folder of a volume.
    unpacked = cluster.node_folder / "image-volumes"
    assert len(list(unpacked.iterdir())) == 1
    cluster.docker("rm", "a-developers-container")
    space.kubectl("delete", "pod", "volume", "used")
    until(lambda: names(cluster) == developers | {f"{HOST}/tagged:1", "a-developers-own:1", pause})
    until(lambda: not list(unpacked.iterdir()))


def _node_events(space: Space, reason: str) -> list[Any]:
    chosen = f"involvedObject.kind=Node,reason={reason}"
    return list(json.loads(space.kubectl("get", "events", "-A", "--field-selector", chosen, "-o", "json"))["items"])


PRESSURE = """
mode: embedded
runtime: docker
apiServer: {port: 0, grpcPort: 0, tokenPort: 0}
workers:
  evictionHard: {nodefs.available: 150Mi}
  imageMinimumGCAge: 1s
"""
MIB = 1 << 20


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of its own for the engine and the cluster. A short path, for there will be sockets below."""
    if os.geteuid() != 0:
        pytest.skip("mounts a disk, which needs root")
    disk = Path(tempfile.mkdtemp(prefix="ka-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500m", "tmpfs", str(disk)], check=True)
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    yield disk
    subprocess.run(["umount", str(disk)], check=True)
    disk.rmdir()


def fill(disk: Path, left: int) -> None:
    """Write a file so that so much is left."""
    too_much = shutil.disk_usage(disk).free - left
    assert too_much > 0
    with (disk / "filler").open("ab") as file:
        for _ in range(too_much // MIB):
            file.write(bytes(MIB))


def test_under_disk_pressure_images_go_before_pods(small_disk: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    with cluster_in_a_lab(PRESSURE) as cluster, Registry(cluster.lab) as registry:
        registry.push(f"FROM {BUSYBOX_IMAGE}\nRUN dd if=/dev/zero of=/big bs=1M count=60\n", "big:1")
        cluster.start()
        _press(Space(cluster, "default"), small_disk)


def _press(space: Space, disk: Path) -> None:
    space.create(pull_secret("s"), pod("big", image=f"{HOST}/big:1", spec=SECRET), pod("innocent"))
    for each in ("big", "innocent"):
        space.wait(each)
    space.kubectl("delete", "pod", "big")
    until(lambda: "_big_" not in space.cluster.docker("ps", "-a", "--format", "{{.Names}}"), "its containers are gone")
    fill(disk, 120 * MIB)
    until(lambda: f"{HOST}/big:1" not in names(space.cluster), "the image goes")
    pressure = "jsonpath={.items[0].status.conditions[?(@.type=='DiskPressure')].status}"
    until(lambda: space.kubectl("get", "nodes", "-o", pressure) == "True", "the node tells of the pressure")
    assert shutil.disk_usage(disk).free > 150 * MIB
    assert space.container("innocent")["ready"]
    fill(disk, 100 * MIB)
    evicted = space.phase("innocent", "Failed")["status"]
    assert evicted["reason"] == "Evicted"
    assert evicted["message"].startswith("The node was low on resource: ephemeral-storage. ")
    (disk / "filler").unlink()
