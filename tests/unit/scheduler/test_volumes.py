"""Pods with claims: where they may go, and what happens before they are bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kube_actors.aio.clock import LoopClock
from kube_actors.api import Obj
from kube_actors.api.resources import EVENTS, PODS
from kube_actors.api.volumes import BIND_COMPLETED, CLAIMS, SELECTED_NODE, VOLUMES
from kube_actors.client.testing import FakeKubeClient
from kube_actors.scheduler.scheduler import Scheduler

pytestmark = pytest.mark.looptime


def node(name: str) -> Obj:
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {},
        "status": {"allocatable": {"cpu": "2", "memory": "8Gi", "pods": "110"}},
    }


def pod(name: str, *claims: str) -> Obj:
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "containers": [{"name": "c", "image": "i"}],
            "volumes": [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims],
        },
        "status": {"phase": "Pending"},
    }


def claim(name: str, class_name: str, volume: str = "", mode: str = "ReadWriteOnce") -> Obj:
    spec: Obj = {
        "accessModes": [mode],
        "storageClassName": class_name,
        "resources": {"requests": {"storage": "1Gi"}},
    }
    metadata: Obj = {"name": name, "namespace": "default"}
    if volume:
        spec["volumeName"] = volume
        metadata["annotations"] = {BIND_COMPLETED: "yes"}
    return {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": metadata, "spec": spec}


def volume(name: str, host: str, class_name: str = "by-hand") -> Obj:
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}
    return {
        "kind": "PersistentVolume",
        "apiVersion": "v1",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": class_name,
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
        },
        "status": {"phase": "Available"},
    }


def storage_class(name: str, provisioner: str, **rest: Any) -> Obj:
    waits = {"volumeBindingMode": "WaitForFirstConsumer"}
    return {
        "kind": "StorageClass",
        "apiVersion": "storage.k8s.io/v1",
        "metadata": {"name": name},
        "provisioner": provisioner,
        **waits,
        **rest,
    }


class Fixture:
    def __init__(self) -> None:
        clock = LoopClock()
        classes = [
            storage_class("by-hand", "kubernetes.io/no-provisioner"),
            storage_class("made", "example.com/made"),
            storage_class(
                "made-on-b",
                "example.com/made",
                allowedTopologies=[{"matchLabelExpressions": [{"key": "kubernetes.io/hostname", "values": ["b"]}]}],
            ),
        ]
        self.client = FakeKubeClient([node("a"), node("b"), *classes], clock=clock)
        self.scheduler = Scheduler(self.client, clock)

    def node_of(self, name: str) -> str:
        (found,) = [each for each in self.client.objects(PODS) if each["metadata"]["name"] == name]
        return str(found["spec"].get("nodeName") or "")

    def messages(self) -> list[str]:
        return [each["message"] for each in self.client.objects(EVENTS) if each["reason"] == "FailedScheduling"]

    async def bind(self, name: str, volume_name: str) -> None:
        """What the binder does."""
        annotations = {BIND_COMPLETED: "yes"}
        patch = {"metadata": {"annotations": annotations}, "spec": {"volumeName": volume_name}}
        await self.client.patch(CLAIMS, name, patch, "default")


@pytest.fixture
async def it() -> AsyncIterator[Fixture]:
    fixture = Fixture()
    await fixture.scheduler.start()
    yield fixture
    await fixture.scheduler.stop()


async def test_a_pod_goes_where_its_volume_is(it: Fixture) -> None:
    it.client.put(volume("v", "b"))
    it.client.put(claim("data", "by-hand", "v"))
    it.client.put(pod("p", "data"))
    await asyncio.sleep(0.1)
    assert it.node_of("p") == "b"


async def test_volumes_on_two_nodes_fit_nowhere(it: Fixture) -> None:
    for name, host in (("one", "a"), ("two", "b")):
        it.client.put(volume(name, host))
        it.client.put(claim(name, "by-hand", name))
    it.client.put(pod("p", "one", "two"))
    await asyncio.sleep(0.1)
    assert it.messages()[0].startswith(
        "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity."
    )


async def test_the_provisioner_is_told_the_node_and_the_pod_is_bound_after_its_volume(it: Fixture) -> None:
    it.client.put(claim("data", "made-on-b"))
    it.client.put(pod("p", "data"))
    await asyncio.sleep(0.1)
    (told,) = it.client.objects(CLAIMS)
    assert told["metadata"]["annotations"][SELECTED_NODE] == "b"
    assert it.node_of("p") == ""
    it.client.put(volume("v", "b", "made-on-b"))
    await it.bind("data", "v")
    await asyncio.sleep(0.1)
    assert it.node_of("p") == "b"


async def test_a_provisioner_that_gives_up_has_the_pod_scheduled_anew(it: Fixture) -> None:
    it.client.put(claim("data", "made"))
    it.client.put(pod("p", "data"))
    await asyncio.sleep(0.1)
    await it.client.patch(CLAIMS, "data", {"metadata": {"annotations": {SELECTED_NODE: None}}}, "default")
    await asyncio.sleep(0.1)
    assert it.scheduler.stats.refused == 1
    await asyncio.sleep(3.0)
    (told,) = it.client.objects(CLAIMS)
    assert told["metadata"]["annotations"][SELECTED_NODE] in ("a", "b")


async def test_a_volume_that_exists_is_set_aside_for_the_claim(it: Fixture) -> None:
    it.client.put(volume("v", "b"))
    it.client.put(claim("data", "by-hand"))
    it.client.put(pod("p", "data"))
    await asyncio.sleep(0.1)
    (taken,) = it.client.objects(VOLUMES)
    assert taken["spec"]["claimRef"]["name"] == "data"
    assert it.node_of("p") == ""
    await it.bind("data", "v")
    await asyncio.sleep(0.1)
    assert it.node_of("p") == "b"


async def test_missing_and_unservable_claims_are_told(it: Fixture) -> None:
    it.client.put(pod("p", "data"))
    await asyncio.sleep(0.1)
    assert 'persistentvolumeclaim "data" not found' in it.messages()[0]
    it.client.put(claim("data", "by-hand"))
    await asyncio.sleep(3.0)
    assert "2 node(s) didn't find available persistent volumes to bind" in it.messages()[-1]


async def test_a_claim_for_one_pod_serves_the_next_one_when_that_is_gone(it: Fixture) -> None:
    it.client.put(volume("v", "a"))
    it.client.put(claim("data", "by-hand", "v", mode="ReadWriteOncePod"))
    for name in ("one", "two"):
        it.client.put(pod(name, "data"))
    await asyncio.sleep(0.1)
    (placed,) = [name for name in ("one", "two") if it.node_of(name)]
    (waiting,) = {"one", "two"} - {placed}
    assert it.messages() == [
        "0/2 nodes are available: 2 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod "
        "access mode. no new claims to deallocate, preemption: 0/2 nodes are available: 2 No preemption victims found "
        "for incoming pod."
    ]
    await asyncio.sleep(20)
    assert it.node_of(waiting) == ""
    it.client.remove(PODS, f"default/{placed}")
    await asyncio.sleep(0.1)
    assert it.node_of(waiting) == "a"


async def test_a_claim_with_another_mode_serves_all_pods_of_its_node(it: Fixture) -> None:
    it.client.put(volume("v", "a"))
    it.client.put(claim("data", "by-hand", "v"))
    for name in ("one", "two"):
        it.client.put(pod(name, "data"))
    await asyncio.sleep(0.1)
    assert [it.node_of(name) for name in ("one", "two")] == ["a", "a"]
