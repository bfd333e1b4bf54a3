"""Persistent volumes on the embedded cluster: binder, provisioners, scheduler and nodes together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kube_actors.api import Obj, errors
from kube_actors.api.meta import annotations_of, get_path
from kube_actors.api.resources import EVENTS, PODS, builtin
from kube_actors.api.volumes import CLAIMS, STORAGE_CLASSES, VOLUMES
from kube_actors.cluster.embedded import Cluster

STATEFUL_SETS = builtin("apps/v1", "statefulsets")


def claim(name: str, class_name: str | None = None, mode: str = "ReadWriteOnce", **spec: Any) -> Obj:
    wanted: Obj = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    if class_name is not None:
        wanted["storageClassName"] = class_name
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": wanted}


def pod(name: str, *claims: str, command: str = "sleep 1000", restart: str = "Always") -> Obj:
    volumes = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims]
    container = {
        "name": "c",
        "image": "one",
        "command": ["sh", "-c", command],
        "volumeMounts": [{"name": each, "mountPath": f"/{each}"} for each in claims],
    }
    spec = {
        "containers": [container],
        "volumes": volumes,
        "restartPolicy": restart,
        "terminationGracePeriodSeconds": 1,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def volume(name: str, size: str = "2Gi", labels: Obj | None = None, **spec: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": f"/nowhere/{name}"},
            **spec,
        },
    }


class Looker:
    """What there is now, for `until`."""

    def __init__(self, cluster: Cluster) -> None:
        self.client = cluster.client

    def phase(self, resource: Any, name: str, phase: str) -> Any:
        namespace = "default" if resource.namespaced else ""

        async def reached() -> Obj | None:
            try:
                found = await self.client.get(resource, name, namespace)
            except errors.NotFound:
                return None
            return found if get_path(found, "status", "phase") == phase else None

        return reached

    def gone(self, resource: Any, name: str) -> Any:
        namespace = "default" if resource.namespaced else ""

        async def absent() -> bool:
            try:
                await self.client.get(resource, name, namespace)
            except errors.NotFound:
                return True
            return False

        return absent

    def event(self, reason: str, text: str) -> Any:
        async def told() -> bool:
            found = (await self.client.list(EVENTS, "default")).items
            return any(each["reason"] == reason and text in each["message"] for each in found)

        return told


async def test_a_claim_waits_for_its_consumer_and_its_volume_stays_with_the_node(cluster: Any, until: Any) -> None:
    client, look = cluster.client, Looker(cluster)

    async def classes() -> bool:
        return {each["metadata"]["name"] for each in (await client.list(STORAGE_CLASSES)).items} >= {"local-path"}

    await until(classes)
    await client.create(CLAIMS, claim("data", "local-path"), namespace="default")
    await until(look.event("WaitForFirstConsumer", "waiting for first consumer to be created before binding"))
    assert get_path(await client.get(CLAIMS, "data", "default"), "status", "phase") == "Pending"
    await client.create(PODS, pod("one", "data"), namespace="default")
    running = await until(look.phase(PODS, "one", "Running"))
    bound = await until(look.phase(CLAIMS, "data", "Bound"))
    assert bound["status"]["capacity"] == {"storage": "1Gi"}
    made = await client.get(VOLUMES, bound["spec"]["volumeName"])
    terms = made["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert terms[0]["matchExpressions"][0]["values"] == [running["spec"]["nodeName"]]
    # Every later pod of the claim goes where the data are.
    for name in ("two", "three", "four"):
        await client.create(PODS, pod(name, "data"), namespace="default")
        later = await until(look.phase(PODS, name, "Running"))
        assert later["spec"]["nodeName"] == running["spec"]["nodeName"]


async def test_a_claim_in_use_stays_until_its_last_pod_is_gone(cluster: Any, until: Any) -> None:
    client, look = cluster.client, Looker(cluster)
    await client.create(CLAIMS, claim("data", "shared", "ReadWriteMany"), namespace="default")
    bound = await until(look.phase(CLAIMS, "data", "Bound"))
    await client.create(PODS, pod("one", "data"), namespace="default")
    await until(look.phase(PODS, "one", "Running"))
    stays = await client.delete(CLAIMS, "data", "default")
    assert stays["metadata"]["deletionTimestamp"]
    assert "kubernetes.io/pvc-protection" in stays["metadata"]["finalizers"]
    await client.delete(PODS, "one", "default", grace_seconds=0)
    await until(look.gone(CLAIMS, "data"))
    await until(look.gone(VOLUMES, bound["spec"]["volumeName"]))


async def test_a_claim_for_one_pod_is_used_by_one_pod_at_a_time(cluster: Any, until: Any) -> None:
    client, look = cluster.client, Looker(cluster)
    await client.create(CLAIMS, claim("single", mode="ReadWriteOncePod"), namespace="default")
    await client.create(PODS, pod("holder", "single"), namespace="default")
    await until(look.phase(PODS, "holder", "Running"))
    await client.create(PODS, pod("next", "single"), namespace="default")

    async def refused() -> bool:
        conditions = (await client.get(PODS, "next", "default"))["status"].get("conditions") or ()
        return any("ReadWriteOncePod access mode" in each.get("message", "") for each in conditions)

    await until(refused)
    await client.delete(PODS, "holder", "default")
    await until(look.phase(PODS, "next", "Running"))
    await client.delete(PODS, "next", "default")


async def test_the_smallest_volume_that_fits_is_bound_and_kept_when_released(cluster: Any, until: Any) -> None:
    client, look = cluster.client, Looker(cluster)
    for name, size, labels in (
        ("small", "500Mi", {}),
        ("big", "9Gi", {}),
        ("fits", "2Gi", {}),
        ("fast", "1Gi", {"a": "b"}),
    ):
        await client.create(VOLUMES, volume(name, size, labels, storageClassName="by-hand"))
        await until(look.phase(VOLUMES, name, "Available"))
    selected = claim("selected", "by-hand", selector={"matchLabels": {"a": "b"}})
    await client.create(CLAIMS, selected, namespace="default")
    assert (await until(look.phase(CLAIMS, "selected", "Bound")))["spec"]["volumeName"] == "fast"
    await client.create(CLAIMS, claim("data", "by-hand"), namespace="default")
    bound = await until(look.phase(CLAIMS, "data", "Bound"))
    assert bound["spec"]["volumeName"] == "fits"
    assert bound["status"]["capacity"] == {"storage": "2Gi"}
    assert annotations_of(bound)["pv.kubernetes.io/bind-completed"] == "yes"
    await client.delete(CLAIMS, "data", "default")
    released = await until(look.phase(VOLUMES, "fits", "Released"))
    assert released["spec"]["claimRef"]["name"] == "data"


async def test_a_pod_with_an_unbound_immediate_claim_says_so_and_runs_once_it_is_bound(
    cluster: Any, until: Any
) -> None:
    client, look = cluster.client, Looker(cluster)
    await client.create(CLAIMS, claim("data", "by-hand"), namespace="default")
    await client.create(PODS, pod("one", "data"), namespace="default")
    await until(look.event("FailedScheduling", "pod has unbound immediate PersistentVolumeClaims"))
    await client.create(VOLUMES, volume("late", storageClassName="by-hand"))
    await until(look.phase(PODS, "one", "Running"))


async def test_a_claim_grows_in_place_with_its_class_permitting(cluster: Any, until: Any) -> None:
    client, look = cluster.client, Looker(cluster)
    await client.create(CLAIMS, claim("data", "shared"), namespace="default")
    bound = await until(look.phase(CLAIMS, "data", "Bound"))
    patch = {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
    await client.patch(CLAIMS, "data", patch, "default")

    async def grown() -> bool:
        found = await client.get(CLAIMS, "data", "default")
        return bool(get_path(found, "status", "capacity", "storage") == "3Gi")

    await until(grown)
    assert (await client.get(VOLUMES, bound["spec"]["volumeName"]))["spec"]["capacity"] == {"storage": "3Gi"}


async def test_an_ephemeral_volume_comes_and_goes_with_its_pod(cluster: Any, until: Any) -> None:
    client, look = cluster.client, Looker(cluster)
    template = {"metadata": {"labels": {"a": "b"}}, "spec": claim("x", "local-path")["spec"]}
    wanted = pod("one")
    wanted["spec"]["volumes"] = [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}]
    await client.create(PODS, wanted, namespace="default")
    await until(look.phase(PODS, "one", "Running"))
    bound = await client.get(CLAIMS, "one-scratch", "default")
    assert bound["metadata"]["labels"] == {"a": "b"}
    await client.delete(PODS, "one", "default", grace_seconds=0)
    await until(look.gone(CLAIMS, "one-scratch"))
    await until(look.gone(VOLUMES, bound["spec"]["volumeName"]))


async def test_each_pod_of_a_stateful_set_has_a_volume_of_its_own(cluster: Any, until: Any) -> None:
    client, look = cluster.client, Looker(cluster)
    template = {"metadata": {"labels": {"app": "db"}}, "spec": pod("x")["spec"]}
    spec = {
        "replicas": 2,
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "template": template,
        "volumeClaimTemplates": [claim("data", "local-path")],
    }
    database = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}
    await client.create(STATEFUL_SETS, database, namespace="default")
    await until(look.phase(PODS, "db-1", "Running"))
    bound = [await until(look.phase(CLAIMS, f"data-db-{ordinal}", "Bound")) for ordinal in (0, 1)]
    assert len({each["spec"]["volumeName"] for each in bound}) == 2


@pytest.fixture
async def processes(tmp_path: Path) -> Any:
    async with Cluster(nodes=1, runtime="process", data_dir=tmp_path / "data") as running:
        yield running


async def test_data_outlive_the_pod_and_go_with_the_claim(processes: Any, until: Any) -> None:
    client, look = processes.client, Looker(processes)
    await client.create(CLAIMS, claim("data", "local-path"), namespace="default")
    await client.create(PODS, pod("w", "data", command="echo kept > /data/f", restart="Never"), namespace="default")
    await until(look.phase(PODS, "w", "Succeeded"))
    await client.delete(PODS, "w", "default")
    await until(look.gone(PODS, "w"))
    reads = pod("r", "data", command='test "$(cat /data/f)" = kept', restart="Never")
    await client.create(PODS, reads, namespace="default")
    await until(look.phase(PODS, "r", "Succeeded"))
    bound = await client.get(CLAIMS, "data", "default")
    folder = Path((await client.get(VOLUMES, bound["spec"]["volumeName"]))["spec"]["hostPath"]["path"])
    assert (folder / "f").read_text() == "kept\n"
    await client.delete(CLAIMS, "data", "default")
    await until(look.gone(VOLUMES, bound["spec"]["volumeName"]))
    assert not folder.exists()
