"""Loopback ranges: one pair a cluster, remembered, and claimed while it runs."""

from __future__ import annotations

import ipaddress
import itertools
import socket
from pathlib import Path

import pytest

from kube_actors.api.errors import ConfigError
from kube_actors.cluster.loopback import PAIRS, Claim, choose


def test_pairs_do_not_overlap() -> None:
    networks = [ipaddress.ip_network(each) for pair in PAIRS for each in pair]
    assert all(one.subnet_of(ipaddress.ip_network("127.0.0.0/8")) for one in networks)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(networks, 2))


async def test_a_cluster_gets_a_pair_that_nobody_has_and_keeps_it(tmp_path: Path) -> None:
    first = choose(tmp_path / "first")
    claims = [Claim(each) for each in first]
    for each in claims:
        await each.start()
    try:
        second = choose(tmp_path / "second")
        assert second != first
        assert choose(tmp_path / "first") == first
        with pytest.raises(ConfigError, match="another cluster of this machine has the range"):
            await Claim(first[1]).start()
    finally:
        for each in claims:
            await each.stop()
    assert choose(tmp_path / "second") == second, "addresses are stored: they stay"


async def test_of_two_that_choose_at_once_each_gets_its_own(tmp_path: Path) -> None:
    first = choose(tmp_path / "first", keep=True)
    second = choose(tmp_path / "second", keep=True)
    assert first != second
    for each in (Claim(cidr) for cidr in (*first, *second)):
        await each.start()
        await each.stop()


async def test_a_range_in_which_somebody_listens_is_taken(tmp_path: Path) -> None:
    free = choose(tmp_path / "free")
    with socket.socket() as listener:
        listener.bind((str(ipaddress.ip_network(free[1])[77]), 0))
        listener.listen()
        assert choose(tmp_path / "other") != free
