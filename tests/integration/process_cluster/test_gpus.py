"""GPUs through kubectl, with a program that answers as nvidia-smi does; no GPU is needed, and none is used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.docker_cluster.cluster import Space
from tests.integration.process_cluster.cluster import ProcessCluster
from tests.integration.process_cluster.conftest import running
from tests.kactl_cluster import until

NAMES = ("GPU-11111111-aaaa", "GPU-22222222-bbbb")
SAY = "echo has=$CUDA_VISIBLE_DEVICES; exec sleep 1000"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ProcessCluster]:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        '#!/bin/sh\ntest "$*" = "--query-gpu=index,uuid,name,memory.total --format=csv,noheader" || exit 2\n'
        f"exec cat {tmp_path}/gpus\n"
    )
    program.chmod(0o755)
    (tmp_path / "gpus").write_text("".join(f"{n}, {name}, Tesla T4, 15360 MiB\n" for n, name in enumerate(NAMES)))
    with running(ProcessCluster(name="gpus", path=tmp_path)) as cluster:
        yield cluster


def pod(name: str, gpus: int, **spec: Any) -> Any:
    wants = {"limits": {"nvidia.com/gpu": gpus}} if gpus else {}
    container = {"name": "c", "image": "host", "command": ["sh", "-c", SAY], "resources": wants}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        # With 0 the API would forget a pod whose processes still have the GPU.
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]} | spec,
    }


def test_pods_share_the_gpus_and_a_crash_of_the_node_confuses_nobody(cluster: ProcessCluster) -> None:
    space = Space(cluster, "default")  # type: ignore[arg-type]
    node = json.loads(cluster.kubectl("get", "node", "node-1", "-o", "json"))
    assert node["status"]["capacity"]["nvidia.com/gpu"] == node["status"]["allocatable"]["nvidia.com/gpu"] == "2"
    assert node["metadata"]["labels"]["nvidia.com/gpu.product"] == "Tesla-T4"
    assert node["metadata"]["labels"]["nvidia.com/gpu.count"] == "2"

    def has(name: str) -> str:
        return until(lambda: space.kubectl("logs", name)).strip().removeprefix("has=")

    space.create(pod("one", 1), pod("two", 1), pod("none", 0))
    for name in ("one", "two", "none"):
        space.wait(name)
    owners = {has("one"): "one", has("two"): "two"}
    assert set(owners) == set(NAMES)
    assert has("none") == ""
    described = cluster.kubectl("describe", "node", "node-1")
    assert [line.split()[1:] for line in described.splitlines() if line.strip().startswith("nvidia.com/gpu  ")] == [
        ["2", "2"]
    ]

    space.create(pod("late", 1), pod("forced", 1, nodeName="node-1"))
    forced = space.phase("forced", "Failed")["status"]
    assert forced["reason"] == "UnexpectedAdmissionError"
    assert "Requested: 1, Available: 0, which is unexpected" in forced["message"]
    until(lambda: "Insufficient nvidia.com/gpu" in "".join(space.events("late", "FailedScheduling")))

    cluster.kill()
    cluster.start()
    assert [space.container(name)["restartCount"] for name in ("one", "two")] == [0, 0]
    until(lambda: space.container("one")["ready"])
    free = has("one")
    space.kubectl("delete", "pod", "one")
    space.wait("late")
    assert has("late") == free, "the one that was freed, not that of a pod from before the crash"
    space.kubectl("delete", "pods", "--all")


def test_a_gpu_that_was_lost_is_not_given_to_anybody(cluster: ProcessCluster, tmp_path: Path) -> None:
    cluster.kill()
    (tmp_path / "gpus").write_text("No devices were found\n")
    cluster.start()

    def lost() -> bool:
        node = json.loads(cluster.kubectl("get", "node", "node-1", "-o", "json"))
        counts = node["status"]["capacity"]["nvidia.com/gpu"], node["status"]["allocatable"]["nvidia.com/gpu"]
        return counts == ("0", "0") and "nvidia.com/gpu.product" not in node["metadata"]["labels"]

    until(lost)
    space = Space(cluster, "default")  # type: ignore[arg-type]
    space.create(pod("forced", 1, nodeName="node-1"))
    assert "no healthy devices present" in space.phase("forced", "Failed")["status"]["message"]
    space.kubectl("delete", "pods", "--all")
