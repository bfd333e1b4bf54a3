"""Silent nodes, taints, evictions, pod GC and pod ranges, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.aio.clock import LoopClock, rfc3339, rfc3339_micro
from kube_actors.api import Obj
from kube_actors.api.meta import condition
from kube_actors.api.resources import EVENTS, NODES, PODS
from kube_actors.controllers.config import NodeLifecycleConfig
from kube_actors.controllers.node_ipam import NodeIpamController, Ranges
from kube_actors.controllers.node_lifecycle import taints
from kube_actors.controllers.node_lifecycle.controller import NodeLifecycleController
from kube_actors.controllers.node_lifecycle.eviction import leaves_at, tolerates
from kube_actors.controllers.node_lifecycle.eviction_controller import TaintEvictionController
from kube_actors.controllers.node_lifecycle.zones import Bucket, Zone, rate
from kube_actors.controllers.pod_gc import PodGCController

UNREACHABLE = "node.kubernetes.io/unreachable"


def ready_node(of: Any, name: str, **spec: Any) -> Obj:
    status = {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}]}
    obj: Obj = of("Node", name, spec=spec, status=status)
    return obj


def renew(server: Any, of: Any, name: str) -> None:
    spec = {"holderIdentity": name, "renewTime": rfc3339_micro(LoopClock().now())}
    server.put(of("Lease", name, namespace="kube-node-lease", spec=spec))


async def live(server: Any, of: Any, names: list[str], seconds: int) -> None:
    """Let the nodes renew their leases for that long."""
    for _ in range(seconds // 10):
        for name in names:
            renew(server, of, name)
        await asyncio.sleep(10)


def taint_keys(server: Any, name: str) -> set[tuple[str, str]]:
    return {(each["key"], each["effect"]) for each in taints.taints_of(server.peek(NODES, name))}


@pytest.mark.looptime
async def test_a_node_is_unknown_after_fifty_seconds_of_silence_and_not_before(server: Any, run: Any, of: Any) -> None:
    for name in ("a", "b"):
        server.put(ready_node(of, name))
        renew(server, of, name)
    await run(NodeLifecycleController)
    await live(server, of, ["b"], 40)
    assert condition(server.peek(NODES, "a"), "Ready")["status"] == "True"
    await live(server, of, ["b"], 20)
    ready = condition(server.peek(NODES, "a"), "Ready")
    assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert ready["message"] == "Kubelet stopped posting node status."
    memory = condition(server.peek(NODES, "a"), "MemoryPressure")
    assert (memory["status"], memory["reason"]) == ("Unknown", "NodeStatusNeverUpdated")
    assert condition(server.peek(NODES, "b"), "Ready")["status"] == "True"


@pytest.mark.looptime
async def test_a_silent_node_is_tainted_its_pods_not_ready_and_it_recovers(server: Any, run: Any, of: Any) -> None:
    for name in ("a", "b"):
        server.put(ready_node(of, name))
    ready = {"type": "Ready", "status": "True"}
    server.put(of("Pod", "p", spec={"nodeName": "a"}, status={"phase": "Running", "conditions": [ready]}))
    await run(NodeLifecycleController)
    await live(server, of, ["b"], 70)
    assert taint_keys(server, "a") == {(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")}
    assert taint_keys(server, "b") == set()
    assert condition(server.peek(PODS, "default/p"), "Ready")["status"] == "False"
    told = [event for event in server.objects(EVENTS) if event["reason"] == "NodeNotReady"]
    assert {(each["involvedObject"]["kind"], each["type"], each["message"]) for each in told} == {
        ("Node", "Normal", "Node a status is now: NodeNotReady"), ("Pod", "Warning", "Node is not ready"),
    }  # fmt: skip
    assert {each["involvedObject"]["uid"] for each in told} == {"uid-a", "uid-p"}
    server.put(ready_node(of, "a", taints=server.peek(NODES, "a")["spec"]["taints"]))
    await live(server, of, ["a", "b"], 20)
    assert taint_keys(server, "a") == set()


@pytest.mark.looptime
async def test_when_no_node_is_well_nothing_is_evicted(server: Any, run: Any, of: Any) -> None:
    for name in ("a", "b", "c"):
        server.put(ready_node(of, name))
    await run(NodeLifecycleController)
    await asyncio.sleep(300)
    for name in ("a", "b", "c"):
        assert taint_keys(server, name) == {(UNREACHABLE, "NoSchedule")}


@pytest.mark.looptime
async def test_nodes_are_given_up_one_every_ten_seconds(server: Any, run: Any, of: Any) -> None:
    names = [f"n{number}" for number in range(10)]
    for name in names:
        server.put(ready_node(of, name))
    await run(NodeLifecycleController)
    await live(server, of, names[3:], 60)

    def evicting() -> int:
        return sum((UNREACHABLE, "NoExecute") in taint_keys(server, name) for name in names)

    first = evicting()
    await live(server, of, names[3:], 60)
    assert first < 3
    assert evicting() == 3


@pytest.mark.looptime
async def test_a_node_that_says_it_is_not_ready_gets_the_other_taint_and_speaks_for_its_pods(
    server: Any, run: Any, of: Any
) -> None:
    bad = ready_node(of, "a", unschedulable=True)
    bad["status"]["conditions"] = [{"type": "Ready", "status": "False"}, {"type": "DiskPressure", "status": "True"}]
    server.put(bad)
    server.put(ready_node(of, "b"))
    ready = {"type": "Ready", "status": "True"}
    server.put(of("Pod", "p", spec={"nodeName": "a"}, status={"phase": "Running", "conditions": [ready]}))
    await run(NodeLifecycleController)
    await live(server, of, ["a", "b"], 20)
    assert condition(server.peek(PODS, "default/p"), "Ready")["status"] == "True"
    assert taint_keys(server, "a") == {
        ("node.kubernetes.io/not-ready", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    }
    # The node tells that itself.
    assert "NodeNotReady" not in {event["reason"] for event in server.objects(EVENTS)}


def tainted(of: Any, name: str) -> Obj:
    taint = {"key": "k", "value": "v", "effect": "NoExecute", "timeAdded": rfc3339(LoopClock().now())}
    return ready_node(of, name, taints=[taint])


def tolerating(of: Any, name: str, seconds: int | None) -> Obj:
    toleration: Obj = {"key": "k", "operator": "Equal", "value": "v", "effect": "NoExecute"}
    if seconds is not None:
        toleration["tolerationSeconds"] = seconds
    obj: Obj = of("Pod", name, spec={"nodeName": "a", "tolerations": [toleration]})
    return obj


@pytest.mark.looptime
async def test_pods_leave_a_tainted_node_when_their_toleration_ends(server: Any, run: Any, of: Any) -> None:
    server.put(ready_node(of, "a"))
    server.put(of("Pod", "now", spec={"nodeName": "a"}, finalizers=["x/y"]))
    server.put(tolerating(of, "later", 30))
    server.put(tolerating(of, "never", None))
    await run(TaintEvictionController)
    server.put(tainted(of, "a"))
    await asyncio.sleep(5)
    marked = server.peek(PODS, "default/now")
    assert marked["metadata"]["deletionTimestamp"]
    target = condition(marked, "DisruptionTarget")
    assert (target["status"], target["reason"]) == ("True", "DeletionByTaintManager")
    assert server.peek(PODS, "default/later") is not None
    await asyncio.sleep(30)
    assert server.peek(PODS, "default/later") is None
    await asyncio.sleep(3600)
    assert server.peek(PODS, "default/never") is not None


@pytest.mark.looptime
async def test_an_eviction_is_called_off_when_the_taint_goes(server: Any, run: Any, of: Any) -> None:
    server.put(tainted(of, "a"))
    server.put(tolerating(of, "p", 30))
    await run(TaintEvictionController)
    await asyncio.sleep(10)
    server.put(ready_node(of, "a"))
    await asyncio.sleep(60)
    assert server.peek(PODS, "default/p") is not None
    assert "Cancelling deletion of Pod default/p" in {event["message"] for event in server.objects(EVENTS)}


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "w"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "k", "operator": "Exists", "effect": "NoSchedule"}, False),
    ],
)
def test_which_toleration_applies_to_a_taint(toleration: Obj, expected: bool) -> None:
    assert tolerates(toleration, {"key": "k", "value": "v", "effect": "NoExecute"}) is expected


def test_the_shortest_toleration_counts() -> None:
    pod: Obj = {
        "spec": {
            "tolerations": [
                {"key": "k", "operator": "Exists", "tolerationSeconds": 300},
                {"operator": "Exists", "tolerationSeconds": 20},
            ]
        }
    }
    taint = {"key": "k", "effect": "NoExecute", "timeAdded": rfc3339(1000)}
    assert leaves_at(pod, [taint], 1000) == 1020


@pytest.mark.looptime
async def test_pods_of_a_node_that_is_gone_are_removed_after_the_quarantine(server: Any, run: Any, of: Any) -> None:
    server.put(ready_node(of, "there"))
    server.put(of("Pod", "lost", spec={"nodeName": "gone"}, status={"phase": "Running"}))
    server.put(of("Pod", "fine", spec={"nodeName": "there"}))
    await run(PodGCController)
    await asyncio.sleep(30)
    assert server.peek(PODS, "default/lost") is not None
    await asyncio.sleep(40)
    assert server.peek(PODS, "default/lost") is None
    assert server.peek(PODS, "default/fine") is not None
    assert ("update/status", "pods", "default/lost") in server.changes()


@pytest.mark.looptime
async def test_finished_pods_beyond_the_threshold_go_oldest_first(server: Any, run: Any, of: Any) -> None:
    server.put(ready_node(of, "n"))
    for number in range(5):
        stamp = f"2026-01-0{number + 1}T00:00:00Z"
        server.put(
            of("Pod", f"p{number}", creationTimestamp=stamp, spec={"nodeName": "n"}, status={"phase": "Succeeded"})
        )
    await run(PodGCController, terminated_pod_gc_threshold=2)
    assert {pod["metadata"]["name"] for pod in server.objects(PODS)} == {"p3", "p4"}


@pytest.mark.looptime
async def test_each_node_gets_a_range_of_its_own(server: Any, run: Any, of: Any) -> None:
    server.put(of("Node", "old", spec={"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24"]}))
    for name in ("a", "b"):
        server.put(of("Node", name))
    await run(NodeIpamController, cluster_cidr="10.244.0.0/16")
    server.put(of("Node", "c"))
    await asyncio.sleep(1)
    given = {node["metadata"]["name"]: node["spec"]["podCIDR"] for node in server.objects(NODES)}
    assert len(set(given.values())) == 4
    assert given["old"] == "10.244.0.0/24"
    assert server.peek(NODES, "c")["spec"]["podCIDRs"] == [given["c"]]


@pytest.mark.looptime
async def test_a_full_range_is_told_and_a_freed_one_used(server: Any, run: Any, of: Any) -> None:
    for name in ("a", "b", "c"):
        server.put(of("Node", name))
    await run(NodeIpamController, cluster_cidr="10.244.0.0/23")
    without = [node["metadata"]["name"] for node in server.objects(NODES) if not node["spec"].get("podCIDR")]
    assert len(without) == 1
    assert "CIDRNotAvailable" in {event["reason"] for event in server.objects(EVENTS)}
    server.remove(NODES, next(name for name in "abc" if name not in without))
    await asyncio.sleep(120)
    assert all(node["spec"].get("podCIDR") for node in server.objects(NODES))


@given(taken=st.lists(st.integers(0, 15), max_size=16))
def test_ranges_never_overlap_and_run_out_exactly(taken: list[int]) -> None:
    ranges = Ranges("10.0.0.0/20", 24)
    for index in taken:
        ranges.take(f"10.0.{index}.0/24")
    given_out = []
    while (cidr := ranges.allocate()) is not None:
        given_out.append(cidr)
    used = {f"10.0.{index}.0/24" for index in taken}
    assert len(given_out) == len(set(given_out)) == 16 - len(used)
    assert not used & set(given_out)


def test_the_rate_of_a_zone_falls_with_its_health() -> None:
    config = NodeLifecycleConfig()
    both = {"a": Zone.NORMAL, "b": Zone.FULL}
    assert rate(Zone.FULL, 10, both, config) == 0.1
    assert rate(Zone.FULL, 10, {"a": Zone.FULL}, config) == 0
    assert rate(Zone.PARTIAL, 10, both, config) == 0
    assert rate(Zone.PARTIAL, 100, both, config) == 0.01


def test_a_bucket_gives_one_and_then_at_its_rate() -> None:
    bucket = Bucket()
    taken = [bucket.take(0.1, now) for now in (0, 1, 5, 10, 11, 21)]
    assert taken == [True, False, False, True, False, True]
