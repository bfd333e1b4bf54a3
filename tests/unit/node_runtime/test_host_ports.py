"""The addresses at which a machine is reached."""

from __future__ import annotations

from pathlib import Path

from kube_actors.node.runtime.process.host_ports import local_addresses

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
