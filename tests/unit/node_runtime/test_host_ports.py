"""Ports of the machine that lead to pods."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from kube_actors.node.runtime.interface import PortMapping
from kube_actors.node.runtime.process.host_ports import HostPorts, local_addresses

TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.2.0/24 2 0 2
        |-- 10.0.2.15
           /32 host LOCAL
        |-- 10.0.2.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
Local:
        |-- 10.0.2.15
           /32 host LOCAL
"""


def test_a_machine_is_reached_at_its_own_addresses(tmp_path: Path) -> None:
    (tmp_path / "trie").write_text(TRIE)
    assert local_addresses(tmp_path / "trie") == ["127.0.0.1", "10.0.2.15"]
    assert local_addresses(tmp_path / "none") == ["127.0.0.1"]


@pytest.mark.parametrize("steps", range(12))
async def test_an_opening_that_is_cut_short_leaves_no_port_open(steps: int) -> None:
    """At whichever of its steps it is cancelled."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ports = HostPorts()
    opening = asyncio.ensure_future(ports.open("uid", "127.0.0.1", [PortMapping(80, port, "TCP", "127.0.0.1")]))  # noqa: TID251
    for _ in range(steps):
        await asyncio.sleep(0)
    if not opening.cancel():
        await opening
        ports.close("uid")
    await asyncio.wait({opening})
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    await ports.stop()
