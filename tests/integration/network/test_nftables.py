"""The nftables backend with the real kernel, in a network namespace without a way out."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

SCENARIO = pathlib.Path(__file__).with_name("nft_scenario.py")
NAMESPACE = f"ka-nft-{os.getpid()}"


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[str, Any]]:
    """What the scenario saw."""
    if os.geteuid() != 0 or shutil.which("nft") is None or shutil.which("ip") is None:
        pytest.skip("kernel forwarding needs root and the programs nft and ip")
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    inside = ["ip", "netns", "exec", NAMESPACE]
    try:
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
        subprocess.run([*inside, "ip", "addr", "add", "192.0.2.1/32", "dev", "lo"], check=True)
        done = subprocess.run(
            [*inside, sys.executable, str(SCENARIO)], check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        yield json.loads(done.stdout)
    finally:
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=True)


def test_connections_to_a_cluster_ip_are_spread_over_the_pods(answers: dict[str, Any]) -> None:
    assert answers["spread"] == ["10.244.0.2", "10.244.0.3"]


def test_client_affinity_stays_with_one_pod(answers: dict[str, Any]) -> None:
    assert answers["sticky"] == 1


def test_a_service_without_endpoints_refuses_at_once(answers: dict[str, Any]) -> None:
    assert answers["empty"] == "refused"


def test_a_port_that_the_service_does_not_have_is_refused(answers: dict[str, Any]) -> None:
    assert answers["other_port"] == "refused"


def test_an_address_of_no_service_goes_nowhere(answers: dict[str, Any]) -> None:
    assert answers["unknown"] == "nothing"


def test_a_node_port_answers_on_the_nodes_address(answers: dict[str, Any]) -> None:
    assert answers["node_port"] in ("10.244.0.2", "10.244.0.3")


def test_removing_a_service_and_the_cluster_leaves_no_rule(answers: dict[str, Any]) -> None:
    assert answers["after_removal"] == "nothing"
    assert answers["left"] == ""
