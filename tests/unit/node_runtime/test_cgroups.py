"""Control groups: the formulas of kubelet, the files of both versions, and groups in a folder that stands for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api import Obj
from kube_actors.node.containers.resources import pod_limits, quota_of, shares_of, widest
from kube_actors.node.runtime.cgroups import cgroupfs, groups, values
from kube_actors.node.runtime.cgroups.usage import working_set
from kube_actors.node.runtime.docker.cgroups import why_not
from kube_actors.node.runtime.interface import Limits

MI = 1 << 20
LIMITS = Limits(cpu_shares=1024, cpu_quota_us=50_000, memory_bytes=MI)
ALL_LIMITS = st.builds(Limits, st.integers(2, 262_144), st.integers(0, 10**6), st.integers(0, 1 << 40))


def container(requests: Obj | None = None, limits: Obj | None = None, **fields: Any) -> Obj:
    return {"name": "c", "resources": {"requests": requests or {}, "limits": limits or {}}} | fields


def pod(*containers: Obj, **spec: Any) -> Obj:
    return {"spec": {"containers": list(containers)} | spec}


@given(st.integers(0, 400_000))
def test_shares_and_quota_are_those_of_kubelet(milli: int) -> None:
    """MilliCPUToShares and MilliCPUToQuota, in Go's integers."""
    shares = 2 if milli == 0 or milli * 1024 // 1000 < 2 else min(milli * 1024 // 1000, 262_144)
    quota = 0 if milli == 0 else max(1000, milli * 100_000 // 1000)
    assert (shares_of(milli), quota_of(milli)) == (shares, quota)


@given(st.integers(2, 262_144))
def test_weights_are_those_of_kubelet_and_go_back_to_shares(shares: int) -> None:
    weight = values.weight_of(shares)
    assert weight == ((shares - 2) * 9999) // 262142 + 1
    assert 1 <= weight <= 10_000
    assert values.weight_of(values.shares_of_weight(weight)) == weight


@given(ALL_LIMITS, ALL_LIMITS)
def test_the_widest_of_two_limits_is_no_less_than_either(one: Limits, other: Limits) -> None:
    found = widest(one, other)
    assert found == widest(other, one)
    for each in (one, other):
        assert found.cpu_shares >= each.cpu_shares
        assert not found.cpu_quota_us or 0 < each.cpu_quota_us <= found.cpu_quota_us
        assert not found.memory_bytes or 0 < each.memory_bytes <= found.memory_bytes


BOTH, MORE = {"cpu": "100m", "memory": "1Mi"}, {"cpu": "1", "memory": "3Mi"}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (pod(container()), Limits()),
        # Guaranteed, and Burstable of which every container has limits.
        (pod(container(BOTH, BOTH), container(BOTH, BOTH)), Limits(204, 20_000, 2 * MI)),
        (pod(container(BOTH, MORE), container(limits=BOTH)), Limits(204, 110_000, 4 * MI)),
        # One without a limit, also an init container, and there is none for the whole.
        (pod(container(BOTH, MORE), container(BOTH)), Limits(204)),
        (pod(container(BOTH, {"memory": "3Mi"})), Limits(102, 0, 3 * MI)),
        (pod(container(BOTH, BOTH), initContainers=[container()]), Limits(102)),
        # Init containers count with the sidecars before them, where they need more than what comes after.
        (pod(container(BOTH, BOTH), initContainers=[container(MORE, MORE)]), Limits(1024, 100_000, 3 * MI)),
        (
            pod(container(BOTH, BOTH), initContainers=[container(BOTH, BOTH, restartPolicy="Always")]),
            Limits(204, 20_000, 2 * MI),
        ),
        # The pod's own come first, of each resource for itself.
        (pod(container(), container(), resources={"limits": MORE, "requests": BOTH}), Limits(102, 100_000, 3 * MI)),
        (pod(container(BOTH, BOTH), resources={"limits": {"memory": "9Mi"}}), Limits(102, 10_000, 9 * MI)),
        (pod(container(BOTH), resources={"requests": {"cpu": "2"}}), Limits(2048)),
        # Memory alone is asked for: the fewest shares.
        (pod(container({"memory": "1Mi"})), Limits(2)),
        (pod(container(BOTH, BOTH), overhead={"cpu": "50m", "memory": "1Mi"}), Limits(153, 15_000, 2 * MI)),
    ],
)
def test_what_a_pod_as_a_whole_may_have(found: Obj, wanted: Limits) -> None:
    assert pod_limits(found) == wanted


def test_limits_of_both_versions_of_control_groups() -> None:
    assert values.v2_values(LIMITS) == {
        "cpu.weight": "39", "cpu.max": "50000 100000", "memory.max": "1048576", "memory.swap.max": "0",
    }  # fmt: skip
    assert values.v1_values(LIMITS) == {
        "cpu": {"cpu.shares": "1024", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"},
        "memory": {"memory.limit_in_bytes": "1048576"},
    }
    assert values.v2_values(Limits()) == {
        "cpu.weight": "1", "cpu.max": "max 100000", "memory.max": "max", "memory.swap.max": "max",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("files", "limits", "wanted"),
    [
        (("cpu.shares", "cpu.cfs_quota_us"), Limits(2), {"cpu.shares": "2", "cpu.cfs_quota_us": "-1"}),
        (("memory.limit_in_bytes",), Limits(2), {"memory.limit_in_bytes": "-1"}),
        (("memory.limit_in_bytes",), Limits(2, 0, MI), {"memory.limit_in_bytes": "1048576"}),
        (("cgroup.controllers", "cpu.weight", "cpu.max", "memory.max"), Limits(1024),
         {"cgroup.controllers": "", "cpu.weight": "39", "cpu.max": "max 100000", "memory.max": "max"}),
    ],
)  # fmt: skip
def test_a_group_gets_other_limits_and_loses_those_that_are_none(
    tmp_path: Path, files: tuple[str, ...], limits: Limits, wanted: dict[str, str]
) -> None:
    for file in files:
        (tmp_path / file).touch()
    cgroupfs.update([str(tmp_path)], limits)
    assert {file: (tmp_path / file).read_text() for file in files} == wanted


def v2(tmp_path: Path) -> groups.OwnCgroups:
    (tmp_path / "cgroup.controllers").write_text("cpu memory")
    found = groups.detect("c-n-1", tmp_path)
    assert found is not None
    return found


async def test_groups_of_version_2_have_their_controllers_again_after_all_were_gone(tmp_path: Path) -> None:
    found = v2(tmp_path)
    for uid in ("first", "second"):
        assert await found.create_pod(uid, "Burstable", LIMITS) == f"/kube-actors/c-n-1/kubepods/burstable/pod{uid}"
        (group,) = found.create_container(uid, "app_0", Limits(cpu_quota_us=20_000))
        assert Path(group) == tmp_path / "kube-actors/c-n-1/kubepods/burstable" / f"pod{uid}" / "app_0"
        assert (Path(group) / "cpu.max").read_text() == "20000 100000"
        assert (Path(group).parent / "memory.max").read_text() == str(MI)
        for folder in Path(group).parents[:6]:
            assert (folder / "cgroup.subtree_control").read_text() == "+cpu +memory"
        shutil.rmtree(tmp_path / "kube-actors")
    (tmp_path / "kube-actors").write_text("a group that cannot be made")
    assert groups.detect("c-n-1", tmp_path) is None


def test_a_group_ends_as_one_where_it_can(tmp_path: Path) -> None:
    cgroupfs.end_as_one(tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "memory.oom.group").write_text("0")
    cgroupfs.end_as_one(tmp_path)
    assert (tmp_path / "memory.oom.group").read_text() == "1"


def v1(tmp_path: Path) -> groups.OwnCgroups:
    for name in ("cpu", "memory", "pids"):
        (tmp_path / name).mkdir()
    (tmp_path / "cpuacct").symlink_to("cpu")
    found = groups.detect("c-n-1", tmp_path)
    assert found is not None
    return found


async def test_each_class_has_its_place_and_pods_without_a_group_are_left_alone(tmp_path: Path) -> None:
    found = v1(tmp_path)
    for qos_class, path in (("Guaranteed", "poda"), ("Burstable", "burstable/podb"), ("BestEffort", "besteffort/podc")):
        assert await found.create_pod(path[-1], qos_class, Limits()) == f"/kube-actors/c-n-1/kubepods/{path}"
    assert found.pods() == {"a", "b", "c"}
    await found.update_pod("b", Limits(2, 0, MI))
    await found.update_pod("stranger", LIMITS)
    kubepods = tmp_path / "memory/kube-actors/c-n-1/kubepods"
    assert (kubepods / "burstable/podb/memory.limit_in_bytes").read_text() == str(MI)
    assert found.create_container("stranger", "app_0", LIMITS) == []


async def test_burstable_pods_have_their_shares_together(tmp_path: Path) -> None:
    found = v1(tmp_path)
    shares = tmp_path / "cpu/kube-actors/c-n-1/kubepods/burstable/cpu.shares"
    await found.create_pod("a", "Burstable", Limits(100))
    shares.touch()
    await found.create_pod("b", "Burstable", Limits(200))
    assert shares.read_text() == "300"
    await found.create_pod("c", "Guaranteed", Limits(5000))
    await found.update_pod("b", Limits(50))
    assert shares.read_text() == "150"
    # The next agent finds them in the files.
    successor = groups.detect("c-n-1", tmp_path)
    assert successor is not None
    await successor.create_pod("d", "Burstable", Limits(7))
    assert shares.read_text() == "157"


async def test_what_is_left_of_pods_goes_from_all_hierarchies_and_nothing_else_does(tmp_path: Path) -> None:
    found = v1(tmp_path)
    for uid in ("dead", "alive"):
        path = await found.create_pod(uid, "BestEffort", Limits())
        (tmp_path / "pids" / path[1:] / "a-container/nested").mkdir(parents=True)
    # Those of a control group go with it.
    for file in (each for each in tmp_path.rglob("*") if each.is_file()):
        file.unlink()
    await found.sweep({"alive"})
    assert found.pods() == {"alive"}
    await found.sweep({})
    assert found.pods() == set()
    assert not list(tmp_path.glob("*/*"))


def test_nodes_of_one_name_have_groups_of_their_own() -> None:
    domains = {values.domain_of(*each) for each in (("a-b", "c", "/x"), ("a", "b-c", "/x"), ("a", "b-c", "/y"))}
    assert len(domains) == 3
    assert values.domain_of("default", "node-1", "/x") == values.domain_of("default", "node-1", "/x")


@pytest.mark.parametrize(
    ("changes", "local", "podman", "reason"),
    [
        ({}, True, False, ""),
        ({}, False, False, "the engine runs on another machine"),
        ({"DockerRootDir": "/of/a/virtual/machine"}, True, False, "the engine runs on another machine"),
        ({}, True, True, "the engine is Podman"),
        ({"SecurityOptions": ["name=seccomp", "name=rootless"]}, True, False, "the engine runs without root"),
        ({"CgroupDriver": "systemd"}, True, False, ""),
        ({"CgroupVersion": "1"}, True, False, ""),
        (
            {"CgroupDriver": "systemd", "CgroupVersion": "1"},
            True,
            False,
            "the engine's driver for them is systemd, on version 1",
        ),
        ({"CgroupDriver": "none"}, True, False, "the engine's driver for them is none, on version 2"),
    ],
)
def test_which_engines_take_groups_of_ours(changes: Obj, local: bool, podman: bool, reason: str) -> None:
    assert (
        why_not(
            {"DockerRootDir": "/", "CgroupDriver": "cgroupfs", "CgroupVersion": "2"} | changes,
            local=local,
            podman=podman,
        )
        == reason
    )


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.current": "9000\n", "memory.stat": "anon 5000\ninactive_file 2500\n"}, 6500),
        ({"memory.usage_in_bytes": "9000\n", "memory.stat": "inactive_file 1\ntotal_inactive_file 2500\n"}, 6500),
        ({"memory.current": "100\n", "memory.stat": "inactive_file 2500\n"}, 0),
        ({"cpu.shares": "2\n"}, None),
    ],
)
def test_the_working_set_is_what_is_used_less_the_idle_file_cache(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert working_set([str(tmp_path / "gone"), str(tmp_path)]) == expected
