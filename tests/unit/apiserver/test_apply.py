"""Server-side apply and managedFields through the whole pipeline."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kube_actors.api import encoding, errors
from kube_actors.api.crd.definition import definition_of, resources_of
from kube_actors.api.resources import CONFIGMAPS, DEPLOYMENTS, PODS, builtin
from kube_actors.apiserver.ownership import ServedTypes, keep_valid, program
from kube_actors.apiserver.request import Request, Target, User, WriteOptions

AUTOSCALERS = [builtin(f"autoscaling/{version}", "horizontalpodautoscalers") for version in ("v1", "v2")]


def _config(data=None, **metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **metadata}, "data": data or {}}


async def _apply(api, config, manager, resource=CONFIGMAPS, name="a", subresource="", **options):
    return await api.patch(resource, name, config, "apply-patch+yaml", subresource, field_manager=manager, **options)


def _owners(obj):
    return {
        (one["manager"], one["operation"], one.get("subresource", "")): one["fieldsV1"]
        for one in obj["metadata"].get("managedFields", ())
    }


async def test_apply_creates_and_the_same_again_writes_nothing(api):
    created = await _apply(api, _config({"k": "1"}), "first")
    assert _owners(created) == {("first", "Apply", ""): {"f:data": {"f:k": {}}}}
    writes = api.storage.writes
    assert await _apply(api, _config({"k": "1"}), "first") == created
    assert api.storage.writes == writes


async def test_what_another_manager_set_is_a_conflict_unless_forced(api):
    await api.create(CONFIGMAPS, _config({"k": "1"}), field_manager="creator")
    with pytest.raises(errors.Conflict) as refusal:
        await _apply(api, _config({"k": "2"}), "second")
    assert refusal.value.message == 'Apply failed with 1 conflict: conflict with "creator" using v1: .data.k'
    assert refusal.value.status()["details"] == {
        "causes": [
            {"reason": "FieldManagerConflict", "message": 'conflict with "creator" using v1', "field": ".data.k"}
        ]
    }
    forced = await _apply(api, _config({"k": "2"}), "second", force=True)
    assert _owners(forced) == {
        ("second", "Apply", ""): {"f:data": {"f:k": {}}},
        ("creator", "Update", ""): {"f:data": {}},
    }


async def test_what_is_applied_no_more_goes(api):
    await _apply(api, _config({"k": "1", "l": "1"}, labels={"a": "b"}), "first")
    left = await _apply(api, _config({"k": "1"}), "first")
    assert left["data"] == {"k": "1"}
    assert "labels" not in left["metadata"]


async def test_a_write_without_manager_is_recorded_under_the_program_of_the_client(api):
    request = Request(User("jane", ("system:masters",)), Target(CONFIGMAPS, "default"), agent="kubectl/v1.36 (linux)")
    written = await api.pipeline.operations.create(request, encoding.dumps(_config({"k": "1"})), WriteOptions())
    assert set(_owners(encoding.loads(written.data))) == {("kubectl", "Update", "")}


@pytest.mark.parametrize(
    ("user", "agent", "name"),
    [
        ("system:node:n1", "", "kubelet"),
        ("system:kube-scheduler", "", "kube-scheduler"),
        ("jane", "x\x01y/1", "xy"),
        ("jane", "ä" * 100, "ä" * 64),
    ],
)
def test_programs_are_named_as_kubernetes_names_them(user, agent, name):
    assert program(Request(User(user), Target(PODS), agent=agent)) == name


async def test_the_status_is_owned_apart_from_the_rest(api):
    template = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"app": "d"}}, "template": template}
    await api.create(DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": spec, "status": {"replicas": 9}})
    config = {"apiVersion": "apps/v1", "kind": "Deployment", "status": {"replicas": 2}}
    applied = await _apply(api, config, "counter", DEPLOYMENTS, "d", "status")
    owners = _owners(applied)
    assert owners["counter", "Apply", "status"] == {"f:status": {"f:replicas": {}}}
    assert all("f:status" not in owned for key, owned in owners.items() if key[2] == "")
    assert applied["status"]["replicas"] == 2


async def test_the_fields_of_another_version_are_known_in_this_one(api):
    v1, v2 = AUTOSCALERS
    target = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
    spec = {"scaleTargetRef": target, "maxReplicas": 3}
    config = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": spec,
    }
    await _apply(api, config, "old", v1, "h")
    newer = {**config, "apiVersion": "autoscaling/v2", "spec": {**spec, "maxReplicas": 5}}
    with pytest.raises(errors.Conflict, match=r"conflict with \"old\": \.spec\.maxReplicas"):
        await _apply(api, newer, "new", v2, "h")
    forced = await _apply(api, newer, "new", v2, "h", force=True)
    assert forced["spec"]["maxReplicas"] == 5
    assert "f:maxReplicas" not in _owners(forced)["old", "Apply", ""]["f:spec"]


async def test_an_update_that_changes_nothing_keeps_the_times_of_managers(api):
    await api.create(CONFIGMAPS, _config({"k": "1"}), field_manager="m")
    before = await api.get(CONFIGMAPS, "a")
    entry = {**before["metadata"]["managedFields"][0], "time": "2020-01-01T00:00:00Z"}
    writes = api.storage.writes
    told = {**before, "metadata": {**before["metadata"], "managedFields": [entry]}}
    after = await api.update(CONFIGMAPS, told, field_manager="m")
    assert after == before
    assert api.storage.writes == writes


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ({"apiVersion": "v1", "kind": "Secret"}, 400, r"^invalid object type: /v1, Kind=Secret$"),
        ([], 400, r"cannot unmarshal array into Go value of type map\[string\]interface {}$"),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "x": 1},
            500,
            r"Kind=ConfigMap\): \.x: field not declared in schema$",
        ),
        ({"apiVersion": "v1", "kind": "ConfigMap"}, 400, r"was undeterminable: name must be provided$"),
        (
            _config(uid="u"),
            409,
            r"uid mismatch: the provided object specified uid u, and no existing object was found$",
        ),
        (_config(managedFields=[{}]), 400, r"^metadata.managedFields must be nil$"),
    ],
)
async def test_what_cannot_be_applied_is_refused_in_kubernetes_words(api, body, code, text):
    with pytest.raises(errors.ApiError, match=text) as refusal:
        await _apply(api, body, "m")
    assert refusal.value.code == code


async def test_options_that_do_not_go_with_the_patch_are_refused(api):
    await api.create(CONFIGMAPS, _config({"k": "1"}))
    with pytest.raises(errors.Invalid, match="fieldManager: Required value: is required for apply patch"):
        await _apply(api, _config(), "")
    with pytest.raises(errors.Invalid, match="force: Forbidden: may not be specified for non-apply patch"):
        await api.patch(CONFIGMAPS, "a", {}, force=False)


async def test_a_key_given_twice_is_told_or_refused(api):
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  k: one\n  k: two\n"
    request = api.request(CONFIGMAPS, "default", "a")
    options = WriteOptions(field_manager="m")
    written = await api.pipeline.operations.patch(request, "application/apply-patch+yaml", body, options)
    assert encoding.loads(written.data)["data"] == {"k": "two"}
    assert 'line 6: key "k" already set in map' in request.warnings[0]
    strict = replace(options, field_validation="Strict")
    with pytest.raises(errors.BadRequest, match=r"^error strict decoding YAML: error converting YAML to JSON: yaml: "):
        await api.pipeline.operations.patch(request, "application/apply-patch+yaml", body, strict)


async def test_owners_given_twice_are_kept_once_and_told(api):
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u1"}
    other = {**owner, "uid": "u2"}
    request = api.request(CONFIGMAPS, "default")
    body = encoding.dumps(_config(ownerReferences=[owner, other, owner]))
    written = await api.pipeline.operations.create(request, body, WriteOptions())
    assert encoding.loads(written.data)["metadata"]["ownerReferences"] == [owner, other]
    assert request.warnings[0].endswith("please fix your requests; duplicate UID(s) observed: u1")


def test_managed_fields_that_admission_broke_are_put_back(api):
    request = api.request(CONFIGMAPS, "default", "a")
    obj = {"metadata": {"managedFields": [{"manager": "m"}]}}
    keep_valid(request, obj, None)
    assert obj == {"metadata": {}}
    assert "was in an invalid state after admission" in request.warnings[0]


def test_no_webhook_is_asked_whose_fields_are_whose():
    versions = [{"name": name, "served": True, "storage": name == "v1", "schema": {}} for name in ("v1", "v2")]
    names = {"plural": "things", "kind": "Thing"}
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://127.0.0.1:1/"}}}
    spec = {"group": "example.com", "scope": "Cluster", "names": names, "versions": versions, "conversion": conversion}
    resource = resources_of(definition_of({"metadata": {"name": "things.example.com"}, "spec": spec}))[0]
    obj = {"apiVersion": "example.com/v2", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"b": 1}}
    assert ServedTypes(resource).convert(obj, "example.com/v1") == {**obj, "apiVersion": "example.com/v1"}
    assert ServedTypes(resource).shape("example.com/v3") is None
