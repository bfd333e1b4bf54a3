"""Environments, expansion, field references, limits: pure functions by example."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from kube_actors.api import Obj
from kube_actors.node.config import NodeConfig
from kube_actors.node.containers.dns import Resolver, parse_resolv_conf, resolver_of
from kube_actors.node.containers.environment import (
    CONFIG_MAP,
    SECRET,
    ConfigFailure,
    EnvironmentInputs,
    Source,
    environment,
    service_variables,
    sources_of,
)
from kube_actors.node.containers.expansion import expand
from kube_actors.node.containers.field_refs import PodAddresses, field_value, resource_value
from kube_actors.node.containers.resources import limits_of, oom_score_adj, qos_class
from kube_actors.node.containers.sandbox import sandbox_spec
from kube_actors.node.containers.security import security_of
from kube_actors.node.machine.ipam import AddressPool
from kube_actors.node.runtime.interface import Image, Limits, RuntimeFailure

from .conftest import make_pod

ADDRESSES = PodAddresses("10.0.0.2", "192.168.0.1", {"cpu": "4", "memory": "8Gi"})


def env_of(container: Obj, sources: dict[Source, Obj] | None = None, **more: Any) -> dict[str, str]:
    container = {"name": "c", "image": "i"} | container
    return environment(make_pod(containers=[container]), container, EnvironmentInputs(ADDRESSES, sources or {}, **more))


def config_map(**data: str) -> Obj:
    return {"kind": "ConfigMap", "data": data}


def secret(**data: str) -> Obj:
    return {"kind": "Secret", "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$(NO)", "$(NO)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A $", "$A $"),
        ("$(A", "$(A"),
        ("$()", "$()"),
        ("$$", "$"),
    ],
)
def test_references_expand_as_in_kubernetes(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}.get) == expanded


def test_later_definitions_win_and_see_earlier_ones() -> None:
    sources = {Source(CONFIG_MAP, "cm"): config_map(A="from map", B="b"), Source(SECRET, "s"): secret(C="c")}
    container = {
        "envFrom": [{"configMapRef": {"name": "cm"}}, {"prefix": "S_", "secretRef": {"name": "s"}}],
        "env": [{"name": "A", "value": "$(B)-$(S_C)-$(HOST)"}, {"name": "D", "value": "$(A)"}],
    }
    env = env_of(container, sources, services={"HOST": "h"})
    assert env == {"HOST": "h", "A": "b-c-h", "B": "b", "S_C": "c", "D": "b-c-h"}


def test_fields_of_the_pod_are_values() -> None:
    def ref(path: str) -> Obj:
        return {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}

    for path, value in (
        ("status.podIP", "10.0.0.2"),
        ("status.hostIP", "192.168.0.1"),
        ("metadata.name", "p"),
        ("metadata.uid", "uid-p"),
        ("spec.nodeName", "n1"),
    ):
        assert env_of({"env": [ref(path)]})["X"] == value
    pod = make_pod()
    pod["metadata"]["labels"] = {"b": "2", "a": 'q"x'}
    assert field_value(pod, "metadata.labels") == 'a="q\\"x"\nb="2"'
    assert field_value(pod, "metadata.labels['b']") == "2"


def test_resource_fields_round_up_and_fall_back_to_the_node() -> None:
    container = {"name": "c", "image": "i", "resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "64Mi"}}}
    pod = make_pod(containers=[container])

    def value(**ref: str) -> str:
        return resource_value(pod, container, ref, ADDRESSES.node_allocatable)

    assert value(resource="limits.cpu") == "2"
    assert value(resource="limits.cpu", divisor="1m") == "1500"
    assert value(resource="requests.memory", divisor="1Mi") == "64"
    assert value(resource="limits.memory", divisor="1Gi") == "8"


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"configMapKeyRef": {"name": "no", "key": "k"}}, 'configmap "no" not found'),
        ({"secretKeyRef": {"name": "no", "key": "k"}}, 'secret "no" not found'),
        ({"configMapKeyRef": {"name": "cm", "key": "k"}}, "couldn't find key k in ConfigMap default/cm"),
        ({"secretKeyRef": {"name": "s", "key": "k"}}, "couldn't find key k in Secret default/s"),
    ],
)
def test_what_is_missing_is_told_unless_it_is_optional(entry: Obj, text: str) -> None:
    sources = {Source(CONFIG_MAP, "cm"): config_map(), Source(SECRET, "s"): secret()}
    container = {"env": [{"name": "X", "valueFrom": entry}]}
    with pytest.raises(ConfigFailure) as failure:
        env_of(container, sources)
    assert str(failure.value) == text
    (key,) = entry
    optional = {"env": [{"name": "X", "valueFrom": {key: entry[key] | {"optional": True}}}]}
    assert env_of(optional, sources) == {}


def test_the_sources_of_an_environment_are_found() -> None:
    container = {
        "envFrom": [{"configMapRef": {"name": "a"}}],
        "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "b", "key": "k"}}}, {"name": "Y", "value": "1"}],
    }
    assert sources_of(container) == {Source(CONFIG_MAP, "a"), Source(SECRET, "b")}


def test_services_become_variables() -> None:
    def service(namespace: str, name: str, ip: str, *ports: Obj) -> Obj:
        return {"metadata": {"namespace": namespace, "name": name}, "spec": {"clusterIP": ip, "ports": list(ports)}}

    services = [
        service("default", "kubernetes", "10.96.0.1", {"name": "https", "port": 443, "protocol": "TCP"}),
        service("ns", "my-db", "10.96.0.2", {"port": 5432, "protocol": "TCP"}),
        service("ns", "headless", "None", {"port": 1}),
        service("other", "far", "10.96.0.3", {"port": 1}),
    ]
    variables = service_variables(services, "ns", links=True)
    assert variables["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert variables["KUBERNETES_SERVICE_PORT_HTTPS"] == "443"
    assert variables["MY_DB_PORT_5432_TCP"] == "tcp://10.96.0.2:5432"
    assert variables["MY_DB_PORT_5432_TCP_ADDR"] == "10.96.0.2"
    assert not any(name.startswith(("HEADLESS", "FAR")) for name in variables)
    assert "MY_DB_SERVICE_HOST" not in service_variables(services, "ns", links=False)


def test_limits_are_the_kernels() -> None:
    container = {
        "name": "c",
        "image": "i",
        "resources": {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}},
    }
    pod = make_pod(containers=[container])
    assert limits_of(pod, container) == Limits(cpu_shares=256, cpu_quota_us=100_000, memory_bytes=2 << 30)
    assert oom_score_adj(pod, container, 8 << 30) == 875
    bare = {"name": "c", "image": "i"}
    assert oom_score_adj(make_pod(containers=[bare]), bare, 8 << 30) == 1000
    assert oom_score_adj(make_pod(containers=[bare], priorityClassName="system-node-critical"), bare, 8 << 30) == -997


def test_a_limit_of_the_whole_pod_holds_where_a_container_has_none() -> None:
    own = {"name": "own", "resources": {"limits": {"cpu": "500m"}}}
    bare = {"name": "bare", "resources": {"requests": {"cpu": "250m", "memory": "1Gi"}}}
    whole = {"requests": {"cpu": "1", "memory": "3Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}}
    pod = make_pod(containers=[own, bare], resources=whole)
    assert limits_of(pod, own) == Limits(cpu_shares=512, cpu_quota_us=50_000, memory_bytes=4 << 30)
    assert limits_of(pod, bare) == Limits(cpu_shares=256, cpu_quota_us=200_000, memory_bytes=4 << 30)
    # Half of the 2Gi that the pod asks for beyond its containers, and what the container asks for itself.
    assert oom_score_adj(pod, own, 8 << 30) == 875
    assert oom_score_adj(pod, bare, 8 << 30) == 750


def test_a_sidecar_is_killed_no_sooner_than_the_containers_that_need_it() -> None:
    sidecar = {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"memory": "1Mi"}}}
    main = {"name": "main", "resources": {"requests": {"memory": "2Gi"}}}
    pod = make_pod(containers=[main], initContainers=[sidecar])
    assert oom_score_adj(pod, sidecar, 8 << 30) == oom_score_adj(pod, main, 8 << 30) == 750


def test_quality_of_service() -> None:
    def pod(*resources: Obj) -> Obj:
        return make_pod(containers=[{"name": str(index), "resources": each} for index, each in enumerate(resources)])

    full = {"limits": {"cpu": "1", "memory": "1Gi"}}
    assert qos_class(pod(full)) == "Guaranteed"
    assert qos_class(pod(full, {})) == "Burstable"
    assert qos_class(pod({}, {})) == "BestEffort"
    assert qos_class(pod(full | {"requests": {"cpu": "500m"}})) == "Burstable"


def test_addresses_go_round_and_rest() -> None:
    pool = AddressPool("10.0.0.0/29")
    pool.reserve("adopted", "10.0.0.3")
    assert [pool.allocate(name) for name in ("a", "b", "a")] == ["10.0.0.2", "10.0.0.4", "10.0.0.2"]
    pool.release("a")
    assert [pool.allocate(name) for name in ("c", "d", "e")] == ["10.0.0.5", "10.0.0.6", "10.0.0.2"]
    with pytest.raises(RuntimeFailure, match="no IP addresses available"):
        pool.allocate("f")
    with pytest.raises(RuntimeFailure, match="no pod CIDR"):
        AddressPool().allocate("a")


def test_names_are_resolved_by_policy(tmp_path: Any) -> None:
    config = NodeConfig(name="n", root_dir=tmp_path, cluster_dns=("10.96.0.10",))
    host = parse_resolv_conf("nameserver 1.1.1.1\nsearch lan\noptions timeout:1\n# x")
    cluster = resolver_of(make_pod(), config, host)
    assert cluster.servers == ("10.96.0.10",)
    assert cluster.searches == ("default.svc.cluster.local", "svc.cluster.local", "cluster.local", "lan")
    assert cluster.options == ("ndots:5",)
    assert resolver_of(make_pod(dnsPolicy="Default"), config, host) == host
    own = make_pod(
        dnsPolicy="None", dnsConfig={"nameservers": ["9.9.9.9"], "options": [{"name": "ndots", "value": "2"}]}
    )
    assert resolver_of(own, config, host) == Resolver(("9.9.9.9",), (), ("ndots:2",))


def test_a_pod_with_a_subdomain_has_a_full_name(tmp_path: Any) -> None:
    config = NodeConfig(name="n", root_dir=tmp_path)
    pod = make_pod(hostname="h", subdomain="s", hostAliases=[{"ip": "1.2.3.4", "hostnames": ["x", "y"]}])
    spec = sandbox_spec(pod, config, Resolver(), "10.0.0.2", 0)
    assert spec.hostname == "h"
    assert spec.host_aliases == (
        ("10.0.0.2", ("h.s.default.svc.cluster.local", "h")),
        ("1.2.3.4", ("x", "y")),
    )


def test_the_containers_own_security_context_wins() -> None:
    container = {"name": "c", "securityContext": {"runAsUser": 7, "capabilities": {"drop": ["ALL"]}}}
    pod = make_pod(containers=[container], securityContext={"runAsUser": 5, "runAsGroup": 6, "fsGroup": 9})
    security = security_of(pod, container, Image("i", (), 0), Path("seccomp"))
    assert (security.user, security.group, security.supplemental_groups) == (7, 6, (9,))
    assert security.drop_capabilities == ("ALL",)


def test_run_as_non_root_refuses_root() -> None:
    container = {"name": "c", "securityContext": {"runAsNonRoot": True}}
    pod = make_pod(containers=[container])
    assert security_of(pod, container, Image("i", (), 0, user=1000), Path("seccomp")).user is None
    for image_user in (None, 0):
        with pytest.raises(ConfigFailure, match="runAsNonRoot and image will run as root"):
            security_of(pod, container, Image("i", (), 0, user=image_user), Path("seccomp"))
    text = r"container has runAsNonRoot and image has non-numeric user \(web\), cannot verify user is non-root"
    with pytest.raises(ConfigFailure, match=text):
        security_of(pod, container, Image("i", (), 0, user_name="web"), Path("seccomp"))
