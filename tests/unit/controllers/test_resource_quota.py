"""What objects use of a quota, and its status."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api import Obj, quota
from kube_actors.api.resources import PODS, REPLICA_SETS, SERVICES, builtin
from kube_actors.controllers.resource_quota import QUOTAS, ResourceQuotaController

NOW = 1_700_000_000.0
LEASES = builtin("coordination.k8s.io/v1", "leases")
CLAIMS = builtin("v1", "persistentvolumeclaims")


def container(cpu: str = "100m", **more: Any) -> Obj:
    return {"name": "c", "resources": {"requests": {"cpu": cpu}, "limits": {"cpu": cpu, "memory": "1Gi"}}, **more}


def pod(phase: str = "Running", **spec: Any) -> Obj:
    return {
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [container()], **spec},
        "status": {"phase": phase},
    }


def test_a_pod_uses_requests_and_limits_under_their_names() -> None:
    used = quota.usage(PODS, pod(), NOW)
    assert used["pods"] == used["count/pods"] == "1"
    assert (used["cpu"], used["requests.cpu"], used["limits.cpu"]) == ("100m", "100m", "100m")
    assert used["limits.memory"] == "1Gi"
    assert "memory" not in used


def test_a_finished_pod_is_an_object_and_nothing_else() -> None:
    assert quota.usage(PODS, pod("Succeeded"), NOW) == {"count/pods": "1"}


def test_extended_resources_count_as_requests_alone() -> None:
    wanted = pod()
    wanted["spec"]["containers"][0]["resources"] = {"requests": {"example.com/gpu": "2"}}
    assert quota.usage(PODS, wanted, NOW)["requests.example.com/gpu"] == "2"


def test_initialization_counts_at_its_most_and_sidecars_beside_the_rest() -> None:
    spec = {"initContainers": [container("50m", restartPolicy="Always"), container("500m")], "overhead": {"cpu": "1"}}
    assert quota.usage(PODS, pod(**spec), NOW)["requests.cpu"] == "1550m"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"type": "NodePort", "ports": [{}, {}]}, ("2", "0")),
        ({"type": "LoadBalancer", "ports": [{}]}, ("1", "1")),
        ({"type": "LoadBalancer", "ports": [{}], "allocateLoadBalancerNodePorts": False}, ("0", "1")),
        ({"type": "ClusterIP", "ports": [{}]}, ("0", "0")),
    ],
)
def test_a_service_uses_node_ports_and_load_balancers(spec: Obj, expected: tuple[str, str]) -> None:
    used = quota.usage(SERVICES, {"metadata": {}, "spec": spec}, NOW)
    assert used["services"] == "1"
    assert (used.get("services.nodeports", "0"), used.get("services.loadbalancers", "0")) == expected


def test_a_claim_counts_for_its_class() -> None:
    claim = {"spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}, "metadata": {}}
    used = quota.usage(CLAIMS, claim, NOW)
    assert used["requests.storage"] == used["fast.storageclass.storage.k8s.io/requests.storage"] == "1Gi"
    assert used["fast.storageclass.storage.k8s.io/persistentvolumeclaims"] == "1"


def scoped(*scopes: str, selector: Any = ()) -> Obj:
    return {"spec": {"scopes": list(scopes), "scopeSelector": {"matchExpressions": list(selector)}}}


def test_scopes_choose_pods() -> None:
    best_effort = pod(containers=[{"name": "c"}])
    ending = pod(activeDeadlineSeconds=5, priorityClassName="high")
    assert quota.matches(scoped("BestEffort"), PODS, best_effort)
    assert not quota.matches(scoped("NotBestEffort"), PODS, best_effort)
    assert quota.matches(scoped("Terminating"), PODS, ending)
    assert not quota.matches(scoped("Terminating", "BestEffort"), PODS, ending)
    high = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
    assert quota.matches(scoped(selector=[high]), PODS, ending)
    assert not quota.matches(scoped(selector=[high]), PODS, best_effort)
    assert not quota.matches(scoped("BestEffort"), SERVICES, {"spec": {}})


@given(st.lists(st.integers(0, 5000)))
def test_the_total_is_the_sum_of_its_parts(amounts: list[int]) -> None:
    parts = [quota.usage(PODS, pod(containers=[container(f"{amount}m")]), NOW) for amount in amounts]
    found = quota.total(parts, ["requests.cpu", "pods", "secrets"])
    assert quota.quantity.milli(found["requests.cpu"]) == sum(amounts)
    assert (found["pods"], found["secrets"]) == (str(len(amounts)), "0")


def status(server: Any) -> Obj:
    found: Obj = server.peek(QUOTAS, "default/q").get("status") or {}
    return found


@pytest.mark.looptime
async def test_the_status_follows_the_objects_and_a_foreign_status_is_put_right(server: Any, run: Any, of: Any) -> None:
    hard = {"pods": "5", "requests.cpu": "1", "count/replicasets.apps": "3", f"count/{LEASES.qualified}": "2"}
    server.put(of("ResourceQuota", "q", spec={"hard": hard}))
    await run(ResourceQuotaController)
    zero = {"pods": "0", "requests.cpu": "0", "count/replicasets.apps": "0", f"count/{LEASES.qualified}": "0"}
    assert status(server) == {"hard": hard, "used": zero}
    server.put(of("Pod", "p", spec={"containers": [container()]}))
    server.put(of("ReplicaSet", "rs"))
    server.put(of("Lease", "l"))
    await asyncio.sleep(15)
    counted = {"pods": "1", "requests.cpu": "100m", "count/replicasets.apps": "1", f"count/{LEASES.qualified}": "1"}
    assert status(server)["used"] == counted
    wrong = server.peek(QUOTAS, "default/q")
    wrong["status"] = {"hard": {"pods": "99"}, "used": {}}
    server.put(wrong)
    await asyncio.sleep(1)
    assert status(server) == {"hard": hard, "used": counted}
    server.remove(PODS, "default/p")
    server.remove(REPLICA_SETS, "default/rs")
    await asyncio.sleep(3)
    assert status(server)["used"] == zero | {f"count/{LEASES.qualified}": "1"}


@pytest.mark.looptime
async def test_what_admission_has_charged_a_moment_ago_is_not_taken_back_at_once(
    server: Any, run: Any, of: Any
) -> None:
    server.put(of("ResourceQuota", "q", spec={"hard": {"pods": "5"}}))
    await run(ResourceQuotaController)
    charged = server.peek(QUOTAS, "default/q")
    charged["status"]["used"] = {"pods": "3"}
    server.put(charged)
    await asyncio.sleep(1)
    assert status(server)["used"] == {"pods": "3"}
    await asyncio.sleep(4)
    assert status(server)["used"] == {"pods": "0"}
