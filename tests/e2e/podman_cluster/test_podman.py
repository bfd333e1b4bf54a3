"""The Docker runtime on Podman's Docker-compatible service: what a pod needs of it, through kubectl."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.docker_cluster.cluster import DockerCluster, Space, cluster_in_a_lab, pod
from tests.e2e.lab import BUSYBOX_IMAGE
from tests.e2e.podman_cluster.podman import PodmanLab, why_not
from tests.kactl_cluster import until


@pytest.fixture(scope="module")
def cluster() -> Iterator[DockerCluster]:
    if reason := why_not():
        pytest.skip(reason)
    with cluster_in_a_lab(lab=PodmanLab()) as cluster:
        cluster.start()
        yield cluster


@pytest.fixture(scope="module")
def space(cluster: DockerCluster) -> Iterator[Space]:
    cluster.kubectl("create", "namespace", "podman")
    space = Space(cluster, "podman")
    until(lambda: space.kubectl("get", "serviceaccount", "default"))
    yield space
    cluster.kubectl("delete", "namespace", "podman", "--timeout=90s", seconds=120)
    until(lambda: not cluster.leaks(), "nothing is left")


def test_containers_of_a_pod_share_a_hostname_an_address_and_are_talked_with(space: Space) -> None:
    serve = "echo page >/tmp/index.html; exec httpd -f -p 8080 -h /tmp"
    other = {"name": "web", "image": BUSYBOX_IMAGE, "command": ["sh", "-c", serve]}
    both = pod("shared", "echo begun; echo err >&2; sleep 3600", resources={"limits": {"memory": "64Mi", "cpu": "1"}})
    both["spec"]["containers"].append(other)
    space.create(both)
    space.wait("shared")
    status = space.pod("shared")["status"]
    assert space.sh("shared", "hostname; hostname -i").split() == ["shared", status["podIP"]]
    assert until(lambda: space.sh("shared", "wget -qO- http://127.0.0.1:8080/")) == "page"
    assert space.kubectl("logs", "shared", "-c", "c").splitlines() == ["begun", "err"]
    assert space.kubectl("exec", "-i", "shared", "-c", "c", "--", "wc", "-c", stdin=b"x" * 100_000).strip() == "100000"
    assert "serviceaccount tmpfs" in space.sh("shared", "cut -d' ' -f2,3 /proc/mounts")
    failed = space.run("exec", "shared", "-c", "c", "--", "sh", "-c", "exit 3")
    assert failed.returncode == 3
    used = space.cluster.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/podman/pods/shared")
    assert {each["name"] for each in json.loads(used)["containers"]} == {"c", "web"}


def test_ends_failures_and_restarts_are_told(space: Space) -> None:
    never = {"restartPolicy": "Never"}
    space.create(
        pod("ends", "echo last words >/dev/termination-log; exit 4", spec=never),
        pod("lost", spec=never, command=["no-such-command"]),
        pod("again", "exit 1"),
    )
    ended = space.phase("ends", "Failed")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["message"]) == (4, "last words\n")
    lost = space.phase("lost", "Failed")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (lost["exitCode"], lost["reason"]) == (128, "StartError")
    assert "no-such-command" in lost["message"]
    until(lambda: space.container("again")["restartCount"] >= 1)


def test_a_container_that_is_killed_is_replaced(space: Space) -> None:
    space.create(pod("stays"))
    space.wait("stays")
    space.cluster.docker("kill", space.container("stays")["containerID"].removeprefix("docker://"))
    until(lambda: space.container("stays")["restartCount"] == 1)
    space.wait("stays")


def test_an_image_is_a_volume(space: Space) -> None:
    volume = {"name": "v", "image": {"reference": BUSYBOX_IMAGE, "pullPolicy": "Never"}}
    space.create(pod("image", spec={"volumes": [volume]}, volumeMounts=[{"name": "v", "mountPath": "/v"}]))
    space.wait("image")
    assert space.sh("image", "ls -A /v").split() == ["bin", "etc", "root", "tmp"]
