"""Which folders a node removes, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

from kube_actors.api import Obj
from kube_actors.api.volumes import DATA_FINALIZER, LOCAL_PATH, PROVISIONED_BY
from kube_actors.node.volumes.reclaim import folder_to_remove, is_due

NODE = {"metadata": {"name": "node-1", "labels": {"kubernetes.io/hostname": "host-1"}}}


def volume(path: str = "/volumes/pvc-1", *, provisioner: str = LOCAL_PATH, host: str = "host-1") -> Obj:
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}
    return {
        "metadata": {
            "name": "pvc-1",
            "annotations": {PROVISIONED_BY: provisioner},
            "finalizers": [DATA_FINALIZER],
            "deletionTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "hostPath": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
        },
    }


def test_a_folder_of_our_provisioner_is_removed() -> None:
    assert folder_to_remove(volume()) == Path("/volumes/pvc-1")


@pytest.mark.parametrize("other", [volume("/etc"), volume("/"), volume("pvc-1"), volume(provisioner="somebody")])
def test_a_folder_that_our_provisioner_did_not_name_is_left_alone(other: Obj) -> None:
    assert folder_to_remove(other) is None


def test_the_node_of_the_volume_removes_it_once_nothing_else_holds_it() -> None:
    assert is_due(volume(), NODE)
    assert not is_due(volume(host="host-2"), NODE)
    held = volume()
    held["metadata"]["finalizers"] = ["kubernetes.io/pv-protection", DATA_FINALIZER]
    assert not is_due(held, NODE)
    alive = volume()
    del alive["metadata"]["deletionTimestamp"]
    assert not is_due(alive, NODE)
