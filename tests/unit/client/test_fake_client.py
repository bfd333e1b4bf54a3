from __future__ import annotations

import pytest

from kube_actors.api import Obj, errors
from kube_actors.api.resources import DEPLOYMENTS, NODES, PODS
from kube_actors.client.testing import FakeKubeClient
from kube_actors.client.types import Binding


def pod(name: str = "", **metadata: object) -> Obj:
    named = {"name": name} if name else {}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"namespace": "default", **named, **metadata},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }


async def test_a_created_object_has_identity_and_no_status() -> None:
    client = FakeKubeClient()
    created = await client.create(PODS, pod(generateName="web-") | {"status": {"phase": "Running"}})
    assert created["metadata"]["name"].startswith("web-")
    assert created["metadata"]["uid"]
    assert created["metadata"]["resourceVersion"] == "1"
    assert "status" not in created
    with pytest.raises(errors.AlreadyExists):
        await client.create(PODS, pod(created["metadata"]["name"]))


async def test_what_a_caller_does_to_an_answer_does_not_change_the_server() -> None:
    client = FakeKubeClient([pod("a")])
    (await client.get(PODS, "a", "default"))["spec"].clear()
    assert (await client.get(PODS, "a", "default"))["spec"]["containers"]


async def test_an_update_of_an_old_state_conflicts() -> None:
    client = FakeKubeClient([pod("a")])
    first = await client.get(PODS, "a", "default")
    await client.patch(PODS, "a", {"metadata": {"labels": {"x": "y"}}}, "default")
    with pytest.raises(errors.Conflict):
        await client.update(PODS, first)


async def test_status_and_spec_are_written_apart() -> None:
    deployment: Obj = {
        "kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "a", "namespace": "default"},
        "spec": {"replicas": 1},
    }  # fmt: skip
    client = FakeKubeClient([deployment])
    obj = await client.get(DEPLOYMENTS, "a", "default")
    obj["spec"]["replicas"] = 5
    obj["status"] = {"replicas": 1}
    obj = await client.update_status(DEPLOYMENTS, obj)
    assert (obj["spec"]["replicas"], obj["status"]["replicas"]) == (1, 1)
    obj["spec"]["replicas"], obj["status"] = 3, {}
    obj = await client.update(DEPLOYMENTS, obj)
    assert (obj["spec"]["replicas"], obj["status"]["replicas"], obj["metadata"]["generation"]) == (3, 1, 2)


async def test_an_update_that_changes_nothing_is_no_write() -> None:
    client = FakeKubeClient([pod("a")])
    obj = await client.get(PODS, "a", "default")
    assert await client.update(PODS, obj) == obj
    assert client.writes == []


async def test_finalizers_hold_an_object_until_they_are_gone() -> None:
    client = FakeKubeClient([pod("a", finalizers=["f"])])
    assert (await client.delete(PODS, "a", "default"))["metadata"]["deletionTimestamp"]
    await client.patch(PODS, "a", {"metadata": {"finalizers": None}}, "default")
    with pytest.raises(errors.NotFound):
        await client.get(PODS, "a", "default")


async def test_a_delete_with_the_uid_of_another_conflicts() -> None:
    client = FakeKubeClient([pod("a")])
    with pytest.raises(errors.Conflict):
        await client.delete(PODS, "a", "default", uid="another")


async def test_selectors_and_namespaces_choose() -> None:
    client = FakeKubeClient([pod("a", labels={"app": "x"}), pod("b"), pod("c", namespace="other")])
    assert [o["metadata"]["name"] for o in (await client.list(PODS, labels="app=x")).items] == ["a"]
    assert [o["metadata"]["name"] for o in (await client.list(PODS, fields="metadata.name!=a")).items] == ["b", "c"]
    assert [o["metadata"]["name"] for o in (await client.list(PODS, "other")).items] == ["c"]


async def test_a_watch_continues_after_a_list() -> None:
    client = FakeKubeClient([pod("a")])
    listed = await client.list(PODS)
    await client.patch(PODS, "a", {"metadata": {"labels": {"x": "y"}}}, "default")
    await client.delete(PODS, "a", "default")
    watch = client.watch(PODS, resource_version=listed.resource_version)
    events = await anext(watch)
    assert [event.type for event in events] == ["MODIFIED", "DELETED"]
    await watch.aclose()


async def test_bindings_succeed_or_fail_each_on_its_own() -> None:
    client = FakeKubeClient([pod("a"), pod("b")])
    results = await client.bind([Binding("default", name, "", "n") for name in ("a", "a", "missing", "b")])
    assert [type(each) for each in results] == [type(None), errors.Conflict, errors.NotFound, type(None)]
    assert (await client.get(PODS, "a", "default"))["spec"]["nodeName"] == "n"


async def test_a_failure_is_injected_as_often_as_asked() -> None:
    client = FakeKubeClient()
    client.fail("get", NODES, errors.Forbidden("no"), times=2)
    for _ in range(2):
        with pytest.raises(errors.Forbidden):
            await client.get(NODES, "n")
    with pytest.raises(errors.NotFound):
        await client.get(NODES, "n")
