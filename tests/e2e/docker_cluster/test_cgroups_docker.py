"""Control groups of whole pods: where they are, what they hold, and that they keep containers together in bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kube_actors.node.runtime.cgroups.cgroupfs import MOUNT
from kube_actors.node.runtime.cgroups.values import weight_of
from tests.e2e.docker_cluster.cluster import Space, pod
from tests.e2e.docker_cluster.test_resize_docker import resize, resources
from tests.kactl_cluster import until

MI = 1 << 20
V2 = (MOUNT / "cgroup.controllers").exists()
# What the shell holds, until it is ended.
FILL = "x=$(head -c {} /dev/zero | tr '\\0' x); echo full; while :; do sleep 1; done"
Numbers = tuple[int, int, int]


def group_of(space: Space, name: str) -> Path:
    """The pod's group, below the node's own."""
    uid = space.pod(name)["metadata"]["uid"]
    found = {path for kind in (".", "burstable", "besteffort") for path in groups_at(space, f"{kind}/pod{uid}")}
    assert len(found) == 1, found
    return found.pop()


def groups_at(space: Space, path: str) -> set[Path]:
    return {Path("kubepods", path) for each in space.cluster.groups(f"kubepods/{path}")}


def holds(space: Space, group: Path) -> Numbers:
    """Shares (weight), quota and memory; 0: none."""
    files: dict[str, str] = {}
    for folder in space.cluster.groups(str(group)):
        names = ("cpu.weight", "cpu.max", "memory.max", "cpu.shares", "cpu.cfs_quota_us", "memory.limit_in_bytes")
        files |= {name: (folder / name).read_text().split()[0] for name in names if (folder / name).exists()}
    shares, quota, memory = (files[name] for name in (names[:3] if V2 else names[3:]))
    bounded = int(memory) if memory != "max" and int(memory) < 1 << 62 else 0
    return int(shares), int(quota) if quota not in ("-1", "max") else 0, bounded


def values(shares: int, quota: int, memory: int) -> Numbers:
    return weight_of(shares) if V2 else shares, quota, memory


def members(space: Space, name: str) -> set[str]:
    """The groups of the processes of all of a pod's containers, also of the one that holds the network."""
    uid = space.pod(name)["metadata"]["uid"]
    found = space.cluster.docker("ps", "-q", "--filter", f"label=io.kubernetes.pod.uid={uid}").split()
    paths = set()
    for pid in space.cluster.docker("inspect", "-f", "{{.State.Pid}}", *found).split():
        lines = [line.split(":") for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
        paths |= {str(Path(path).parent) for _, kind, path in lines if V2 or kind in ("cpu", "memory", "pids")}
    return paths


def test_pods_of_each_class_have_a_group_with_what_they_have_together(space: Space) -> None:
    shell = pod("x")["spec"]["containers"][0]
    bodies: dict[str, Any] = {
        "sure": pod("sure", resources=resources("100m", "32Mi")),
        "some": pod("some", resources=resources("200m", "32Mi", limited=False)),
        "none": pod("none"),
    }
    for body in bodies.values():
        body["spec"]["containers"].append(body["spec"]["containers"][0] | {"name": "other"})
    bodies["some"]["spec"]["containers"].append(shell | {"name": "bare"})
    space.create(*bodies.values())
    wanted = (("sure", "", 204, 20_000, 64 * MI), ("some", "burstable", 409, 0, 0), ("none", "besteffort", 2, 0, 0))
    for name, kind, *limits in wanted:
        space.wait(name)
        uid = space.pod(name)["metadata"]["uid"]
        group = group_of(space, name)
        assert group == Path("kubepods", kind, f"pod{uid}")
        assert holds(space, group) == values(*limits)
        (parent,) = members(space, name)
        assert all(str(each).endswith(parent) for each in space.cluster.groups(str(group)))
    assert holds(space, Path("kubepods/burstable"))[0] == values(409, 0, 0)[0]
    assert holds(space, Path("kubepods/besteffort"))[0] == values(2, 0, 0)[0]
    space.kubectl("delete", "pod", "some", "--wait=false")
    until(lambda: not groups_at(space, "burstable"), "the group of a class goes with its last pod's")


def test_containers_without_limits_share_that_of_the_pod(space: Space) -> None:
    whole = {"limits": {"memory": "64Mi", "cpu": "500m"}}
    body = pod("p", FILL.format(60_000_000), spec={"resources": whole, "restartPolicy": "Never"})
    (other,) = pod("p", FILL.format(20_000_000))["spec"]["containers"]
    body["spec"]["containers"].append(other | {"name": "other"})
    space.create(body)

    def killed() -> Any:
        statuses = space.pod("p")["status"].get("containerStatuses") or ()
        return [each["state"]["terminated"] for each in statuses if "terminated" in each["state"]]

    (ended,) = until(killed, "the larger one had to go")
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    assert holds(space, group_of(space, "p")) == values(512, 50_000, 64 * MI)


def test_a_resize_changes_the_whole_too_and_is_known_to_the_next_agent(space: Space) -> None:
    body = pod("p", resources=resources("100m", "32Mi"))
    body["spec"]["containers"].append(body["spec"]["containers"][0] | {"name": "other"})
    space.create(body)
    space.wait("p")
    group = group_of(space, "p")
    for cpu, memory, wanted in (("300m", "64Mi", (409, 40_000, 96 * MI)), ("50m", "24Mi", (153, 15_000, 56 * MI))):
        resize(space, "p", c=resources(cpu, memory))
        until(lambda wanted=wanted: holds(space, group) == values(*wanted), f"the whole has {wanted}")
    assert (
        json.loads(space.kubectl("get", "pod", "p", "-o", "json"))["status"]["containerStatuses"][0]["restartCount"]
        == 0
    )
