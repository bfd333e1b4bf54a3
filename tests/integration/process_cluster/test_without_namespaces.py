"""Pods on a machine where nobody without rights may make namespaces: volumes are below $KUBE_ACTORS_ROOT."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.e2e.docker_cluster.cluster import Space
from tests.integration.process_cluster.cluster import NOBODY, ProcessCluster
from tests.integration.process_cluster.conftest import namespace, running
from tests.kactl_cluster import until


def test_pods_run_and_what_they_cannot_have_is_told() -> None:
    if os.geteuid() != 0:
        pytest.skip("becomes another user, which only root can")
    with running(ProcessCluster(name="bare", uid=NOBODY, namespaces=False)) as cluster, namespace(cluster) as space:
        check(space)


def check(space: Space) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"key": "value"}}
    mounts = [{"name": "cm", "mountPath": "/etc/app"}, {"name": "v", "mountPath": "/scratch"}]
    script = "cat $KUBE_ACTORS_ROOT/etc/app/key; echo; while :; do sleep 0.2; done"
    probe = {"exec": {"command": ["sh", "-c", "test -e $KUBE_ACTORS_ROOT/scratch/ok"]}, "periodSeconds": 1}
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "touch $KUBE_ACTORS_ROOT/scratch/ok"]}}}
    main = {
        "name": "c", "image": "host", "command": ["sh", "-c", script], "volumeMounts": mounts,
        "readinessProbe": probe, "lifecycle": hook, "securityContext": {"readOnlyRootFilesystem": True},
    }  # fmt: skip
    volumes = [{"name": "cm", "configMap": {"name": "cm"}}, {"name": "v", "emptyDir": {}}]
    space.create(config, pod("p", main, volumes=volumes))
    space.create(pod("own-root", {"name": "c", "image": "/usr", "command": ["true"]}))
    space.wait("p")
    assert space.kubectl("logs", "p") == "value\n"
    assert space.sh("p", "cat $KUBE_ACTORS_ROOT/etc/app/key; id -u") == f"value{NOBODY}"
    assert any("its root file system is not read-only" in each for each in space.events("p", "LessConfined"))
    until(lambda: "waiting" in space.container("own-root")["state"])
    waiting = space.container("own-root")["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerError"
    assert "needs a root of its own" in waiting["message"]


def pod(name: str, container: Any, **spec: Any) -> Any:
    base = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": base | spec}
