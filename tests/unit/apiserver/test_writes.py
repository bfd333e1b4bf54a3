"""Creates and updates of any kind."""

from __future__ import annotations

import pytest

from kube_actors.api import errors
from kube_actors.api.resources import CONFIGMAPS, DEPLOYMENTS, EVENTS, LEASES, NAMESPACES, NODES, PODS, SECRETS, builtin
from kube_actors.apiserver.request import User


async def test_a_new_object_gets_name_uid_time_and_version(api):
    made = await api.create(CONFIGMAPS, {"metadata": {"generateName": "a-", "uid": "mine"}, "data": {"k": "v"}})
    metadata = made["metadata"]
    assert metadata["name"].startswith("a-")
    assert len(metadata["name"]) == 7
    assert len(metadata["uid"]) == 36
    assert metadata["creationTimestamp"].endswith("Z")
    assert int(metadata["resourceVersion"]) == api.storage.head
    assert (made["kind"], made["apiVersion"], metadata["namespace"]) == ("ConfigMap", "v1", "default")


async def test_a_second_object_of_one_name_is_refused(api):
    await api.create(CONFIGMAPS, {"metadata": {"name": "a"}})
    with pytest.raises(errors.AlreadyExists, match=r'^configmaps "a" already exists$'):
        await api.create(CONFIGMAPS, {"metadata": {"name": "a"}})


async def test_a_generated_name_that_exists_is_generated_anew(api, monkeypatch):
    names = iter(["a-one", "a-one", "a-two"])
    monkeypatch.setattr("kube_actors.apiserver.registry.metadata.generated_name", lambda base: next(names))
    await api.create(CONFIGMAPS, {"metadata": {"generateName": "a-"}})
    assert (await api.create(CONFIGMAPS, {"metadata": {"generateName": "a-"}}))["metadata"]["name"] == "a-two"


async def test_a_new_object_may_not_have_a_version(api):
    with pytest.raises(errors.ApiError, match=r"^resourceVersion should not be set on objects to be created$"):
        await api.create(CONFIGMAPS, {"metadata": {"name": "a", "resourceVersion": "5"}})
    await api.create(CONFIGMAPS, {"metadata": {"name": "a", "resourceVersion": "0"}})


async def test_the_namespace_of_the_body_has_to_be_that_of_the_path(api):
    with pytest.raises(errors.BadRequest, match=r"does not match the namespace sent on the request"):
        await api.create(CONFIGMAPS, {"metadata": {"name": "a", "namespace": "elsewhere"}})


async def test_nothing_is_created_in_a_namespace_that_does_not_exist(api):
    with pytest.raises(errors.NotFound, match=r'^namespaces "x" not found$'):
        await api.create(CONFIGMAPS, {"metadata": {"name": "a"}}, "x")


async def test_nothing_is_created_in_a_namespace_that_ends(api):
    await api.create(NAMESPACES, {"metadata": {"name": "x"}})
    await api.delete(NAMESPACES, "x")
    with pytest.raises(errors.Forbidden, match=r"because it is being terminated$") as refusal:
        await api.create(CONFIGMAPS, {"metadata": {"name": "late"}}, "x")
    assert refusal.value.causes[0].reason == "NamespaceTerminating"


async def test_an_update_with_an_old_version_conflicts(api):
    made = await api.create(CONFIGMAPS, {"metadata": {"name": "a"}})
    await api.update(CONFIGMAPS, {**made, "data": {"k": "1"}})
    with pytest.raises(errors.Conflict, match=r"please apply your changes to the latest version and try again$"):
        await api.update(CONFIGMAPS, {**made, "data": {"k": "2"}})


async def test_an_update_without_a_version_always_wins_where_its_kind_allows(api):
    await api.create(CONFIGMAPS, {"metadata": {"name": "a"}})
    changed = await api.update(CONFIGMAPS, {"metadata": {"name": "a", "namespace": "default"}, "data": {"k": "2"}})
    assert changed["data"] == {"k": "2"}
    await api.create(LEASES, {"metadata": {"name": "l"}})
    with pytest.raises(errors.Invalid, match=r"metadata.resourceVersion: Invalid value: 0: must be specified"):
        await api.update(LEASES, {"metadata": {"name": "l", "namespace": "default"}})


async def test_an_update_that_changes_nothing_does_not_write(api):
    made = await api.create(CONFIGMAPS, {"metadata": {"name": "a"}, "data": {"k": "v"}})
    before = api.storage.writes
    assert await api.update(CONFIGMAPS, made) == made
    assert await api.patch(CONFIGMAPS, "a", {"data": {"k": "v"}}) == made
    assert api.storage.writes == before


async def test_writes_do_not_wait_for_a_cache_that_lags(api):
    api.storage.hold_events()
    made = await api.create(CONFIGMAPS, {"metadata": {"name": "a"}})
    changed = await api.update(CONFIGMAPS, {**made, "data": {"k": "v"}})
    await api.delete(CONFIGMAPS, "a")
    with pytest.raises(errors.NotFound):
        await api.update(CONFIGMAPS, changed)
    api.storage.let_events_go()


async def test_a_patch_is_done_anew_when_another_server_writes_between(api):
    made = await api.create(CONFIGMAPS, {"metadata": {"name": "a"}})
    api.storage.hold_events()
    key = b"/registry/configmaps/default/a"
    kv, _ = await api.storage.get(key)
    await api.storage.put(key, kv.value.replace(b'"metadata"', b'"data":{"other":"1"},"metadata"', 1))
    patched = await api.patch(CONFIGMAPS, "a", {"data": {"mine": "2"}})
    api.storage.let_events_go()
    assert patched["data"] == {"other": "1", "mine": "2"}
    assert patched["metadata"]["uid"] == made["metadata"]["uid"]


async def test_what_only_the_server_may_say_is_kept_in_an_update(api):
    made = await api.create(DEPLOYMENTS, _deployment())
    changed = {**made, "metadata": {**made["metadata"], "uid": "", "generation": 9, "creationTimestamp": None}}
    changed["status"] = {"replicas": 7}
    after = await api.update(DEPLOYMENTS, changed)
    assert after["metadata"]["uid"] == made["metadata"]["uid"]
    assert after["metadata"]["generation"] == 1
    assert "replicas" not in (after.get("status") or {})


async def test_the_generation_counts_changes_of_the_spec(api):
    made = await api.create(DEPLOYMENTS, _deployment())
    assert made["metadata"]["generation"] == 1
    patched = await api.patch(DEPLOYMENTS, "d", {"spec": {"replicas": 3}})
    assert patched["metadata"]["generation"] == 2
    labelled = await api.patch(DEPLOYMENTS, "d", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 2


async def test_the_status_is_written_through_its_subresource_only(api):
    made = await api.create(DEPLOYMENTS, _deployment())
    made["status"] = {"replicas": 2, "observedGeneration": 1}
    made["spec"]["replicas"] = 5
    after = await api.update(DEPLOYMENTS, made, "status")
    assert after["status"]["replicas"] == 2
    assert after["spec"]["replicas"] == 1
    assert after["metadata"]["generation"] == 1


async def test_scale_reads_and_writes_the_replicas(api):
    await api.create(DEPLOYMENTS, _deployment())
    scale = await api.get(DEPLOYMENTS, "d", subresource="scale")
    assert scale["spec"] == {"replicas": 1}
    assert scale["status"]["selector"] == "app=d"
    scale["spec"]["replicas"] = 4
    assert (await api.update(DEPLOYMENTS, scale, "scale"))["spec"] == {"replicas": 4}
    assert (await api.get(DEPLOYMENTS, "d"))["spec"]["replicas"] == 4
    assert (await api.patch(DEPLOYMENTS, "d", {"spec": {"replicas": 2}}, subresource="scale"))["kind"] == "Scale"
    with pytest.raises(errors.Invalid, match=r"spec.replicas: Invalid value: -1"):
        await api.patch(DEPLOYMENTS, "d", {"spec": {"replicas": -1}}, subresource="scale")


async def test_a_dry_run_answers_and_writes_nothing(api, new_pod):
    before = api.storage.writes
    made = await api.create(PODS, new_pod(), dry_run=True)
    assert made["spec"]["serviceAccountName"] == "default"
    assert api.storage.writes == before
    await api.create(PODS, new_pod())
    with pytest.raises(errors.AlreadyExists):
        await api.create(PODS, new_pod(), dry_run=True)
    await api.delete(PODS, "a", dry_run=True)
    assert (await api.get(PODS, "a"))["metadata"]["name"] == "a"


async def test_a_new_pod_is_pending_with_what_admission_adds(api, new_pod):
    made = await api.create(PODS, new_pod())
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    spec = made["spec"]
    assert (spec["serviceAccountName"], spec["priority"], spec["preemptionPolicy"]) == (
        "default", 0, "PreemptLowerPriority",
    )  # fmt: skip
    assert [one["key"] for one in spec["tolerations"]] == [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ]


async def test_a_pod_of_an_unknown_service_account_or_priority_class_is_refused(api, new_pod):
    with pytest.raises(errors.Forbidden, match=r'serviceaccount "x" not found$'):
        await api.create(PODS, new_pod(serviceAccountName="x"))
    with pytest.raises(errors.Forbidden, match=r"no PriorityClass with name x was found$"):
        await api.create(PODS, new_pod(priorityClassName="x"))


async def test_a_priority_class_gives_its_value(api, new_pod):
    classes = builtin("scheduling.k8s.io/v1", "priorityclasses")
    await api.create(classes, {"metadata": {"name": "high"}, "value": 1000})
    assert (await api.create(PODS, new_pod(priorityClassName="high")))["spec"]["priority"] == 1000


async def test_string_data_of_a_secret_is_encoded(api):
    made = await api.create(SECRETS, {"metadata": {"name": "s"}, "stringData": {"k": "v"}})
    assert made["data"] == {"k": "dg=="}
    assert "stringData" not in made


async def test_an_event_lives_for_an_hour_and_shares_its_lease(api):
    for number in range(3):
        event = {"metadata": {"name": f"e{number}"}, "involvedObject": {"namespace": "default"}}
        await api.create(EVENTS, event)
    assert api.storage.leases == [3660]


async def test_an_event_is_seen_in_both_of_its_groups(api):
    event = {"metadata": {"name": "e"}, "involvedObject": {"namespace": "default", "name": "a"}, "message": "hello"}
    await api.create(EVENTS, event)
    newer = builtin("events.k8s.io/v1", "events")
    found = await api.get(newer, "e")
    assert (found["apiVersion"], found["note"], found["regarding"]["name"]) == ("events.k8s.io/v1", "hello", "a")


async def test_an_autoscaler_is_seen_in_both_of_its_versions(api):
    older, newer = (builtin(f"autoscaling/{version}", "horizontalpodautoscalers") for version in ("v1", "v2"))
    target = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
    spec = {"maxReplicas": 5, "scaleTargetRef": target, "targetCPUUtilizationPercentage": 70}
    await api.create(older, {"metadata": {"name": "h"}, "spec": spec})
    found = await api.get(newer, "h")
    assert found["apiVersion"] == "autoscaling/v2"
    assert found["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
    changed = await api.patch(older, "h", {"spec": {"targetCPUUtilizationPercentage": 50}})
    assert (changed["apiVersion"], changed["spec"]["targetCPUUtilizationPercentage"]) == ("autoscaling/v1", 50)


async def test_a_pod_is_bound_once(api, new_pod):
    made = await api.create(PODS, new_pod())
    binding = {"target": {"kind": "Node", "name": "n1"}}
    answer = await api.create(PODS, binding, subresource="binding", name="a")
    assert answer == {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    bound = await api.get(PODS, "a")
    assert bound["spec"]["nodeName"] == "n1"
    assert bound["status"]["conditions"][0]["type"] == "PodScheduled"
    assert bound["metadata"]["uid"] == made["metadata"]["uid"]
    with pytest.raises(errors.Conflict, match=r'pod a is already assigned to node "n1"$'):
        await api.create(PODS, binding, subresource="binding", name="a")
    with pytest.raises(errors.ApiError, match=r"^target.name: Required value$"):
        await api.create(PODS, {"target": {}}, subresource="binding", name="a")


async def test_a_binding_for_another_uid_is_refused(api, new_pod):
    await api.create(PODS, new_pod())
    with pytest.raises(errors.Conflict, match=r"UID in precondition: other"):
        await api.pipeline.operations.bind(api.request(PODS, "default", "a", "binding"), "other", "n1")


async def test_strict_field_validation_refuses_what_is_not_known(api):
    body = {"metadata": {"name": "a"}, "bogus": 1}
    with pytest.raises(errors.BadRequest, match=r'strict decoding error: unknown field "bogus"$'):
        await api.create(CONFIGMAPS, body, field_validation="Strict")
    await api.create(CONFIGMAPS, body, field_validation="Ignore")


async def test_an_unknown_field_is_a_warning_by_default(api):
    request = api.request(CONFIGMAPS, "default")
    from kube_actors.apiserver.request import WriteOptions

    await api.pipeline.operations.create(request, b'{"metadata":{"name":"a"},"bogus":1}', WriteOptions())
    assert request.warnings == ['unknown field "bogus"']


async def test_a_body_of_another_kind_is_refused(api):
    with pytest.raises(errors.BadRequest, match=r"converting \(v1.Secret\) to \(core.ConfigMap\): unknown conversion"):
        await api.create(CONFIGMAPS, {"kind": "Secret", "metadata": {"name": "a"}})


async def test_patches_of_every_kind_are_done(api):
    await api.create(DEPLOYMENTS, _deployment())
    merged = await api.patch(DEPLOYMENTS, "d", {"metadata": {"labels": {"a": "1"}}})
    assert merged["metadata"]["labels"]["a"] == "1"
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 6}]
    assert (await api.patch(DEPLOYMENTS, "d", operations, "json-patch+json"))["spec"]["replicas"] == 6
    strategic = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "other"}]}}}}
    patched = await api.patch(DEPLOYMENTS, "d", strategic, "strategic-merge-patch+json")
    assert [one["image"] for one in patched["spec"]["template"]["spec"]["containers"]] == ["other"]
    applied = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"paused": True}}
    paused = await api.patch(DEPLOYMENTS, "d", applied, "apply-patch+yaml", field_manager="m")
    assert paused["spec"]["paused"] is True
    with pytest.raises(errors.UnsupportedMediaType, match=r"accepted media types include: application/json-patch"):
        await api.patch(DEPLOYMENTS, "d", {}, "text+plain")
    with pytest.raises(errors.Invalid, match=r"^the server rejected our request due to an error in our request$"):
        await api.patch(DEPLOYMENTS, "d", [{"op": "test", "path": "/kind", "value": "x"}], "json-patch+json")


async def test_who_is_nobody_may_do_nothing(api):
    api.user = User("jane", ("system:authenticated",))
    text = 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"'
    with pytest.raises(errors.Forbidden) as refusal:
        await api.list(PODS, "default")
    assert refusal.value.message == text
    with pytest.raises(errors.Forbidden, match=r'cannot create resource "nodes" in API group "" at the cluster scope$'):
        await api.create(NODES, {"metadata": {"name": "n"}})


def _deployment():
    template = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"app": "d"}}, "template": template}}
