"""Rules of the small controllers: node TTLs, ServiceCIDRs, attachments."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api import Obj
from kube_actors.controllers import attach_detach, flow_schemas, node_ttl, service_cidrs
from kube_actors.controllers.actions import CreateObject, DeleteObject, UpdateObject, UpdateStatus

NOW = 1_700_000_000.0


@pytest.mark.parametrize(("nodes", "seconds"), [(1, 0), (100, 0), (101, 15), (501, 30), (1001, 60), (2001, 300)])
def test_the_ttl_grows_with_the_cluster(nodes: int, seconds: int) -> None:
    assert node_ttl.STEPS[node_ttl.step_for(0, nodes)][2] == seconds


@given(st.integers(0, 4), st.integers(0, 20_000))
def test_the_step_for_a_number_of_nodes_is_at_rest(present: int, nodes: int) -> None:
    step = node_ttl.step_for(present, nodes)
    assert node_ttl.step_for(step, nodes) == step


def test_between_two_steps_nothing_flaps() -> None:
    assert node_ttl.step_for(1, 95) == 1
    assert node_ttl.step_for(0, 95) == 0
    assert node_ttl.step_for(1, 89) == 0


def test_a_node_is_annotated_once() -> None:
    (patch,) = node_ttl.plan({"metadata": {"name": "n"}}, 0)
    assert patch.patch == {"metadata": {"annotations": {node_ttl.ANNOTATION: "0"}}}
    assert node_ttl.plan({"metadata": {"name": "n", "annotations": {node_ttl.ANNOTATION: "0"}}}, 0) == []


def cidr(name: str, *ranges: str, **metadata: Any) -> Obj:
    return {"metadata": {"name": name, **metadata}, "spec": {"cidrs": list(ranges)}}


def test_a_range_is_held_while_an_address_depends_on_it() -> None:
    main, wide = cidr("main", "10.96.0.0/24"), cidr("wide", "10.96.0.0/16")
    assert service_cidrs.depends(main, [main], ["10.96.0.7"])
    assert not service_cidrs.depends(main, [main, wide], ["10.96.0.7"])
    leaving = cidr("wide", "10.96.0.0/16", deletionTimestamp="2026-01-01T00:00:00Z")
    assert service_cidrs.depends(main, [main, leaving], ["10.96.0.7"])
    assert not service_cidrs.depends(main, [main], ["10.97.0.1"])


def test_a_range_becomes_ready_and_goes_when_nothing_depends_on_it() -> None:
    (first,) = service_cidrs.plan(cidr("main", "10.96.0.0/24"), in_use=False, now=NOW)
    assert isinstance(first, UpdateObject)
    assert first.obj["metadata"]["finalizers"] == [service_cidrs.FINALIZER]
    (ready,) = service_cidrs.plan(first.obj, in_use=False, now=NOW)
    assert isinstance(ready, UpdateStatus)
    assert ready.obj["status"]["conditions"][0]["message"] == "Kubernetes Service CIDR is ready"
    assert service_cidrs.plan(ready.obj, in_use=False, now=NOW) == []
    leaving = ready.obj | {"metadata": ready.obj["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    (held,) = service_cidrs.plan(leaving, in_use=True, now=NOW)
    assert isinstance(held, UpdateStatus)
    assert held.obj["status"]["conditions"][0]["reason"] == "Terminating"
    (freed,) = service_cidrs.plan(held.obj, in_use=False, now=NOW)
    assert isinstance(freed, UpdateObject)
    assert freed.obj["metadata"]["finalizers"] == []


def volume(name: str) -> Obj:
    return {"metadata": {"name": name}, "spec": {"csi": {"driver": "d.example.com", "volumeHandle": f"h-{name}"}}}


def test_attachments_follow_the_volumes_that_pods_use() -> None:
    (created,) = attach_detach.plan("n", [volume("a")], [])
    assert isinstance(created, CreateObject)
    present = created.obj
    assert present["spec"] == {
        "attacher": "d.example.com",
        "nodeName": "n",
        "source": {"persistentVolumeName": "a"},
    }
    assert attach_detach.plan("n", [volume("a")], [present]) == []
    (deleted,) = attach_detach.plan("n", [], [present])
    assert isinstance(deleted, DeleteObject)
    going = present | {"metadata": present["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert attach_detach.plan("n", [], [going]) == []


def test_a_flow_schema_says_once_whether_its_level_is_there() -> None:
    schema = {"metadata": {"name": "s"}, "spec": {"priorityLevelConfiguration": {"name": "l"}}}
    (lost,) = flow_schemas.plan(schema, has_level=False, now=NOW)
    (condition,) = lost.obj["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Dangling", "True", "NotFound")
    assert flow_schemas.plan(lost.obj, has_level=False, now=NOW) == []
    (found,) = flow_schemas.plan(lost.obj, has_level=True, now=NOW)
    assert found.obj["status"]["conditions"][0]["message"] == (
        'This FlowSchema references the PriorityLevelConfiguration object named "l" and it exists'
    )
