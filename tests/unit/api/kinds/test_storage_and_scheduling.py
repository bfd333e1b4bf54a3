"""Classes, drivers, attachments, priorities, runtime classes, leases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kube_actors.api import kinds
from kube_actors.api.resources import builtin

Faults = Callable[..., list[str]]


def test_a_storage_class_never_changes_what_volumes_were_made_by(make: Any, change: Any) -> None:
    old = make("StorageClass", {"provisioner": "p", "parameters": {"a": "b"}})
    patch = {
        "provisioner": "q",
        "parameters": {"a": "c"},
        "reclaimPolicy": "Retain",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    assert change(old, patch)[1] == [
        "parameters: Forbidden: updates to parameters are forbidden.",
        "provisioner: Forbidden: updates to provisioner are forbidden.",
        "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.",
        'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable',
    ]
    assert change(old, {"allowVolumeExpansion": True})[1] == []


def test_a_class_of_volume_attributes_is_protected_from_its_first_moment(make: Any) -> None:
    made = make("VolumeAttributesClass", {"driverName": "d", "parameters": {"a": "b"}})
    assert made["metadata"]["finalizers"] == ["kubernetes.io/vac-protection"]


def test_a_csi_driver_may_not_change_how_volumes_are_attached(make: Any, change: Any) -> None:
    old = make("CSIDriver", {"spec": {}})
    found = change(old, {"spec": {"attachRequired": False}})[1]
    assert found == ["spec.attachedRequired: Invalid value: false: field is immutable"]
    changes = {"podInfoOnMount": True, "storageCapacity": True, "fsGroupPolicy": "None"}
    assert change(old, {"spec": changes})[1] == []


def test_what_a_driver_says_of_a_node_stays_while_the_driver_does(make: Any, change: Any) -> None:
    driver = {"name": "d.example.com", "nodeID": "n", "topologyKeys": ["z"], "allocatable": {"count": 1}}
    old = make("CSINode", {"spec": {"drivers": [driver]}})
    assert change(old, {"spec": {"drivers": [{**driver, "allocatable": {"count": 2}}]}})[1] == []
    assert change(old, {"spec": {"drivers": [{**driver, "nodeID": "m"}]}})[1] == [
        'spec.drivers: Invalid value: {"Name":"d.example.com","NodeID":"m","TopologyKeys":["z"],'
        '"Allocatable":null}: field is immutable'
    ]


@pytest.mark.parametrize(
    ("source", "faults_found"),
    [
        ({"persistentVolumeName": "v"}, []),
        ({}, ["spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"]),
        (
            {"persistentVolumeName": ""},
            [
                "spec.source.persistentVolumeName: Required value: must specify non empty persistentVolumeName",
            ],
        ),
    ],
)
def test_a_volume_attachment_names_one_volume(faults: Faults, source: Any, faults_found: list[str]) -> None:
    found = faults("VolumeAttachment", {"spec": {"attacher": "d", "nodeName": "n", "source": source}})
    assert found[: len(faults_found)] == faults_found
    assert bool(found) == bool(faults_found)


def test_the_status_of_an_attachment_takes_no_labels(make: Any, change: Any) -> None:
    body = {"spec": {"attacher": "d", "nodeName": "n", "source": {"persistentVolumeName": "v"}}}
    new, found = change(
        make("VolumeAttachment", body), {"metadata": {"labels": {"a": "b"}}, "status": {"attached": True}}, "status"
    )
    assert (found, new["status"]["attached"]) == ([], True)
    assert "labels" not in new["metadata"]


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("a", 1_000_000_000, None),
        ("a", 1_000_000_001, "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"),
        ("system-node-critical", 2_000_001_000, None),
        (
            "system-node-critical",
            1,
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. "
            "error: value of system-node-critical PriorityClass must be 2000001000",
        ),
    ],
)
def test_high_priorities_are_the_systems(faults: Faults, name: str, value: int, fault: str | None) -> None:
    assert faults("PriorityClass", {"metadata": {"name": name}, "value": value}) == ([fault] if fault else [])


def test_system_priority_classes_stay() -> None:
    undeletable = kinds.of(builtin("scheduling.k8s.io/v1", "priorityclasses")).undeletable
    assert undeletable is not None
    assert undeletable("system-node-critical") == "this is a system priority class and cannot be deleted"
    assert undeletable("mine") == ""


def test_a_description_of_a_priority_class_does_not_count_as_a_change(make: Any, change: Any) -> None:
    old = make("PriorityClass", {"value": 1})
    assert change(old, {"description": "d"})[0]["metadata"]["generation"] == 1


def test_a_runtime_class_keeps_its_handler(make: Any, change: Any, faults: Faults) -> None:
    old = make("RuntimeClass", {"handler": "h"})
    assert change(old, {"handler": "g"})[1] == ['handler: Invalid value: "g": field is immutable']
    twice = {"handler": "h", "scheduling": {"tolerations": [{"key": "a", "operator": "Exists"}] * 2}}
    assert [text.partition(":")[0] for text in faults("RuntimeClass", twice)] == ["scheduling.tolerations[1]"]


def test_a_lease_drops_what_coordinated_elections_would_use(make: Any) -> None:
    assert make("Lease", {"spec": {"strategy": "s", "preferredHolder": "p", "holderIdentity": "h"}})["spec"] == {
        "holderIdentity": "h"
    }
