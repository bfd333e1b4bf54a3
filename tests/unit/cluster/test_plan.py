"""A config resolved for a machine."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from kube_actors.api.errors import ConfigError
from kube_actors.cluster import config
from kube_actors.cluster.config import ClusterConfig, NetworkSection, WorkersSection
from kube_actors.cluster.desired import desired_actors
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.plan import ClusterPlan, plan
from kube_actors.node.runtime.interface import LogRotation

PATHS = ClusterPaths(Path("/state/default"))


def _plan(runtime: str, nodes: int = 1, network: NetworkSection | None = None, embedded: bool = False) -> ClusterPlan:
    wanted = ClusterConfig(workers=WorkersSection(count=nodes), network=network or NetworkSection())
    return plan(wanted, PATHS, runtime, embedded=embedded)


def test_ranges_follow_the_runtime() -> None:
    assert _plan("docker").pod_cidr == "10.244.0.0/16"
    assert _plan("process").service_cidr == "127.96.0.0/14"
    assert _plan("process").loopback
    assert not _plan("docker").loopback


def test_every_node_has_a_range_of_its_own_and_gateways_have_the_first() -> None:
    nodes = _plan("docker", nodes=250).nodes
    ranges = [ipaddress.ip_network(node.pod_cidr) for node in nodes]
    assert len(set(ranges)) == 250
    assert ipaddress.ip_address("10.244.0.1") not in ranges[0]
    assert all(each.subnet_of(ipaddress.ip_network("10.244.0.0/16")) for each in ranges)


def test_docker_pods_reach_the_api_server_by_their_gateway_others_by_loopback() -> None:
    assert _plan("docker").pod_gateway == "10.244.0.1"
    assert _plan("process").pod_gateway == ""
    # Their services have loopback addresses, and so has the server's.
    wanted = ClusterConfig(workers=WorkersSection(count=1))
    assert plan(wanted, PATHS, "docker", embedded=True, kernel_services=False).pod_gateway == ""


def test_one_node_of_a_machine_serves_its_services() -> None:
    assert [node.proxy for node in _plan("docker", nodes=3).nodes] == ["nftables", "", ""]
    assert [node.proxy for node in _plan("process").nodes] == ["userspace"]
    assert [node.proxy for node in _plan("simulated").nodes] == [""]


def test_logs_are_kept_as_the_config_says() -> None:
    assert _plan("docker").workers.logs == LogRotation(10 << 20, 5)
    wanted = ClusterConfig(workers=WorkersSection(container_log_max_size="100Ki", container_log_max_files=3))
    assert plan(wanted, PATHS, "docker", embedded=True).workers.logs == LogRotation(100 << 10, 3)


def test_a_range_without_room_is_refused() -> None:
    with pytest.raises(ConfigError, match="has room for 1 nodes"):
        _plan("docker", nodes=2, network=NetworkSection(pod_cidr="10.1.0.0/23"))


def test_the_process_runtime_needs_loopback_ranges() -> None:
    with pytest.raises(ConfigError, match="loopback"):
        _plan("process", network=NetworkSection(pod_cidr="10.1.0.0/16"))


def test_an_embedded_store_is_on_a_socket() -> None:
    assert _plan("simulated", embedded=True).store_address == "unix:/state/default/run/store.sock"
    assert _plan("simulated").store_address == "127.0.0.1:2379"


def test_actors_are_one_a_component_and_one_a_node() -> None:
    names = [spec.name for spec in desired_actors(_plan("docker", nodes=2))]
    assert names == [
        "store@master-1",
        "apiserver@master-1",
        "scheduler@master-1",
        "controller-manager@master-1",
        "nodeagent@node-1",
        "nodeagent@node-2",
    ]


def test_simulated_nodes_are_one_actor() -> None:
    nodes = [spec for spec in desired_actors(_plan("simulated", nodes=100)) if spec.kind == "NodeAgent"]
    assert len(nodes) == 1


def test_the_largest_number_of_nodes_has_room_in_every_default_range() -> None:
    for runtime in ("docker", "process", "simulated"):
        assert len(_plan(runtime, nodes=config.MAX_REAL_NODES).nodes) == config.MAX_REAL_NODES
    assert len(_plan("simulated", nodes=config.MAX_NODES).nodes) == config.MAX_NODES


def test_docker_without_root_has_services_on_loopback() -> None:
    planned = plan(ClusterConfig(), PATHS, "docker", embedded=False, kernel_services=False)
    assert planned.nodes[0].proxy == "userspace"
    assert planned.service_cidr == "127.96.0.0/14"
    assert planned.pod_cidr == "10.244.0.0/16"
