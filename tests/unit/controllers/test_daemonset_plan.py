"""Where daemons run, how they are replaced; and a rolling update that keeps its promise whatever happens."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import is_deleting, labels_of, name_of, uid_of
from kube_actors.api.node_affinity import takes
from kube_actors.controllers.daemonset.backoff import FailedPods
from kube_actors.controllers.daemonset.eligibility import tolerations_of, verdict
from kube_actors.controllers.daemonset.plan import Change, View, plan
from kube_actors.controllers.daemonset.pods import Template, target_node
from kube_actors.controllers.daemonset.status import plan_status
from kube_actors.controllers.pods import is_available

NOW = 1_700_000_000.0


def daemon_set(spec: Any = None, **rolling: Any) -> Obj:
    pod = {"containers": [{"name": "c", "image": "x"}], **(spec or {})}
    template = {"metadata": {"labels": {"app": "d"}}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "d", "namespace": "default", "uid": "uid-d", "generation": 1},
        "spec": {
            "selector": {"matchLabels": {"app": "d"}},
            "template": template,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, **rolling}},
        },
    }


def node(name: str = "n", labels: Any = None, taints: Any = ()) -> Obj:
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {"taints": list(taints)}}


def taint(key: str, effect: str) -> Obj:
    return {"key": key, "effect": effect}


def test_every_node_gets_a_daemon_and_a_tainted_one_does_not() -> None:
    owner = daemon_set()
    assert verdict(owner, node()).run
    refusing = verdict(owner, node(taints=[taint("a", "NoSchedule")]))
    assert (refusing.run, refusing.keep) == (False, True)
    expelling = verdict(owner, node(taints=[taint("a", "NoExecute")]))
    assert (expelling.run, expelling.keep) == (False, False)


@pytest.mark.parametrize("key", ["not-ready", "unreachable"])
def test_a_daemon_stays_on_a_node_that_is_lost(key: str) -> None:
    assert verdict(daemon_set(), node(taints=[taint(f"node.kubernetes.io/{key}", "NoExecute")])).run


@pytest.mark.parametrize("key", ["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"])
def test_a_daemon_starts_on_a_node_under_pressure(key: str) -> None:
    assert verdict(daemon_set(), node(taints=[taint(f"node.kubernetes.io/{key}", "NoSchedule")])).run


def test_a_missing_network_is_tolerated_with_the_host_network_alone() -> None:
    missing = node(taints=[taint("node.kubernetes.io/network-unavailable", "NoSchedule")])
    assert not verdict(daemon_set(), missing).run
    assert verdict(daemon_set({"hostNetwork": True}), missing).run
    assert len(tolerations_of({"hostNetwork": True})) == 7


def test_selectors_and_affinity_choose_the_nodes() -> None:
    owner = daemon_set({"nodeSelector": {"disk": "ssd"}})
    assert not verdict(owner, node()).keep
    assert verdict(owner, node(labels={"disk": "ssd"})).run
    assert not verdict(daemon_set({"nodeName": "other"}), node()).run


def affinity(*terms: Obj) -> Obj:
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    return {"affinity": {"nodeAffinity": {required: {"nodeSelectorTerms": list(terms)}}}}


def expression(operator: str, *values: str) -> Obj:
    return {"matchExpressions": [{"key": "k", "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("term", "value", "expected"),
    [
        (expression("In", "1", "2"), "2", True),
        (expression("In", "1"), None, False),
        (expression("NotIn", "1"), None, True),
        (expression("NotIn", "1"), "1", False),
        (expression("Exists"), "x", True),
        (expression("DoesNotExist"), "x", False),
        (expression("Gt", "5"), "6", True),
        (expression("Gt", "5"), "5", False),
        (expression("Lt", "5"), "4", True),
        (expression("Lt", "5"), "word", False),
        ({}, "x", False),
        ({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}, None, True),
    ],
)
def test_a_term_of_node_affinity_matches(term: Obj, value: str | None, expected: bool) -> None:
    assert takes(affinity(term), node(labels={"k": value} if value is not None else {})) is expected


class World:
    """Nodes and pods as a plan's actions leave them."""

    def __init__(self, owner: Obj, count: int = 3) -> None:
        self.owner = owner
        self.nodes = {f"n{number}": node(f"n{number}") for number in range(count)}
        self.pods: dict[str, Obj] = {}
        self.digest = "one"
        self.count = 0
        self.resting: frozenset[str] = frozenset()

    def step(self) -> Change:
        verdicts = {name: verdict(self.owner, each) for name, each in self.nodes.items()}
        view = View(self.owner, list(self.pods.values()), verdicts, Template(self.digest), NOW, self.resting)
        change = plan(view)
        for action in change.create:
            self.count += 1
            new = copy.deepcopy(action.obj)
            new["metadata"] |= {"name": f"d-{self.count}", "uid": f"uid-{self.count}"}
            new["metadata"]["creationTimestamp"] = rfc3339(NOW + self.count)
            new["status"] = {"phase": "Pending"}
            self.pods[name_of(new)] = new
        for removal in change.delete:
            assert uid_of(self.pods[removal.name]) == removal.uid
            self.pods[removal.name]["metadata"]["deletionTimestamp"] = rfc3339(NOW)
        return change

    def ready(self, *names: str) -> None:
        for name in names or list(self.pods):
            pod = self.pods[name]
            if pod["status"]["phase"] == "Failed":
                continue
            pod["spec"]["nodeName"] = target_node(pod)
            condition = {"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(NOW)}
            pod["status"] = {"phase": "Running", "conditions": [condition]}

    def gone(self) -> None:
        self.pods = {name: pod for name, pod in self.pods.items() if not is_deleting(pod)}

    def settle(self) -> None:
        for _ in range(20):
            self.step()
            self.gone()
            self.ready()

    def status(self) -> Obj:
        verdicts = {name: verdict(self.owner, each) for name, each in self.nodes.items()}
        return plan_status(self.owner, self.pods.values(), verdicts, Template(self.digest), NOW)

    def where(self) -> list[str]:
        return sorted(target_node(pod) for pod in self.pods.values())


def settled(count: int = 3, **rolling: Any) -> World:
    world = World(daemon_set(**rolling), count)
    world.settle()
    return world


def test_each_node_gets_one_pod_pinned_to_it() -> None:
    world = settled()
    assert world.where() == ["n0", "n1", "n2"]
    pod = next(iter(world.pods.values()))
    assert labels_of(pod) == {"app": "d", "controller-revision-hash": "one"}
    assert {each["key"] for each in pod["spec"]["tolerations"]} >= {"node.kubernetes.io/not-ready"}
    assert not world.step()
    status = world.status()
    assert (status["desiredNumberScheduled"], status["numberAvailable"], status["numberUnavailable"]) == (3, 3, 0)


def test_a_node_that_is_no_longer_chosen_loses_its_pod() -> None:
    world = settled()
    world.owner["spec"]["template"]["spec"]["nodeSelector"] = {"a": "b"}
    world.nodes["n1"]["metadata"]["labels"] = {"a": "b"}
    assert world.status()["numberMisscheduled"] == 2
    world.settle()
    assert world.where() == ["n1"]


def test_a_failed_pod_is_replaced_and_one_that_fails_again_rests() -> None:
    world = settled(1)
    (before,) = world.pods
    world.pods[before]["status"] = {"phase": "Failed"}
    world.resting = frozenset({"n0"})
    assert not world.step()
    world.resting = frozenset()
    change = world.step()
    assert change.failed == ["n0"]
    assert [event.reason for event in change.events] == ["FailedDaemonPod"]
    world.settle()
    assert before not in world.pods
    assert world.where() == ["n0"]


def test_rests_double_and_are_forgotten() -> None:
    failed = FailedPods()
    assert [failed.failed("d", "n", NOW) for _ in range(3)] == [1.0, 2.0, 4.0]
    assert failed.resting("d", NOW + 3) == {"n"}
    assert failed.resting("d", NOW + 5) == frozenset()
    assert failed.failed("d", "n", NOW + 10_000) == 1.0


def test_several_pods_on_a_node_are_reduced_to_the_oldest() -> None:
    world = settled(1)
    (first,) = world.pods
    twin = copy.deepcopy(world.pods[first])
    twin["metadata"] |= {"name": "twin", "uid": "uid-twin", "creationTimestamp": rfc3339(NOW + 100)}
    world.pods["twin"] = twin
    world.settle()
    assert list(world.pods) == [first]


def test_pods_of_a_node_that_went_before_they_were_bound_are_deleted() -> None:
    world = World(daemon_set(), 2)
    world.step()
    del world.nodes["n1"]
    world.step()
    world.gone()
    assert world.where() == ["n0"]


def test_an_old_pod_that_is_not_available_is_replaced_at_once() -> None:
    world = settled(4)
    broken = [name for name, pod in world.pods.items() if target_node(pod) in ("n1", "n2")]
    for name in broken:
        world.pods[name]["status"]["conditions"][0]["status"] = "False"
    world.digest = "two"
    world.step()
    assert {name for name, pod in world.pods.items() if is_deleting(pod)} == set(broken)


def test_on_delete_replaces_nothing() -> None:
    world = settled()
    world.owner["spec"]["updateStrategy"] = {"type": "OnDelete"}
    world.digest = "two"
    assert not world.step()
    assert world.status()["updatedNumberScheduled"] == 0


EVENTS = st.sampled_from(["step", "step", "step", "ready", "gone", "fail"])


@given(
    st.integers(1, 6),
    st.sampled_from([(0, 1), (0, 2), (0, "40%"), (1, 0), ("50%", 0), (2, 0)]),
    st.lists(st.tuples(EVENTS, st.integers(0, 20)), max_size=50),
)
@settings(max_examples=120, deadline=None)
def test_a_rolling_update_keeps_its_promise_and_ends(
    count: int, limits: tuple[Any, Any], events: list[tuple[str, int]]
) -> None:
    surge, unavailable = limits
    world = settled(count, maxSurge=surge, maxUnavailable=unavailable)
    world.digest = "two"
    lost: set[str] = set()
    for event, number in events:
        names = sorted(world.pods)
        chosen = names[number % len(names)] if names else ""
        if event == "step":
            check_step(world, lost, count)
        elif event == "ready" and chosen:
            world.ready(chosen)
        elif event == "gone":
            world.gone()
        elif event == "fail" and chosen:
            world.pods[chosen]["status"] = {"phase": "Failed"}
            lost.add(target_node(world.pods[chosen]))
    for _ in range(60):
        check_step(world, lost, count)
        world.gone()
        world.ready()
    assert world.where() == sorted(world.nodes)
    assert {labels_of(pod)["controller-revision-hash"] for pod in world.pods.values()} == {"two"}
    assert not world.step()


def check_step(world: World, lost: set[str], count: int) -> None:
    world.step()
    rolling = world.owner["spec"]["updateStrategy"]["rollingUpdate"]
    share = {"40%": -(-count * 40 // 100), "50%": -(-count * 50 // 100)}
    surge = share.get(rolling["maxSurge"], rolling["maxSurge"])
    unavailable = share.get(rolling["maxUnavailable"], rolling["maxUnavailable"])
    staying = [pod for pod in world.pods.values() if not is_deleting(pod)]
    served = {target_node(pod) for pod in staying if is_available(pod, 0, NOW)}
    assert len(world.nodes.keys() - served - lost) <= unavailable
    if surge == 0:
        assert len(staying) == len({target_node(pod) for pod in staying})
    pairs = len(staying) - len({target_node(pod) for pod in staying})
    assert pairs <= surge + len(lost)
