"""Hosts of a Ray with several nodes: who goes where, and when a member of the store gets another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kube_actors.api.errors import ConfigError
from kube_actors.cluster import hosts, record
from kube_actors.cluster.config import ClusterConfig, StoreSection
from kube_actors.cluster.desired import desired_actors
from kube_actors.cluster.etcd import layout
from kube_actors.cluster.etcd.membership import Member, View
from kube_actors.cluster.etcd.replacing import Move, listed, plan_move
from kube_actors.cluster.hosts import Absences, Host
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.placing import Placer
from kube_actors.cluster.plan import ClusterPlan, EtcdPlan, MemberPlan, SpreadPlan, plan
from kube_actors.cluster.processes import this_process
from kube_actors.cluster.record import ClusterRecord
from kube_actors.rpc.tls import ClientTLS
from kube_actors.store.errors import StoreUnavailable

FAST = (("disk", "fast"),)


def host(number: int, *, fast: bool = True) -> Host:
    return Host(f"10.0.0.{number}", f"id-{number}", (*(FAST if fast else ()), ("zone", str(number))))


THREE = [host(1), host(2), host(3)]


def etcd(*numbers: int, formed: bool = True) -> EtcdPlan:
    members = (MemberPlan(f"storemember-{n + 1}", f"10.0.0.{at}", 2379, 2380) for n, at in enumerate(numbers))
    return EtcdPlan(tuple(members), "token", "etcd", formed)


def test_hosts_are_chosen_by_their_labels_in_the_order_of_their_addresses() -> None:
    there = [host(10), host(2), host(1, fast=False), host(3)]
    assert hosts.spread(3, there, FAST, "x") == ("10.0.0.2", "10.0.0.3", "10.0.0.10")
    assert hosts.spread(1, there, (), "x") == ("10.0.0.1",)
    assert hosts.spread(1, there, (("zone", "3"), *FAST), "x") == ("10.0.0.3",)


def test_too_few_hosts_are_said_with_what_was_asked_of_them() -> None:
    with pytest.raises(
        ConfigError, match=r"^store\.members: 3 of them need as many Ray nodes with disk=fast, and 1 are"
    ):
        hosts.spread(3, [host(1), host(2, fast=False)], FAST, "store.members")


def test_only_an_absence_without_a_break_counts() -> None:
    absences = Absences()
    needed, both, one = ["a", "b"], ["a", "b", "c"], ["a"]
    assert absences.longer_than(10, needed, one, now=0) == frozenset()
    assert absences.longer_than(10, needed, both, now=9) == frozenset()
    assert absences.longer_than(10, needed, one, now=11) == frozenset()
    assert absences.longer_than(10, needed, one, now=21) == {"b"}


def test_a_member_moves_to_a_host_that_has_none_and_the_right_labels() -> None:
    there = [host(1), host(2), host(4, fast=False), host(5), host(6)]
    assert plan_move(etcd(1, 2, 3), there, FAST, {"10.0.0.3"}) == Move("storemember-3", "10.0.0.5")
    assert plan_move(etcd(1, 2, 3), there[:3], FAST, {"10.0.0.3"}) is None
    assert plan_move(etcd(1, 2, 3), there, FAST, set()) is None


def test_nobody_moves_before_the_store_has_served() -> None:
    assert plan_move(etcd(1, 2, 3, formed=False), [host(1), host(2), host(5)], (), {"10.0.0.3"}) is None


def test_a_member_is_known_by_its_name_or_before_it_has_served_by_its_address() -> None:
    view = View((Member(1, "m1", ("https://a:1",)), Member(2, "", ("https://b:1",), learner=True)), ())
    assert listed(view, "m1", "https://other:1") == [1]
    assert listed(view, "m2", "https://b:1") == [2]
    assert listed(view, "m3", "https://c:1") == []


def test_each_member_has_a_host_of_its_own_and_the_same_ports(tmp_path: Path) -> None:
    chosen = layout.choose_hosts(ClusterPaths(tmp_path), StoreSection(engine="etcd"), THREE)
    assert [member.address for member in chosen.members] == ["10.0.0.1:2379", "10.0.0.2:2379", "10.0.0.3:2379"]
    assert {member.peer_port for member in chosen.members} == {2380}
    # It stays so, whoever else joins.
    assert layout.choose_hosts(ClusterPaths(tmp_path), StoreSection(engine="etcd"), [host(0), *THREE]) == chosen


def test_a_store_whose_majority_is_elsewhere_is_not_begun_anew(tmp_path: Path) -> None:
    paths = ClusterPaths(tmp_path)
    chosen = layout.choose_hosts(paths, StoreSection(engine="etcd"), THREE)
    layout.set_formed(paths, chosen)
    assert layout.choose_hosts(paths, StoreSection(engine="etcd"), THREE[:2]).members == chosen.members
    with pytest.raises(ConfigError, match=r"live on 10\.0\.0\.2, 10\.0\.0\.3, which are not in this Ray"):
        layout.choose_hosts(paths, StoreSection(engine="etcd"), THREE[:1])
    with pytest.raises(ConfigError, match="has its objects in members of an etcd"):
        layout.refuse_other_engine(paths, StoreSection())


def spread_plan(tmp_path: Path) -> ClusterPlan:
    resolved = plan(ClusterConfig(), ClusterPaths(tmp_path), "simulated", embedded=False)
    return replace(resolved, etcd=etcd(1, 2, 3), spread=SpreadPlan("10.0.0.1", FAST, replace_after=60))


def test_members_are_where_their_hosts_are_and_all_else_on_the_master(tmp_path: Path) -> None:
    specs = desired_actors(spread_plan(tmp_path))
    placed = {spec.name: spec.host for spec in specs}
    assert {name: at for name, at in placed.items() if name.startswith("storemember")} == {
        f"storemember-{n}@10.0.0.{n}": f"10.0.0.{n}" for n in (1, 2, 3)
    }
    assert {at for name, at in placed.items() if not name.startswith("storemember")} == {"10.0.0.1"}


class Time:
    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("the placer does not sleep")


class Lab:
    """Hosts that are there, and an etcd that forgets a member or will not."""

    def __init__(self, tmp_path: Path) -> None:
        self.there = [*THREE, host(4)]
        self.answer: bool | StoreUnavailable = True
        self.forgotten: list[str] = []
        self.time = Time()
        self.plan = spread_plan(tmp_path)
        layout.set_formed(self.plan.paths, etcd(1, 2, 3))
        self.placer = Placer(self.plan, self, lambda: None, self.time, self._forget)

    def hosts(self) -> list[Host]:
        return self.there

    def round(self, at: float) -> ClusterPlan | None:
        self.time.at = at
        return self.placer.round()

    async def _forget(self, plan: EtcdPlan, name: str, tls: ClientTLS | None) -> bool:
        self.forgotten.append(name)
        if isinstance(self.answer, StoreUnavailable):
            raise self.answer
        return self.answer


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_a_member_whose_host_is_away_for_long_gets_another_and_that_is_on_record(lab: Lab) -> None:
    assert lab.round(0) is None
    lab.there = [host(1), host(3), host(4)]
    assert lab.round(1) is None
    assert lab.round(60) is None
    moved = lab.round(61)
    assert moved is not None
    assert moved.etcd is not None
    assert [member.host for member in moved.etcd.members] == ["10.0.0.1", "10.0.0.4", "10.0.0.3"]
    assert layout.current(lab.plan).etcd == moved.etcd
    assert lab.round(200) is None
    assert lab.forgotten == ["storemember-2"]
    written = ClusterRecord("default", "ray", "running", this_process(), lab.plan)
    record.write(lab.plan.paths, written)
    assert record.read(lab.plan.paths) == replace(written, plan=moved)


@pytest.mark.parametrize("answer", [False, StoreUnavailable("no quorum")])
def test_what_the_others_do_not_forget_stays_where_it_is(lab: Lab, answer: bool | StoreUnavailable) -> None:
    lab.there, lab.answer = [host(1), host(4)], answer
    assert [lab.round(at) for at in (0, 61, 62)] == [None, None, None]
    assert layout.current(lab.plan).etcd == etcd(1, 2, 3)
    assert lab.forgotten == ["storemember-2"] * 2


def test_a_host_that_comes_back_in_time_keeps_its_member(lab: Lab) -> None:
    lab.there = [host(1), host(2), host(4)]
    assert lab.round(0) is None
    lab.there = [*THREE, host(4)]
    assert lab.round(59) is None
    lab.there = [host(1), host(2), host(4)]
    assert lab.round(61) is None
    assert lab.forgotten == []
