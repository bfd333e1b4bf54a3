"""What every cluster holds from its first moment."""

from __future__ import annotations

from typing import Any

import pytest

from kube_actors.aio.clock import LoopClock
from kube_actors.api import errors
from kube_actors.api.resources import BUILTIN, CONFIGMAPS, ENDPOINTS, LEASES, NAMESPACES, SERVICES, Resource
from kube_actors.apiserver import bootstrap
from kube_actors.apiserver.bootstrap.identity import SECONDS, Identity, has_expired
from kube_actors.apiserver.config import ApiServerConfig
from kube_actors.rpc.tls import ServerTLS

CONFIG = ApiServerConfig(
    store_addresses=(),
    grpc_listeners=(),
    rest_host="",
    rest_port=0,
    rest_tls=ServerTLS(b"", b"", b"the CA"),
    advertise_address="10.1.2.3",
)


def resource(kind: str) -> Resource:
    return next(one for one in BUILTIN if one.kind == kind)


async def start(api: Any) -> None:
    await bootstrap.run(api.pipeline.operations, CONFIG, "10.96.0.1", 6443, LoopClock().now())


async def test_a_new_cluster_has_its_namespaces_priorities_and_own_service(api: Any) -> None:
    await start(api)
    assert await api.names(NAMESPACES) == ["default", "kube-node-lease", "kube-public", "kube-system"]
    assert await api.names(resource("PriorityClass")) == ["system-cluster-critical", "system-node-critical"]
    assert (await api.get(SERVICES, "kubernetes"))["spec"]["clusterIP"] == "10.96.0.1"
    assert (await api.get(ENDPOINTS, "kubernetes"))["subsets"][0]["addresses"] == [{"ip": "10.1.2.3"}]
    assert await api.names(resource("IPAddress")) == ["10.96.0.1"]
    conditions = (await api.get(resource("ServiceCIDR"), "kubernetes"))["status"]["conditions"]
    assert [(one["type"], one["status"]) for one in conditions] == [("Ready", "True")]


async def test_flow_control_has_kubernetes_levels_and_each_schema_names_one_of_them(api: Any) -> None:
    await start(api)
    levels = set(await api.names(resource("PriorityLevelConfiguration")))
    assert {"exempt", "catch-all", "system", "node-high", "workload-low", "global-default"} < levels
    schemas = await api.list(resource("FlowSchema"))
    assert len(schemas.entries) == 13
    named = {entry.decode()["spec"]["priorityLevelConfiguration"]["name"] for entry in schemas.entries}
    assert named == levels


async def test_a_second_start_writes_nothing_but_what_says_where_the_server_is(api: Any) -> None:
    await start(api)
    before = await api.get(resource("FlowSchema"), "probes"), await api.get(SERVICES, "kubernetes")
    writes = api.storage.writes
    await start(api)
    assert (await api.get(resource("FlowSchema"), "probes"), await api.get(SERVICES, "kubernetes")) == before
    assert api.storage.writes == writes


async def test_a_suggested_level_is_put_right_unless_somebody_took_it_over(api: Any) -> None:
    await start(api)
    levels = resource("PriorityLevelConfiguration")
    changed = {"spec": {"limited": {"nominalConcurrencyShares": 7}}}
    await api.patch(levels, "system", changed)
    await api.patch(levels, "workload-low", changed)
    annotation = {"metadata": {"annotations": {"apf.kubernetes.io/autoupdate-spec": "false"}}}
    await api.patch(levels, "workload-low", annotation)
    await start(api)
    assert (await api.get(levels, "system"))["spec"]["limited"]["nominalConcurrencyShares"] == 30
    assert (await api.get(levels, "workload-low"))["spec"]["limited"]["nominalConcurrencyShares"] == 7


async def test_extension_servers_find_the_ca_of_client_certificates(api: Any) -> None:
    await start(api)
    found = await api.get(CONFIGMAPS, "extension-apiserver-authentication", "kube-system")
    assert found["data"]["client-ca-file"] == found["data"]["requestheader-client-ca-file"] == "the CA"
    assert found["data"]["requestheader-allowed-names"] == '["front-proxy-client"]'


async def test_a_system_priority_class_cannot_be_deleted(api: Any) -> None:
    await start(api)
    with pytest.raises(errors.Forbidden) as refused:
        await api.delete(resource("PriorityClass"), "system-node-critical")
    assert refused.value.message == (
        'priorityclasses.scheduling.k8s.io "system-node-critical" is forbidden: '
        "this is a system priority class and cannot be deleted"
    )


async def test_the_servers_lease_is_renewed_and_those_of_servers_that_are_gone_are_removed(api: Any) -> None:
    await start(api)
    clock = LoopClock()
    gone = Identity(api.pipeline.operations, clock, "10.1.2.3:1")
    here = Identity(api.pipeline.operations, LoopClock(clock.now() + SECONDS + 60), "10.1.2.3:6443")
    await gone.renew()
    await here.renew()
    await here.renew()
    assert set(await api.names(LEASES, "kube-system")) == {gone.name, here.name}
    lease = await api.get(LEASES, here.name, "kube-system")
    assert lease["metadata"]["labels"]["apiserver.kubernetes.io/identity"] == "kube-apiserver"
    await here.collect()
    assert await api.names(LEASES, "kube-system") == [here.name]


def test_a_lease_that_says_nothing_has_expired() -> None:
    assert has_expired({"spec": {}}, 0)
    assert not has_expired({"spec": {"renewTime": "2026-01-01T00:00:00.000000Z", "leaseDurationSeconds": 60}}, 0)
