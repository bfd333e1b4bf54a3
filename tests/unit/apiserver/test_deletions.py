"""Deletion: finalizers, grace, preconditions, namespaces, collections, evictions."""

from __future__ import annotations

import pytest

from kube_actors.api import encoding, errors
from kube_actors.api.resources import CONFIGMAPS, NAMESPACES, PODS, REPLICA_SETS, SECRETS, builtin
from kube_actors.apiserver.request import DeleteOptions, ListOptions


async def test_a_deleted_object_is_gone_and_the_answer_says_what_it_was(api):
    made = await api.create(CONFIGMAPS, {"metadata": {"name": "a"}})
    answer = await api.delete(CONFIGMAPS, "a")
    assert answer["status"] == "Success"
    assert answer["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    with pytest.raises(errors.NotFound, match=r'^configmaps "a" not found$'):
        await api.get(CONFIGMAPS, "a")


async def test_a_finalizer_holds_an_object_until_it_is_taken_away(api):
    await api.create(CONFIGMAPS, {"metadata": {"name": "a", "finalizers": ["example.com/x"]}})
    held = await api.delete(CONFIGMAPS, "a")
    assert held["metadata"]["deletionTimestamp"]
    assert held["metadata"]["deletionGracePeriodSeconds"] == 0
    before = api.storage.writes
    await api.delete(CONFIGMAPS, "a")
    assert api.storage.writes == before
    await api.patch(CONFIGMAPS, "a", {"metadata": {"finalizers": None}})
    with pytest.raises(errors.NotFound):
        await api.get(CONFIGMAPS, "a")


async def test_a_pod_on_a_node_ends_gracefully(api, new_pod):
    await api.create(PODS, new_pod(nodeName="n1"))
    ending = await api.delete(PODS, "a")
    assert ending["metadata"]["deletionGracePeriodSeconds"] == 30
    assert ending["metadata"]["generation"] == 2
    assert (await api.delete(PODS, "a", grace_seconds=60))["metadata"]["deletionGracePeriodSeconds"] == 30
    assert (await api.delete(PODS, "a", grace_seconds=5))["metadata"]["deletionGracePeriodSeconds"] == 5
    gone = await api.delete(PODS, "a", grace_seconds=0)
    assert (gone["kind"], gone["metadata"]["deletionGracePeriodSeconds"]) == ("Pod", 0)
    with pytest.raises(errors.NotFound):
        await api.get(PODS, "a")


@pytest.mark.parametrize("removed", [True, False], ids=["the node removes it first", "the node writes a last status"])
async def test_a_forced_deletion_succeeds_whatever_the_node_does_when_it_sees_it(api, new_pod, monkeypatch, removed):
    await api.create(PODS, new_pod(nodeName="n1"))
    storage, delete, delays = api.storage, api.storage.delete, [True]

    async def with_a_faster_node(key, *, expected_revision=None):
        if delays and delays.pop():
            current = storage.state()[key]
            await (delete(key) if removed else storage.put(key, current.value))
        return await delete(key, expected_revision=expected_revision)

    monkeypatch.setattr(storage, "delete", with_a_faster_node)
    assert (await api.delete(PODS, "a", grace_seconds=0))["metadata"]["name"] == "a"
    assert not delays
    with pytest.raises(errors.NotFound):
        await api.get(PODS, "a")


async def test_a_pod_without_a_node_goes_at_once_and_is_seen_to_end(api, new_pod):
    made = await api.create(PODS, new_pod())
    session = await api.watch(PODS, resource_version=made["metadata"]["resourceVersion"])
    await api.delete(PODS, "a")
    await api.pipeline.cache.fresh()
    events = session.events()
    seen = [(event.type.value, encoding.loads(event.frame.data)["metadata"]) for event in await anext(events)]
    await events.aclose()
    assert [kind for kind, _ in seen] == ["MODIFIED", "DELETED"]
    assert all(metadata["deletionTimestamp"] for _, metadata in seen)


async def test_preconditions_are_checked(api):
    made = await api.create(SECRETS, {"metadata": {"name": "a"}})
    with pytest.raises(errors.Conflict, match=r"the UID in the precondition \(x\) does not match the UID in record"):
        await api.delete(SECRETS, "a", uid="x")
    with pytest.raises(errors.Conflict, match=r"ResourceVersion in the precondition"):
        await api.delete(SECRETS, "a", resource_version="1")
    metadata = made["metadata"]
    await api.delete(SECRETS, "a", uid=metadata["uid"], resource_version=metadata["resourceVersion"])


@pytest.mark.parametrize(("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
async def test_a_propagation_policy_leaves_the_collector_its_finalizer(api, policy, finalizer):
    await api.create(REPLICA_SETS, _replica_set())
    held = await api.delete(REPLICA_SETS, "r", propagation=policy)
    assert held["metadata"]["finalizers"] == [finalizer]
    assert held["metadata"]["generation"] == 2
    assert (await api.delete(REPLICA_SETS, "r", propagation="Background"))["status"] == "Success"


async def test_a_namespace_ends_when_its_finalizers_are_gone(api):
    await api.create(NAMESPACES, {"metadata": {"name": "x"}})
    ending = await api.delete(NAMESPACES, "x")
    assert ending["status"] == {"phase": "Terminating"}
    assert ending["spec"]["finalizers"] == ["kubernetes"]
    assert "deletionGracePeriodSeconds" not in ending["metadata"]
    ending["spec"] = {}
    await api.update(NAMESPACES, ending, "finalize")
    with pytest.raises(errors.NotFound):
        await api.get(NAMESPACES, "x")


async def test_an_update_cannot_take_a_namespaces_finalizers(api):
    made = await api.create(NAMESPACES, {"metadata": {"name": "x"}})
    made["spec"] = {"finalizers": []}
    assert (await api.update(NAMESPACES, made))["spec"]["finalizers"] == ["kubernetes"]


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_some_namespaces_stay(api, name):
    with pytest.raises(errors.Forbidden, match=r"this namespace may not be deleted$"):
        await api.delete(NAMESPACES, name) if name == "default" else await _made_and_deleted(api, name)


async def test_a_collection_is_deleted_by_selector_and_answered_as_a_list(api):
    for name, label in (("a", "x"), ("b", "y"), ("c", "x")):
        await api.create(SECRETS, {"metadata": {"name": name, "labels": {"l": label}}})
    request = api.request(SECRETS, "default")
    answer = await api.pipeline.operations.delete_collection(request, ListOptions(labels="l=x"), DeleteOptions())
    listed = encoding.loads(answer)
    assert listed["kind"] == "SecretList"
    assert [item["metadata"]["name"] for item in listed["items"]] == ["a", "c"]
    assert all("kind" not in item for item in listed["items"])
    assert await api.names(SECRETS) == ["b"]


async def test_an_eviction_asks_the_budget(api, new_pod):
    budgets = builtin("policy/v1", "poddisruptionbudgets")
    body = {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}}
    budget = await api.create(budgets, body)
    for name in ("a", "b"):
        made = new_pod(name, nodeName="n1")
        made["metadata"]["labels"] = {"app": "x"}
        running = await api.create(PODS, made)
        running["status"]["phase"] = "Running"
        await api.update(PODS, running, "status")
    budget["status"] = {
        "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2, "observedGeneration": 1,
    }  # fmt: skip
    await api.update(budgets, budget, "status")
    await api.create(PODS, {"metadata": {"name": "a"}}, subresource="eviction", name="a")
    evicted = await api.get(PODS, "a")
    assert evicted["metadata"]["deletionTimestamp"]
    assert [one["type"] for one in evicted["status"]["conditions"]] == ["DisruptionTarget"]
    with pytest.raises(errors.TooManyRequests) as refusal:
        await api.create(PODS, {"metadata": {"name": "b"}}, subresource="eviction", name="b")
    assert refusal.value.causes[0].reason == "DisruptionBudget"


async def _made_and_deleted(api, name):
    await api.create(NAMESPACES, {"metadata": {"name": name}})
    await api.delete(NAMESPACES, name)


def _replica_set():
    template = {"metadata": {"labels": {"app": "r"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {"metadata": {"name": "r"}, "spec": {"selector": {"matchLabels": {"app": "r"}}, "template": template}}
