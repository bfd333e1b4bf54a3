"""Config files: what is accepted, and the one line for what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api.errors import ConfigError
from kube_actors.cluster.config import ClusterConfig, load, parse

CONFIGS = Path(__file__).parents[3] / "cluster_configs"


def test_local_yaml_says_the_defaults() -> None:
    assert load(CONFIGS / "local.yaml") == ClusterConfig()


def test_embedded_yaml_is_accepted() -> None:
    config = load(CONFIGS / "embedded.yaml")
    assert (config.mode, config.workers.count, config.store.durable) == ("embedded", 3, False)


def test_simulated_yaml_is_accepted() -> None:
    config = load(CONFIGS / "simulated.yaml")
    assert config.workers.count == 1000
    assert config.simulated.capacity == {"cpu": "32", "memory": "128Gi"}
    assert config.simulated.behaviour_of({"app": "flaky"}, "c", "web:1").failure_rate == 0.2
    assert config.simulated.behaviour_of({}, "leaks", "web:1").oom_killed


def test_ha_store_yaml_is_accepted() -> None:
    assert load(CONFIGS / "ha-store.yaml").store.member_count == 3
    assert load(CONFIGS / "ha-store-hosts.yaml").store.node_selector == {"disk": "fast"}


def test_several_masters_are_refused_until_they_work() -> None:
    with pytest.raises(ConfigError, match=r"ha-2-masters.*masters\.count: 2 masters are not supported yet"):
        load(CONFIGS / "ha-2-masters-3-workers.yaml")


def test_an_embedded_control_plane_may_have_no_nodes() -> None:
    assert parse({"mode": "embedded", "workers": {"count": 0}}, "f").workers.count == 0


def test_an_empty_file_is_the_defaults() -> None:
    assert parse(None, "f") == ClusterConfig()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ([], "f: must be a mapping, not []"),
        ({"nmae": "a"}, "f: nmae: unknown key; allowed: apiServer, masters,"),
        (
            {"apiServer": {"prot": 1}},
            "f: apiServer.prot: unknown key; allowed: "
            "allowPrivileged, audit, enableAdmissionPlugins, encryption, grpcPort, host, port, tokenFile, tokenPort",
        ),
        ({"apiServer": 7}, "f: apiServer: must be a mapping, not 7"),
        ({"apiServer": {"port": "x"}}, "f: apiServer.port: must be a whole number, not 'x'"),
        ({"apiServer": {"port": True}}, "f: apiServer.port: must be a whole number, not True"),
        ({"apiServer": {"port": 70000}}, "f: apiServer.port: 70000 must be from 0 to 65535"),
        ({"apiServer": {"host": "me"}}, "f: apiServer.host: 'me' must be an IPv4 address"),
        ({"apiServer": {"port": 7, "grpcPort": 7}}, "f: apiServer.grpcPort: 7 is also apiServer.port"),
        ({"runtime": "podman"}, "f: runtime: 'podman' is not supported; allowed: auto, docker, process, simulated"),
        ({"mode": None}, "f: mode: must be text, not None"),
        ({"name": "Big One"}, "f: name: 'Big One' is no name: use up to 40 lower-case letters"),
        ({"workers": {"imageMinimumGCAge": "2"}}, "f: workers.imageMinimumGCAge: '2' is no duration; write 30s, 15m"),
        (
            {"workers": {"imageGCLowThresholdPercent": 85}},
            "f: workers.imageGCLowThresholdPercent: 85 must be less",
        ),
        ({"workers": {"imageMaximumGCAge": "60s"}}, "f: workers.imageMaximumGCAge: 60s must be more than"),
        ({"workers": {"containerLogMaxSize": "10x"}}, "f: workers.containerLogMaxSize: '10x' is no quantity such as"),
        ({"workers": {"containerLogMaxSize": "-1"}}, "f: workers.containerLogMaxSize: '-1' must be more than 0"),
        ({"workers": {"containerLogMaxFiles": 1}}, "f: workers.containerLogMaxFiles: 1 must be from 2 to 1000"),
        ({"workers": {"count": 0}}, "f: workers.count: 0 must be from 1 to 5000"),
        ({"workers": {"count": 251}}, "f: workers.count: 251 needs runtime: simulated; others have at most 250"),
        ({"simulated": {"seed": 1}}, "f: simulated: needs runtime: simulated"),
        ({"runtime": "simulated", "simulated": 7}, "f: simulated: must be a mapping, not 7"),
        (
            {"runtime": "simulated", "simulated": {"rules": [{"behaviour": {"exitCode": 256}}]}},
            "f: simulated.rules[0].behaviour.exitCode: must be a whole number from 0 to 255, not 256",
        ),
        ({"workers": {"labels": {"a": 1}}}, "f: workers.labels: must be a mapping of text to text"),
        ({"store": {"engine": "redis"}}, "f: store.engine: 'redis' is not supported; allowed: embedded, etcd"),
        ({"store": {"engine": "etcd", "members": 2}}, "f: store.members: 2 must be 1, 3, 5 or 7; an even number bears"),
        ({"store": {"members": 3}}, "f: store.members: goes with engine: etcd"),
        ({"store": {"engine": "etcd"}, "mode": "embedded"}, "f: store.engine: members of an etcd need mode: ray"),
        ({"store": {"engine": "etcd", "port": 6440}}, "f: store.port of 3 members: 6443 is also apiServer.port"),
        ({"store": {"endpoints": "x"}}, "f: store.endpoints: must be a list of texts, not 'x'"),
        ({"store": {"endpoints": ["10.0.0.1:2379"]}}, "has '10.0.0.1:2379', which must say https:// or http://"),
        ({"store": {"endpoints": ["http://a"]}}, "which must name a host and a port, such as https://10.0.0.1:2379"),
        ({"store": {"endpoints": ["http://a:1", "https://b:2"]}}, "must be all https or all http"),
        ({"store": {"endpoints": ["https://a:1"]}}, "f: store.caFile: needed for https:// endpoints"),
        ({"store": {"endpoints": ["http://a:1"], "caFile": "/c"}}, "f: store.caFile: certificates need https://"),
        ({"store": {"endpoints": ["https://a:1"], "caFile": "/c", "certFile": "/d"}}, "store.certFile: goes with"),
        ({"store": {"endpoints": ["https://a:1", "https://b:1"], "caFile": "/c"}}, "f: store.serverName: needed with"),
        ({"store": {"endpoints": ["http://a:1"], "members": 3}}, "f: store.endpoints: an etcd that exists has its own"),
        ({"store": {"caFile": "/c"}}, "f: store.caFile: certificates go with store.endpoints"),
        ({"store": {"durable": False}}, "f: store.durable: false needs mode: embedded"),
        ({"ray": {"address": "10.0.0.1"}}, "f: ray.address: '10.0.0.1' must be ADDRESS:PORT, as 'ray start --head'"),
        ({"ray": {"address": "head:6379"}}, "f: ray.address: 'head:6379' must be ADDRESS:PORT"),
        ({"ray": {"address": "10.0.0.1:6379"}, "mode": "embedded"}, "f: ray.address: needs mode: ray"),
        ({"ray": {"address": "10.0.0.1:6379", "port": 7}}, "f: ray.port: goes with a Ray of our own"),
        ({"ray": {"tokenFile": "/t"}}, "f: ray.tokenFile: goes with ray.address"),
        ({"store": {"nodeSelector": {"a": "b"}}}, "f: store.nodeSelector: goes with members of an etcd"),
        (
            {"store": {"engine": "etcd", "port": 0}, "ray": {"address": "10.0.0.1:6379"}},
            "f: store.port: members on several",
        ),
        ({"store": {"replaceAfter": "soon"}}, "f: store.replaceAfter: 'soon' is no duration"),
        ({"network": {"podCIDR": "10.0.0.1/8"}}, "f: network.podCIDR: '10.0.0.1/8' is no network"),
        ({"network": {"podCIDR": "10.0.0.0/30"}}, "must be an IPv4 network of /24 or larger"),
        ({"network": {"podCIDR": "10.0.0.0/8", "serviceCIDR": "10.96.0.0/12"}}, "f: network.serviceCIDR: "),
    ],
)
def test_what_is_wrong_is_one_line_with_place_and_remedy(content: Any, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(content, "f")
    text = str(caught.value)
    for part in line.split("; allowed: "):
        assert part in text
    assert "\n" not in text


def test_a_file_that_is_no_yaml_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("a: [\nb: {")
    with pytest.raises(ConfigError, match=r"c\.yaml is no YAML: ") as caught:
        load(tmp_path / "c.yaml")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the config .*gone\.yaml: No such file"):
        load(tmp_path / "gone.yaml")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "apiServer", "port", "workers", "count", "labels", "ray", "store", "x"]), inner
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_whatever_is_in_a_file_is_accepted_or_one_line(content: Any) -> None:
    try:
        line = ""
        assert isinstance(parse(content, "f"), ClusterConfig)
    except ConfigError as error:
        line = str(error)
    assert not line or line.startswith("f: ")
    assert "\n" not in line
