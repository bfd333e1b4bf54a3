"""The node on Docker: static pods, and a label that is heeded at once."""

from __future__ import annotations

import json

from tests.e2e.docker_cluster.cluster import DockerCluster, Space
from tests.e2e.lab import BUSYBOX_IMAGE
from tests.kactl_cluster import until


def test_a_static_pod_lives_as_long_as_its_file(cluster: DockerCluster, space: Space) -> None:
    container = {"name": "c", "image": BUSYBOX_IMAGE, "command": ["sleep", "1000"], "imagePullPolicy": "Never"}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "static", "namespace": space.name},
        "spec": spec,
    }
    manifests = cluster.node_folder / "manifests"
    manifests.mkdir(exist_ok=True)
    file = manifests / "static.yaml"
    file.write_text(json.dumps(manifest))
    name = "static-node-1"

    def running() -> str:
        path = "jsonpath={.status.containerStatuses[0].state.running.startedAt}"
        return space.kubectl("get", "pod", name, "-o", path)

    try:
        since = until(running, "the static pod runs and is shown")
        assert "kubernetes.io/config.mirror" in space.pod(name)["metadata"]["annotations"]
        uid = space.pod(name)["metadata"]["uid"]
        space.kubectl("delete", "pod", name, "--grace-period=0", "--force")
        until(lambda: running() and space.pod(name)["metadata"]["uid"] != uid, "the mirror is made anew")
        assert running() == since, "the pod was not touched"
        assert space.sh(name, "echo in") == "in"
        container["command"] = ["sleep", "2000"]
        file.write_text(json.dumps(manifest))
        until(lambda: running() not in ("", since), "a changed manifest is another pod")
    finally:
        file.unlink()
    until(lambda: not space.kubectl("get", "pods", "-o", "name").strip(), "it goes with its file")


def test_a_label_is_heeded_at_once(cluster: DockerCluster, space: Space) -> None:
    container = {"name": "c", "image": BUSYBOX_IMAGE, "command": ["sleep", "1000"], "imagePullPolicy": "Never"}
    spec = {"terminationGracePeriodSeconds": 0, "nodeSelector": {"disk": "fast"}, "containers": [container]}
    cluster.kubectl("label", "node", "node-1", "disk=fast")
    try:
        space.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "picky"}, "spec": spec})
        space.wait("picky")
    finally:
        cluster.kubectl("label", "node", "node-1", "disk-")
