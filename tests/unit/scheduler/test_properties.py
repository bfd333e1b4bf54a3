"""The planner against a naive scheduler that looks at one pod and one node at a time, in plain Python.

The reference knows nothing of columns: it reads the objects. Safety: whatever is placed is allowed and fits.
Completeness: whatever is not placed fits nowhere, even if only pods that are not less important stay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kube_actors.api import Obj
from kube_actors.scheduler.columns.nodes import Nodes
from kube_actors.scheduler.evaluation import Evaluations
from kube_actors.scheduler.planner import plan
from kube_actors.scheduler.plugins.registry import default_profile
from kube_actors.scheduler.pod import Pod, read_pod

PROFILE = default_profile()
GPU = "example.com/gpu"
MIB = 1024 * 1024


def milli(text: str) -> int:
    return int(text[:-1]) if text.endswith("m") else 1000 * int(text)


def amounts(resources: dict[str, str]) -> dict[str, int]:
    return {
        name: milli(text) if name == "cpu" else int(text.removesuffix("Mi")) * (MIB if text.endswith("Mi") else 1)
        for name, text in resources.items()
    }


# ---- objects --------------------------------------------------------------------------------------------------

keys = st.sampled_from(["zone", "disk"])
values = st.sampled_from(["a", "b", "3", "7"])
effects = st.sampled_from(["NoSchedule", "NoExecute", "PreferNoSchedule"])
cpus = st.sampled_from(["100m", "250m", "1", "2"])
mems = st.sampled_from(["64Mi", "256Mi", "1024Mi"])
addresses = st.sampled_from(["", "0.0.0.0", "127.0.0.1", "10.0.0.1"])


@st.composite
def nodes_of(draw: st.DrawFn, index: int) -> Obj:
    allocatable = {
        "cpu": draw(st.sampled_from(["0", "500m", "1", "4"])),
        "memory": draw(st.sampled_from(["0Mi", "512Mi", "4096Mi"])),
        "pods": draw(st.sampled_from(["0", "1", "3", "110"])),
    }
    if draw(st.booleans()):
        allocatable[GPU] = draw(st.sampled_from(["0", "1", "2"]))
    taints = draw(st.lists(st.fixed_dictionaries({"key": keys, "value": values, "effect": effects}), max_size=2))
    spec: Obj = {"taints": taints} if taints else {}
    if draw(st.integers(0, 9)) == 0:
        spec["unschedulable"] = True
    return {
        "kind": "Node", "apiVersion": "v1",
        "metadata": {"name": f"n{index}", "labels": draw(st.dictionaries(keys, values, max_size=2))},
        "spec": spec,
        "status": {"allocatable": allocatable},
    }  # fmt: skip


requirements = st.one_of(
    st.fixed_dictionaries(
        {"key": keys, "operator": st.sampled_from(["In", "NotIn"]), "values": st.lists(values, min_size=1, max_size=2)}
    ),
    st.fixed_dictionaries({"key": keys, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
    st.fixed_dictionaries(
        {"key": keys, "operator": st.sampled_from(["Gt", "Lt"]), "values": st.sampled_from([["3"], ["5"], ["x"]])}
    ),
)
fields = st.fixed_dictionaries(
    {
        "key": st.just("metadata.name"),
        "operator": st.sampled_from(["In", "NotIn"]),
        "values": st.lists(st.sampled_from(["n0", "n1", "n9"]), min_size=1, max_size=1),
    }
)
terms = st.fixed_dictionaries(
    {}, optional={"matchExpressions": st.lists(requirements, max_size=2), "matchFields": st.lists(fields, max_size=2)}
)
tolerations = st.fixed_dictionaries(
    {"operator": st.sampled_from(["Equal", "Exists"])},
    optional={"key": keys, "value": values, "effect": effects},
)
ports = st.fixed_dictionaries(
    {"containerPort": st.just(80), "hostPort": st.sampled_from([80, 81])},
    optional={"hostIP": addresses, "protocol": st.sampled_from(["TCP", "UDP"])},
)
containers = st.fixed_dictionaries(
    {"name": st.just("c"), "image": st.just("i")},
    optional={
        "ports": st.lists(ports, max_size=2),
        "resources": st.fixed_dictionaries(
            {"requests": st.fixed_dictionaries({}, optional={"cpu": cpus, "memory": mems, GPU: st.just("1")})}
        ),
    },
)


@st.composite
def shapes(draw: st.DrawFn) -> Obj:
    spec: Obj = {"containers": draw(st.lists(containers, min_size=1, max_size=2))}
    if draw(st.integers(0, 3)) == 0:
        spec["nodeSelector"] = {draw(keys): draw(values)}
    if draw(st.integers(0, 2)) == 0:
        spec["tolerations"] = draw(st.lists(tolerations, min_size=1, max_size=2))
    affinity: Obj = {}
    if draw(st.integers(0, 3)) == 0:
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {
            "nodeSelectorTerms": draw(st.lists(terms, min_size=1, max_size=2))
        }
    if draw(st.integers(0, 3)) == 0:
        affinity["preferredDuringSchedulingIgnoredDuringExecution"] = [
            {"weight": draw(st.integers(1, 100)), "preference": draw(terms)} for _ in range(draw(st.integers(1, 2)))
        ]
    if affinity:
        spec["affinity"] = {"nodeAffinity": affinity}
    if draw(st.integers(0, 3)) == 0:
        spec["initContainers"] = draw(
            st.lists(
                st.builds(
                    lambda c, always: c | ({"restartPolicy": "Always"} if always else {}), containers, st.booleans()
                ),
                min_size=1,
                max_size=2,
            )
        )
    return spec


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Obj], list[Obj]]:
    nodes = [draw(nodes_of(index)) for index in range(draw(st.integers(0, 5)))]
    specs = draw(st.lists(shapes(), min_size=1, max_size=3))
    pods = [
        {
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": f"p{index}", "namespace": "default", "uid": f"u{index}"},
            "spec": draw(st.sampled_from(specs)) | {"priority": draw(st.sampled_from([0, 0, 5]))},
        }
        for index in range(draw(st.integers(1, 12)))
    ]  # fmt: skip
    return nodes, pods


# ---- the reference --------------------------------------------------------------------------------------------


def requests(pod: Obj, missing: dict[str, int]) -> dict[str, int]:
    """Walks through the life of the pod and notes the most that it takes of each resource at any time."""

    def of(container: Obj) -> dict[str, int]:
        return missing | amounts(container.get("resources", {}).get("requests", {}))

    def plus(*all_of: dict[str, int]) -> dict[str, int]:
        return {name: sum(each.get(name, 0) for each in all_of) for name in set().union(*all_of)}

    moments: list[dict[str, int]] = []
    running: list[dict[str, int]] = []
    for container in pod["spec"].get("initContainers", ()):
        moments.append(plus(*running, of(container)))
        if container.get("restartPolicy") == "Always":
            running.append(of(container))
    moments.append(plus(*running, *(of(container) for container in pod["spec"]["containers"])))
    return {name: max(moment.get(name, 0) for moment in moments) for name in set().union(*moments)}


def host_ports(pod: Obj) -> set[tuple[str, str, int]]:
    spec = pod["spec"]
    sidecars = [each for each in spec.get("initContainers", ()) if each.get("restartPolicy") == "Always"]
    return {
        (port.get("hostIP") or "0.0.0.0", port.get("protocol", "TCP"), port["hostPort"])
        for container in (*spec["containers"], *sidecars)
        for port in container.get("ports", ())
    }


def tolerated(pod: Obj, taint: dict[str, str], only: Sequence[str] | None = None) -> bool:
    for toleration in pod["spec"].get("tolerations", ()):
        if only is not None and toleration.get("effect", "") not in only:
            continue
        if toleration.get("effect", taint["effect"]) != taint["effect"]:
            continue
        if "key" in toleration and toleration["key"] != taint["key"]:
            continue
        if toleration["operator"] == "Exists":
            return True
        if "key" in toleration and toleration.get("value", "") == taint["value"]:
            return True
    return False


def requirement_holds(requirement: Obj, labels: dict[str, str]) -> bool:
    value, wanted = labels.get(requirement["key"]), requirement.get("values", [])
    match requirement["operator"]:
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    if value is None or not value.isdigit() or not wanted[0].isdigit():
        return False
    return int(value) > int(wanted[0]) if requirement["operator"] == "Gt" else int(value) < int(wanted[0])


def term_holds(term: Obj, node: Obj) -> bool:
    expressions, names = term.get("matchExpressions", []), term.get("matchFields", [])
    return bool(expressions or names) and (
        all(requirement_holds(each, node["metadata"]["labels"]) for each in expressions)
        and all(requirement_holds(each, {"metadata.name": node["metadata"]["name"]}) for each in names)
    )


def allowed(pod: Obj, node: Obj) -> bool:
    """Everything but what other pods take."""
    spec = pod["spec"]
    if node["spec"].get("unschedulable"):
        cordon = {"key": "node.kubernetes.io/unschedulable", "value": "", "effect": "NoSchedule"}
        if not tolerated(pod, cordon):
            return False
    for taint in node["spec"].get("taints", ()):
        if taint["effect"] != "PreferNoSchedule" and not tolerated(pod, taint):
            return False
    if any(node["metadata"]["labels"].get(key) != value for key, value in spec.get("nodeSelector", {}).items()):
        return False
    required = affinity_of(pod).get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(term_holds(term, node) for term in required["nodeSelectorTerms"])


def affinity_of(pod: Obj) -> Obj:
    return pod["spec"].get("affinity", {}).get("nodeAffinity", {})


def fits(pod: Obj, node: Obj, others: Sequence[Obj]) -> bool:
    if not allowed(pod, node):
        return False
    allocatable = amounts(node["status"]["allocatable"])
    if len(others) + 1 > allocatable["pods"]:
        return False
    for name, amount in requests(pod, {}).items():
        taken = sum(requests(other, {}).get(name, 0) for other in others)
        if amount > 0 and taken + amount > allocatable.get(name, 0):
            return False
    used = set().union(*(host_ports(other) for other in others)) if others else set()
    return not any(
        mine[1:] == theirs[1:] and (mine[0] == theirs[0] or "0.0.0.0" in (mine[0], theirs[0]))
        for mine in host_ports(pod)
        for theirs in used
    )


def scores(pod: Obj, candidates: list[Obj], on: dict[str, list[Obj]]) -> dict[str, int]:
    """Kubernetes' formulas, one node at a time."""
    soft = {
        node["metadata"]["name"]: sum(
            taint["effect"] == "PreferNoSchedule" and not tolerated(pod, taint, ("", "PreferNoSchedule"))
            for taint in {tuple(sorted(each.items())): each for each in node["spec"].get("taints", ())}.values()
        )
        for node in candidates
    }
    preferred = {
        node["metadata"]["name"]: sum(
            each["weight"] * term_holds(each["preference"], node)
            for each in affinity_of(pod).get("preferredDuringSchedulingIgnoredDuringExecution", ())
        )
        for node in candidates
    }
    total = {}
    for node in candidates:
        name = node["metadata"]["name"]
        most = max(soft.values())
        score = 3 * (100 - (100 * soft[name] // most if most else 0))
        most = max(preferred.values())
        score += 2 * (100 * preferred[name] // most if most else 0)
        score += least_allocated(pod, node, on[name]) + balanced(pod, node, on[name])
        total[name] = score
    return total


def least_allocated(pod: Obj, node: Obj, others: list[Obj]) -> int:
    missing = {"cpu": 100, "memory": 200 * MIB}
    allocatable = amounts(node["status"]["allocatable"])
    parts = []
    for name in ("cpu", "memory"):
        if allocatable[name]:
            asked = sum(requests(each, missing)[name] for each in (*others, pod))
            parts.append(0 if asked > allocatable[name] else (allocatable[name] - asked) * 100 // allocatable[name])
    return sum(parts) // len(parts) if parts else 0


def balanced(pod: Obj, node: Obj, others: list[Obj]) -> int:
    allocatable = amounts(node["status"]["allocatable"])
    mine = requests(pod, {})
    if not mine.get("cpu") and not mine.get("memory"):
        return 0

    def balance(pods: Sequence[Obj]) -> int:
        fractions = [
            min(sum(requests(each, {}).get(name, 0) for each in pods) / allocatable[name], 1.0)
            for name in ("cpu", "memory")
            if allocatable[name]
        ]
        deviation = abs(fractions[0] - fractions[1]) / 2 if len(fractions) == 2 else 0.0
        return int((1 - deviation) * 100)

    return 50 + math.trunc((50 + balance([*others, pod]) - balance(others)) / 2)


# ---- the properties -------------------------------------------------------------------------------------------


def columns(nodes: Sequence[Obj]) -> Nodes:
    found = Nodes()
    for node in nodes:
        found.set_node(node)
    return found


def by_node(placements: dict[str, str], pods: Sequence[Pod], nodes: Sequence[Obj]) -> dict[str, list[Obj]]:
    on: dict[str, list[Obj]] = {node["metadata"]["name"]: [] for node in nodes}
    for pod in pods:
        if pod.key in placements:
            on[placements[pod.key]].append(pod.obj)
    return on


@settings(deadline=None, max_examples=40)
@given(worlds())
def test_whatever_is_placed_fits_and_whatever_is_not_fits_nowhere(world: tuple[list[Obj], list[Obj]]) -> None:
    nodes, objects = world
    pods = [read_pod(obj) for obj in objects]
    result = plan(columns(nodes), pods, PROFILE)
    assert {each.pod.key for each in (*result.placements, *result.failures)} == {pod.key for pod in pods}
    assert len(result.placements) + len(result.failures) == len(pods)
    placed = {each.pod.key: each.node for each in result.placements}
    on = by_node(placed, pods, nodes)
    by_name = {node["metadata"]["name"]: node for node in nodes}
    for name, present in on.items():
        for index, obj in enumerate(present):
            assert fits(obj, by_name[name], present[:index] + present[index + 1 :]), (obj, name)
    for failure in result.failures:
        priority = failure.pod.priority
        for node in nodes:
            others = [obj for obj in on[node["metadata"]["name"]] if obj["spec"]["priority"] >= priority]
            assert not fits(failure.pod.obj, node, others), (failure.pod.obj, node)


@settings(deadline=None, max_examples=40)
@given(worlds())
def test_pod_by_pod_the_node_is_one_of_the_best_that_the_reference_finds(world: tuple[list[Obj], list[Obj]]) -> None:
    nodes, objects = world
    working = columns(nodes)
    on: dict[str, list[Obj]] = {node["metadata"]["name"]: [] for node in nodes}
    known = Evaluations()
    for obj in objects:
        result = plan(working, [read_pod(obj)], PROFILE, known)
        candidates = [node for node in nodes if fits(obj, node, on[node["metadata"]["name"]])]
        if not candidates:
            assert not result.placements
            continue
        (placement,) = result.placements
        reference = scores(obj, candidates, on)
        assert reference[placement.node] == max(reference.values()), (placement.node, reference)
        on[placement.node].append(obj)


@settings(deadline=None, max_examples=40)
@given(worlds())
def test_a_diagnosis_counts_every_node_once_for_preemption(world: tuple[list[Obj], list[Obj]]) -> None:
    nodes, objects = world
    result = plan(columns(nodes), [read_pod(obj) for obj in objects], PROFILE)
    for failure in result.failures:
        message = failure.diagnosis.message
        if not nodes:
            assert message == "no nodes available to schedule pods"
            continue
        assert message.startswith(f"0/{len(nodes)} nodes are available: ")
        tail = message.partition("preemption: ")[2].removeprefix(f"0/{len(nodes)} nodes are available: ")
        assert sum(int(part.split(" ", 1)[0]) for part in tail.removesuffix(".").split(", ")) == len(nodes)
        assert failure.diagnosis.plugins


@settings(deadline=None, max_examples=40)
@given(worlds(), st.data())
def test_columns_that_change_step_by_step_equal_columns_made_at_once(world: Any, data: st.DataObject) -> None:
    nodes, objects = world
    pods = [read_pod(obj) for obj in objects]
    working = columns(nodes)
    result = plan(working, pods, PROFILE)
    gone = data.draw(st.sets(st.sampled_from(range(len(result.placements)))) if result.placements else st.just(set()))
    for index in gone:
        placement = result.placements[index]
        working.remove_pod(placement.node, placement.pod.shape)
    again = columns(nodes)
    for index, placement in enumerate(result.placements):
        if index not in gone:
            again.add_pod(placement.node, placement.pod.shape)
    for node in nodes:
        row, other = working.row(node["metadata"]["name"]), again.row(node["metadata"]["name"])
        assert row is not None
        assert other is not None
        for index, name in enumerate(working.resources.names):
            same = again.resources.index(name)
            assert working.resources.requested[index, row] == again.resources.requested[same, other]
        assert working.resources.nonzero[:, row].tolist() == again.resources.nonzero[:, other].tolist()
        for port in working.ports.keys:
            mine, theirs = working.ports.index(port), again.ports.index(port)
            assert working.ports.counts[mine, row] == again.ports.counts[theirs, other]


@settings(deadline=None, max_examples=40)
@given(worlds(), st.data())
def test_what_is_remembered_from_plan_to_plan_changes_no_decision(world: Any, data: st.DataObject) -> None:
    """Pods come one by one, some leave again, nodes change: with and without memory the same happens."""
    nodes, objects = world
    mine, theirs, known = columns(nodes), columns(nodes), Evaluations()
    running: list[tuple[str, Pod]] = []
    for obj in objects:
        pod = read_pod(obj)
        with_memory, without = plan(mine, [pod], PROFILE, known), plan(theirs, [pod], PROFILE)
        assert [each.node for each in with_memory.placements] == [each.node for each in without.placements]
        assert [each.diagnosis for each in with_memory.failures] == [each.diagnosis for each in without.failures]
        running += [(each.node, pod) for each in with_memory.placements]
        if running and data.draw(st.booleans()):
            node, gone = running.pop(data.draw(st.integers(0, len(running) - 1)))
            mine.remove_pod(node, gone.shape)
            theirs.remove_pod(node, gone.shape)
        if data.draw(st.integers(0, 4)) == 0:
            changed = data.draw(nodes_of(data.draw(st.integers(0, 6))))
            mine.set_node(changed)
            theirs.set_node(changed)
        if nodes and data.draw(st.integers(0, 9)) == 0:
            mine.remove_node("n0")
            theirs.remove_node("n0")
