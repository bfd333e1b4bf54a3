from __future__ import annotations

from typing import Any

import pytest

from kube_actors.api import Obj
from kube_actors.scheduler.columns.nodes import Nodes
from kube_actors.scheduler.diagnosis import Diagnosis
from kube_actors.scheduler.planner import plan
from kube_actors.scheduler.plugins.registry import default_profile
from kube_actors.scheduler.pod import read_pod

PROFILE = default_profile()


def node(name: str, *, cpu: str = "4", pods: str = "110", labels: Any = None, **spec: Any) -> Obj:
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
        "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": pods}},
    }


def pod(requests: dict[str, str] | None = None, ports: Any = (), **spec: Any) -> Obj:
    container = {"name": "c", "image": "i", "resources": {"requests": requests or {}}, "ports": list(ports)}
    metadata = {"name": "p", "namespace": "default", "uid": "u"}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"containers": [container], **spec}}


def why(nodes: list[Obj], wanted: Obj, present: list[tuple[Obj, str]] | None = None) -> Diagnosis:
    columns = Nodes()
    for each in nodes:
        columns.set_node(each)
    for bound, name in present or ():
        columns.add_pod(name, read_pod(bound).shape)
    (failure,) = plan(columns, [read_pod(wanted)], PROFILE).failures
    return failure.diagnosis


TAINT = {"key": "role", "value": "db", "effect": "NoSchedule"}


def test_the_message_counts_nodes_by_reason_in_kubernetes_words() -> None:
    nodes = [node("a", cpu="1"), node("b", taints=[TAINT]), node("c", taints=[TAINT])]
    busy = pod({"cpu": "800m"})
    assert why(nodes, pod({"cpu": "500m"}), [(busy, "a")]).message == (
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). "
        "no new claims to deallocate, preemption: 0/3 nodes are available: "
        "1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling."
    )


def test_a_node_that_is_too_small_even_when_empty_cannot_be_helped_by_preemption() -> None:
    assert why([node("a", cpu="1")], pod({"cpu": "2"})).message.endswith(
        "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    )


def test_all_resources_that_are_short_are_named() -> None:
    message = why([node("a", cpu="1")], pod({"cpu": "2", "memory": "9Gi", "example.com/gpu": "1"})).message
    assert message.startswith(
        "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient example.com/gpu, 1 Insufficient memory."
    )


def test_without_nodes_it_says_so() -> None:
    assert why([], pod()).message == "no nodes available to schedule pods"


@pytest.mark.parametrize(
    ("nodes", "wanted", "present", "reason", "plugin"),
    [
        ([node("a", unschedulable=True)], pod(), [], "node(s) were unschedulable", "NodeUnschedulable"),
        ([node("a", pods="1")], pod(), [(pod(), "a")], "Too many pods", "NodeResourcesFit"),
        (
            [node("a")],
            pod(nodeSelector={"disk": "ssd"}),
            [],
            "node(s) didn't match Pod's node affinity/selector",
            "NodeAffinity",
        ),
        (
            [node("a")],
            pod(ports=[{"containerPort": 80, "hostPort": 80}]),
            [(pod(ports=[{"containerPort": 1, "hostPort": 80, "hostIP": "127.0.0.1"}]), "a")],
            "node(s) didn't have free ports for the requested pod ports",
            "NodePorts",
        ),
    ],
)
def test_each_plugin_has_its_reason(nodes: Any, wanted: Obj, present: Any, reason: str, plugin: str) -> None:
    diagnosis = why(nodes, wanted, present)
    assert diagnosis.message.startswith(f"0/1 nodes are available: 1 {reason}. ")
    assert diagnosis.plugins == {plugin}


def named(*names: str) -> Obj:
    field = {"key": "metadata.name", "operator": "In", "values": list(names)}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def test_nodes_that_a_daemon_pod_does_not_name_did_not_satisfy_node_affinity() -> None:
    nodes = [node("a"), node("b", cpu="100m"), node("c")]
    assert why(nodes, pod({"cpu": "1"}, affinity=named("b"))).message.startswith(
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. "
    )


def test_terms_that_name_no_common_node_reject_the_pod_as_a_whole() -> None:
    affinity = named("a")
    terms = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    terms[0]["matchFields"].append({"key": "metadata.name", "operator": "In", "values": ["b"]})
    diagnosis = why([node("a"), node("b")], pod(affinity=affinity))
    assert diagnosis.message.startswith("0/2 nodes are available: pod affinity terms conflict. ")
    assert diagnosis.plugins == {"NodeAffinity"}


def test_a_pod_that_never_preempts_is_not_eligible() -> None:
    message = why([node("a", cpu="1")], pod({"cpu": "2"}, preemptionPolicy="Never")).message
    assert message.endswith("preemption: not eligible due to preemptionPolicy=Never.")
