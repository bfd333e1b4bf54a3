"""ResourceQuota at admission: what is refused, what is charged, and that many at once never exceed it."""

from __future__ import annotations

import asyncio

import pytest

from kube_actors.api import errors
from kube_actors.api.resources import CONFIGMAPS, PODS, SECRETS, SERVICES, builtin
from kube_actors.apiserver.admission.quota_evaluation import unstated

QUOTAS = builtin("v1", "resourcequotas")
CLAIMS = builtin("v1", "persistentvolumeclaims")


@pytest.fixture
def limit(api):
    async def make(name="q", used=None, **hard):
        names = {key.replace("__", "/").replace("_", "."): amount for key, amount in hard.items()}
        await api.create(QUOTAS, {"metadata": {"name": name}, "spec": {"hard": names}})
        status = {"hard": names, "used": used or dict.fromkeys(names, "0")}
        await api.patch(QUOTAS, name, {"status": status}, subresource="status")
        await api.pipeline.cache.fresh()

    return make


async def used(api, name="q"):
    return (await api.get(QUOTAS, name))["status"]["used"]


def config_map(name):
    return {"metadata": {"name": name}}


async def test_objects_are_counted_by_kind(api, limit):
    await limit(configmaps="2", count__secrets="0")
    await api.create(CONFIGMAPS, config_map("a"))
    assert await used(api) == {"configmaps": "1", "count/secrets": "0"}
    with pytest.raises(errors.Forbidden) as refusal:
        await api.create(SECRETS, config_map("s"))
    text = "exceeded quota: q, requested: count/secrets=1, used: count/secrets=0, limited: count/secrets=0"
    assert refusal.value.message == f'secrets "s" is forbidden: {text}'


async def test_many_at_once_do_not_exceed_it(api, limit):
    await limit(configmaps="7")
    made = await asyncio.gather(
        *(api.create(CONFIGMAPS, config_map(f"a{number}")) for number in range(30)), return_exceptions=True
    )
    assert sum(isinstance(one, dict) for one in made) == 7
    assert len(await api.names(CONFIGMAPS, "default")) == 7
    assert await used(api) == {"configmaps": "7"}


async def test_a_batch_is_one_write_to_the_quota(api, limit, monkeypatch):
    await limit(configmaps="100")
    before, put = api.storage.writes, api.storage.put

    async def slow(*args, **options):
        await asyncio.sleep(0)
        return await put(*args, **options)

    monkeypatch.setattr(api.storage, "put", slow)
    await asyncio.gather(*(api.create(CONFIGMAPS, config_map(f"a{number}")) for number in range(30)))
    # The first goes alone, the others wait for it and then go together.
    assert api.storage.writes - before <= 30 + 3


async def test_another_server_that_charges_meanwhile_is_seen(api, limit, monkeypatch):
    await limit(configmaps="3")
    put, calls = api.storage.put, []

    async def interrupted(key, value, **options):
        if b"resourcequotas" in key and not calls:
            calls.append(key)
            other = api.storage.state()[key]
            await put(key, other.value.replace(b'"used":{"configmaps":"0"}', b'"used":{"configmaps":"3"}'))
        return await put(key, value, **options)

    monkeypatch.setattr(api.storage, "put", interrupted)
    with pytest.raises(errors.Forbidden, match="used: configmaps=3, limited: configmaps=3"):
        await api.create(CONFIGMAPS, config_map("a"))
    assert calls


async def test_a_dry_run_is_checked_and_not_charged(api, limit):
    await limit(configmaps="1")
    await api.create(CONFIGMAPS, config_map("a"), dry_run=True)
    assert await used(api) == {"configmaps": "0"}
    await api.create(CONFIGMAPS, config_map("a"))
    with pytest.raises(errors.Forbidden):
        await api.create(CONFIGMAPS, config_map("b"), dry_run=True)


async def test_a_status_that_was_not_counted_yet_lets_nothing_through(api, limit):
    await limit(used={"secrets": "0"}, secrets="1", count__secrets="1")
    with pytest.raises(errors.Forbidden, match=r"status unknown for quota: q, resources: count/secrets,secrets$"):
        await api.create(SECRETS, config_map("s"))


async def test_every_container_says_what_a_quota_counts(api, limit, new_pod):
    await limit(requests_cpu="1", limits_memory="1Gi")
    with pytest.raises(errors.Forbidden, match=r"failed quota: q: must specify limits.memory for: c; requests.cpu for"):
        await api.create(PODS, new_pod())


def test_a_pod_with_resources_of_its_own_need_not_repeat_them():
    assert unstated({"resources": {"requests": {"cpu": "1"}}, "containers": [{"name": "c"}]}, ["cpu"]) == ""


async def test_an_update_is_charged_for_what_it_adds(api, limit):
    await limit(services="5", services_nodeports="1", requests_storage="5Gi")
    spec = {"ports": [{"port": 80}], "selector": {"a": "b"}}
    await api.create(SERVICES, {"metadata": {"name": "s"}, "spec": spec})
    await api.patch(SERVICES, "s", {"spec": {"type": "NodePort"}})
    assert await used(api) == {"services": "1", "services.nodeports": "1", "requests.storage": "0"}
    with pytest.raises(errors.Forbidden, match=r"exceeded quota: q, requested: services.nodeports=1, used: services"):
        await api.create(SERVICES, {"metadata": {"name": "t"}, "spec": {**spec, "type": "NodePort"}})


async def test_a_quota_with_scopes_counts_what_they_take(api, new_pod):
    selector = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}
    await api.create(QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}, "scopeSelector": selector}})
    await api.patch(QUOTAS, "q", {"status": {"hard": {"pods": "0"}, "used": {"pods": "0"}}}, subresource="status")
    await api.create(builtin("scheduling.k8s.io/v1", "priorityclasses"), {"metadata": {"name": "high"}, "value": 9})
    await api.pipeline.cache.fresh()
    await api.create(PODS, new_pod("low"))
    with pytest.raises(errors.Forbidden, match="exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0"):
        await api.create(PODS, new_pod("b", priorityClassName="high"))


async def test_what_is_refused_elsewhere_is_not_charged(api, limit):
    await limit(configmaps="5")
    with pytest.raises(errors.Invalid):
        await api.create(CONFIGMAPS, {"metadata": {"name": "Bad_Name"}})
    assert await used(api) == {"configmaps": "0"}
