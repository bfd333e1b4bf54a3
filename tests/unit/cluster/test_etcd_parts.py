"""The parts around etcd's members: flags, files, layout, what its log says, endpoints of others."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from kube_actors.api.errors import ConfigError
from kube_actors.cluster import record
from kube_actors.cluster.config import ClusterConfig, StoreSection
from kube_actors.cluster.desired import desired_actors
from kube_actors.cluster.etcd import external, layout
from kube_actors.cluster.etcd.binary import find
from kube_actors.cluster.etcd.command import Peer, TLSFiles, bootstrap_flags, environment, settled_flags
from kube_actors.cluster.etcd.files import Identity, MemberFolder, Running
from kube_actors.cluster.etcd.membership import Member, MemberState
from kube_actors.cluster.etcd.process import reason_in
from kube_actors.cluster.etcd.seed import choose, raise_revision
from kube_actors.cluster.etcd.status import describe
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.plan import EtcdPlan, MemberPlan, plan
from kube_actors.cluster.processes import ProcessId, this_process
from kube_actors.cluster.record import ClusterRecord
from kube_actors.store.backup.format import BackupError
from kube_actors.store.errors import StoreUnavailable

ME = Peer("storemember-1", "https://10.0.0.1:2380", "10.0.0.1:2379")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that says it is etcd 3.5, as `etcd` on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    path = folder / "etcd"
    path.write_text("#!/bin/sh\necho 'etcd Version: 3.5.9'\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return path


def test_members_let_in_only_who_shows_the_right_certificate() -> None:
    files = TLSFiles(*(Path(f"/tls/{name}") for name in "abcde"))
    flags = settled_flags("/bin/etcd", ME, Path("/data"), files)
    assert "--client-cert-auth" in flags
    assert "--peer-client-cert-auth" in flags
    assert flags[flags.index("--client-cert-allowed-hostname") + 1] == "store-client.kube-actors"
    assert flags[flags.index("--peer-cert-allowed-cn") + 1] == "store-peer.kube-actors"
    assert not [flag for flag in flags if flag.startswith("http://")]


def test_who_joins_says_existing_and_names_everybody() -> None:
    flags = bootstrap_flags({"a": "https://10.0.0.1:1", "b": "https://10.0.0.2:1"}, "t", existing=True)
    assert flags[1] == "a=https://10.0.0.1:1,b=https://10.0.0.2:1"
    assert flags[3] == "existing"


def test_etcd_reads_no_flags_from_our_environment() -> None:
    assert environment({"ETCD_NAME": "x", "PATH": "/bin"}) == {"PATH": "/bin"}


def test_the_reason_of_an_end_is_the_last_error_in_the_log() -> None:
    log = "\n".join(
        [
            json.dumps({"level": "warn", "msg": "slow"}),
            json.dumps({"level": "fatal", "msg": "discovery failed", "error": "listen tcp: address already in use"}),
            "goroutine 1 [running]:",
        ]
    )
    assert reason_in(log) == "listen tcp: address already in use"
    assert reason_in("some flag provided but not defined: -x\n") == "some flag provided but not defined: -x"
    assert reason_in("") == ""


def test_a_folder_remembers_the_process_and_who_it_is(tmp_path: Path) -> None:
    folder = MemberFolder(tmp_path, "m")
    folder.make()
    assert folder.running() is None
    assert folder.identity() == Identity()
    folder.set_running(Running(ProcessId(7, "8"), ("etcd", "--name")))
    folder.set_identity(Identity(True, 2**63 + 1))
    again = MemberFolder(tmp_path, "m")
    assert again.running() == Running(ProcessId(7, "8"), ("etcd", "--name"))
    assert again.identity() == Identity(True, 2**63 + 1)
    (tmp_path / "m" / "process").write_text("{")
    assert again.running() is None


def test_one_at_a_time_looks_after_a_folder(tmp_path: Path) -> None:
    first, second = MemberFolder(tmp_path, "m"), MemberFolder(tmp_path, "m")
    first.make()
    assert first.lock()
    assert not second.lock()
    first.unlock()
    assert second.lock()
    second.unlock()


def test_each_member_has_two_ports_of_its_own(tmp_path: Path, program: Path) -> None:
    plan = layout.choose(ClusterPaths(tmp_path), StoreSection(engine="etcd", port=0), "127.0.0.1")
    found = [port for member in plan.members for port in (member.client_port, member.peer_port)]
    assert len(set(found)) == 6
    assert [member.name for member in plan.members] == ["storemember-1", "storemember-2", "storemember-3"]


def _with_data(tmp_path: Path, members: int = 3) -> tuple[ClusterPaths, int]:
    paths = ClusterPaths(tmp_path)
    plan = layout.choose(paths, StoreSection(engine="etcd", port=0, members=members), "127.0.0.1")
    wal = tmp_path / "etcd" / "storemember-1" / "data" / "member" / "wal"
    wal.mkdir(parents=True)
    (wal / "0.wal").write_bytes(b"x")
    layout.set_formed(paths, plan)
    return paths, plan.members[0].client_port


def test_members_with_data_stay_where_they_are(tmp_path: Path, program: Path) -> None:
    paths, port = _with_data(tmp_path)
    again = layout.choose(paths, StoreSection(engine="etcd", port=0), "127.0.0.1")
    assert again.formed
    assert again.members[0].client_port == port
    with pytest.raises(ConfigError, match=r"store\.members: the store has 3 members, which cannot be changed later"):
        layout.choose(paths, StoreSection(engine="etcd", members=5), "127.0.0.1")
    with pytest.raises(ConfigError, match=rf"store\.port: the members listen from {port} on"):
        layout.choose(paths, StoreSection(engine="etcd", port=4000), "127.0.0.1")


def test_a_config_that_failed_before_there_was_data_may_be_changed(tmp_path: Path, program: Path) -> None:
    layout.choose(ClusterPaths(tmp_path), StoreSection(engine="etcd", port=0), "127.0.0.1")
    plan = layout.choose(ClusterPaths(tmp_path), StoreSection(engine="etcd", port=0, members=1), "127.0.0.1")
    assert len(plan.members) == 1


def test_the_loss_of_all_data_is_said_and_not_repaired(tmp_path: Path, program: Path) -> None:
    paths, _ = _with_data(tmp_path)
    (tmp_path / "etcd" / "storemember-1" / "data" / "member" / "wal" / "0.wal").unlink()
    with pytest.raises(ConfigError, match="the data of all members of the store is gone; restore a backup"):
        layout.choose(paths, StoreSection(engine="etcd", port=0), "127.0.0.1")


def test_a_cluster_never_looks_empty_because_the_engine_changed(tmp_path: Path, program: Path) -> None:
    paths, _ = _with_data(tmp_path / "members")
    with pytest.raises(ConfigError, match="has its objects in members of an etcd"):
        layout.refuse_other_engine(paths, StoreSection())
    with pytest.raises(ConfigError, match="has its objects in members of an etcd"):
        layout.refuse_other_engine(paths, StoreSection(endpoints=("http://127.0.0.1:1",)))
    embedded = ClusterPaths(tmp_path / "embedded")
    embedded.store.mkdir(parents=True)
    (embedded.store / "data.mdb").write_bytes(b"x")
    layout.refuse_other_engine(embedded, StoreSection())
    with pytest.raises(ConfigError, match="has its objects in the embedded engine"):
        layout.choose(embedded, StoreSection(engine="etcd"), "127.0.0.1")


def test_a_port_in_use_is_named_with_its_setting(tmp_path: Path, program: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} of 127\.0\.0\.1 is in use.*\(store\.port\)"):
            layout.choose(ClusterPaths(tmp_path), StoreSection(engine="etcd", members=1, port=port), "127.0.0.1")


@pytest.mark.parametrize(
    ("says", "problem"),
    [
        ("etcd Version: 3.3.27", "is etcd 3.3; kube-actors needs >=3.4,<4"),
        ("etcd Version: 4.0.0", "is etcd 4.0; kube-actors needs >=3.4,<4"),
        ("hello", "is no etcd"),
    ],
)
def test_a_program_that_will_not_do_is_said(program: Path, says: str, problem: str) -> None:
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    with pytest.raises(ConfigError, match=problem):
        find("etcd")


def test_a_program_that_is_missing_is_said_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match=r"store\.binary: no program at /nope/etcd; install etcd 3\.4 or later"):
        find("/nope/etcd")


@pytest.mark.parametrize("endpoint", ["https://10.0.0.1:2379", "http://etcd.local:2379/", "https://[::1]:2379"])
def test_an_endpoint_is_a_scheme_a_host_and_a_port(endpoint: str) -> None:
    assert external.problem(endpoint) is None


@pytest.mark.parametrize("endpoint", ["", "a:1", "ftp://a:1", "http://a", "http://a:x", "http://a:1/b", "http://u@a:1"])
def test_everything_else_is_none(endpoint: str) -> None:
    assert external.problem(endpoint)


def test_one_endpoint_is_checked_against_its_own_name() -> None:
    store = external.resolve(["https://127.0.0.1:2379"], ("/ca", "", ""), "")
    assert store.addresses == ("127.0.0.1:2379",)
    assert store.server_name == "127.0.0.1"


def test_the_store_of_a_cluster_is_on_record(tmp_path: Path) -> None:
    paths = ClusterPaths(tmp_path)
    member = MemberPlan("storemember-1", "127.0.0.1", 2379, 2380)
    outside = external.ExternalStore(("10.0.0.1:2379",), True, "/ca", "/c", "/k", "etcd")
    for etcd, other in ((EtcdPlan((member,), "t", "etcd"), None), (None, outside)):
        resolved = replace(plan(ClusterConfig(), paths, "simulated", embedded=False), etcd=etcd, external=other)
        written = ClusterRecord("default", "ray", "running", this_process(), resolved)
        record.write(paths, written)
        assert record.read(paths) == written


def test_an_actor_a_member_and_none_for_an_etcd_that_exists(tmp_path: Path) -> None:
    resolved = plan(ClusterConfig(), ClusterPaths(tmp_path), "simulated", embedded=False)
    members = tuple(MemberPlan(f"storemember-{n}", "127.0.0.1", n, n) for n in (1, 2, 3))
    three = replace(resolved, etcd=EtcdPlan(members, "t", "etcd"))
    specs = [spec for spec in desired_actors(three) if spec.kind == "StoreMember"]
    assert [spec.name for spec in specs] == [f"storemember-{n}@master-1" for n in (1, 2, 3)]
    assert three.store_addresses == ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")
    outside = replace(resolved, external=external.ExternalStore(("10.0.0.1:2379",), False))
    assert not [spec for spec in desired_actors(outside) if "Store" in spec.kind]
    assert outside.store_addresses == ("10.0.0.1:2379",)


STATE = MemberState(1, 1, False, "3.4.23", 4096, 1024, 9)


def test_what_status_says_of_a_member() -> None:
    listed = (Member(1, "m1", ()),)
    assert describe("", "a:1", STATE, listed).role == "leader"
    assert describe("", "a:1", STATE, listed).name == "m1"
    assert describe("m1", "a:1", replace(STATE, leader=2), listed).role == "follower"
    assert describe("m1", "a:1", replace(STATE, learner=True, leader=2), listed).role == "learner"
    lost = describe("m1", "a:1", replace(STATE, leader=0), ())
    assert (lost.healthy, lost.detail) == (False, "no leader: too few members answer")
    full = describe("m1", "a:1", replace(STATE, errors=("memberID:1 alarm:NOSPACE ",)), ())
    assert (full.healthy, full.detail) == (False, "memberID:1 alarm:NOSPACE")
    away = describe("m1", "a:1", StoreUnavailable("no answer\nwithin 2 s"), ())
    assert (away.healthy, away.role, away.detail) == (False, "", "no answer within 2 s")


def test_a_raised_revision_is_that_of_the_only_key_and_nothing_else(tmp_path: Path) -> None:
    database = tmp_path / "db"
    page = b"page" + (2).to_bytes(8, "big") + b"_" + bytes(8) + b"value" + (2).to_bytes(8, "big")
    database.write_bytes(page)
    raise_revision(database, 2, 10**9)
    assert database.read_bytes() == page.replace((2).to_bytes(8, "big") + b"_", (10**9).to_bytes(8, "big") + b"_")
    raise_revision(database, 10**9, 5)
    with pytest.raises(BackupError, match="is not as etcd 3 writes it"):
        raise_revision(database, 7, 10)


def test_the_member_to_restore_is_the_one_on_this_machine() -> None:
    here, there = MemberPlan("b", "127.0.0.1", 1, 2), MemberPlan("a", "192.0.2.1", 1, 2)
    assert choose((there, here)) == here
    with pytest.raises(ConfigError, match=r"none of the store's members is .*; restore on one of 192\.0\.2\.1"):
        choose((there,))
