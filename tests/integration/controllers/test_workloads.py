"""StatefulSets, DaemonSets, Jobs and CronJobs in an embedded cluster whose simulated pods end as their image says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kube_actors.api import Obj, errors
from kube_actors.api.meta import condition, labels_of, name_of
from kube_actors.api.resources import NODES, PODS
from kube_actors.client.types import STRATEGIC_MERGE_PATCH
from kube_actors.cluster.embedded import Cluster
from kube_actors.controllers.cronjob.controller import CRON_JOBS
from kube_actors.controllers.daemonset.controller import DAEMON_SETS
from kube_actors.controllers.disruption.controller import BUDGETS
from kube_actors.controllers.history.revisions import CONTROLLER_REVISIONS, number_of
from kube_actors.controllers.job.controller import JOBS
from kube_actors.controllers.job.indexes import index_of
from kube_actors.controllers.resource_quota import QUOTAS
from kube_actors.controllers.statefulset.claims import CLAIMS
from kube_actors.controllers.statefulset.controller import STATEFUL_SETS
from kube_actors.node.runtime.simulated import Behaviour, Rule, SimulatedConfig


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """Images `done` and `bad` end after a moment, with 0 and 42."""
    rules = (
        Rule(Behaviour(run_seconds=0.1), image="done"),
        Rule(Behaviour(run_seconds=0.1, exit_code=42), image="bad"),
    )
    async with Cluster(nodes=3, simulated=SimulatedConfig(rules=rules)) as running:
        yield running


def template(name: str, image: str = "one", **spec: Any) -> Obj:
    pod = {"containers": [{"name": "c", "image": image}], "terminationGracePeriodSeconds": 0, **spec}
    return {"metadata": {"labels": {"app": name}}, "spec": pod}


def workload(api_version: str, kind: str, name: str, image: str = "one", **spec: Any) -> Obj:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template(name, image), **spec},
    }


def image(of: str) -> Obj:
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": of}]}}}}


async def pods(client: Any, name: str) -> list[Obj]:
    return list((await client.list(PODS, "default", labels=f"app={name}")).items)


async def rolled_out(client: Any, replicas: int) -> Obj | None:
    found: Obj = await client.get(STATEFUL_SETS, "db", "default")
    status = found.get("status") or {}
    same = status.get("currentRevision") == status.get("updateRevision")
    seen = status.get("observedGeneration") == found["metadata"]["generation"]
    counts = [status.get(field, 0) for field in ("replicas", "readyReplicas", "updatedReplicas")]
    return found if same and seen and counts == [replicas] * 3 else None


async def test_a_stateful_set_is_made_updated_rolled_back_and_scaled(cluster: Any, until: Any) -> None:
    client = cluster.client
    obj = workload("apps/v1", "StatefulSet", "db", serviceName="db", replicas=3)
    await client.create(STATEFUL_SETS, obj)
    first = await until(lambda: rolled_out(client, 3))
    made = sorted(await pods(client, "db"), key=name_of)
    assert [name_of(pod) for pod in made] == ["db-0", "db-1", "db-2"]
    assert [pod["metadata"]["creationTimestamp"] for pod in made] == sorted(
        pod["metadata"]["creationTimestamp"] for pod in made
    )
    assert made[1]["spec"]["hostname"] == "db-1"
    assert labels_of(made[1])["apps.kubernetes.io/pod-index"] == "1"
    await client.patch(STATEFUL_SETS, "db", image("two"), "default", type=STRATEGIC_MERGE_PATCH)
    second = await until(lambda: rolled_out(client, 3))
    assert second["status"]["currentRevision"] != first["status"]["currentRevision"]
    # Rolling back as kubectl rollout undo does: with the data of the old revision.
    old = await client.get(CONTROLLER_REVISIONS, first["status"]["currentRevision"], "default")
    await client.patch(STATEFUL_SETS, "db", old["data"], "default", type=STRATEGIC_MERGE_PATCH)
    back = await until(lambda: rolled_out(client, 3))
    assert back["status"]["currentRevision"] == first["status"]["currentRevision"]
    revisions = (await client.list(CONTROLLER_REVISIONS, "default")).items
    assert sorted(map(number_of, revisions)) == [2, 3]
    await client.patch(STATEFUL_SETS, "db", {"spec": {"replicas": 1}}, "default")
    await until(lambda: rolled_out(client, 1))
    assert [name_of(pod) for pod in await pods(client, "db")] == ["db-0"]


async def test_claims_are_made_and_given_an_owner_by_the_retention_policy(cluster: Any, until: Any) -> None:
    client = cluster.client
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    policy = {"whenDeleted": "Delete", "whenScaled": "Retain"}
    obj = workload(
        "apps/v1",
        "StatefulSet",
        "db",
        serviceName="db",
        replicas=1,
        volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": storage}],
        persistentVolumeClaimRetentionPolicy=policy,
    )
    await client.create(STATEFUL_SETS, obj)

    async def claim() -> Obj | None:
        found = (await client.list(CLAIMS, "default")).items
        return found[0] if found else None

    made = await until(claim)
    assert name_of(made) == "data-db-0"
    assert [ref["kind"] for ref in made["metadata"]["ownerReferences"]] == ["StatefulSet"]


async def test_a_daemon_set_follows_nodes_and_templates(cluster: Any, until: Any) -> None:
    client = cluster.client
    await client.create(DAEMON_SETS, workload("apps/v1", "DaemonSet", "agent"))

    async def updated(count: int) -> Obj | None:
        found: Obj = await client.get(DAEMON_SETS, "agent", "default")
        status = found.get("status") or {}
        fields = ("desiredNumberScheduled", "numberAvailable", "updatedNumberScheduled")
        seen = status.get("observedGeneration") == found["metadata"]["generation"]
        return found if seen and [status.get(field, 0) for field in fields] == [count] * 3 else None

    await until(lambda: updated(3))
    assert len({pod["spec"]["nodeName"] for pod in await pods(client, "agent")}) == 3
    await client.patch(DAEMON_SETS, "agent", image("two"), "default", type=STRATEGIC_MERGE_PATCH)
    await until(lambda: updated(3))
    made = await pods(client, "agent")
    assert {pod["spec"]["containers"][0]["image"] for pod in made} == {"two"}
    victim = made[0]
    await client.patch(PODS, name_of(victim), {"status": {"phase": "Failed"}}, "default", subresource="status")

    async def replaced() -> bool:
        return name_of(victim) not in {name_of(pod) for pod in await pods(client, "agent")}

    await until(replaced)
    await until(lambda: updated(3))
    node = victim["spec"]["nodeName"]
    await client.patch(NODES, node, {"spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}})
    await until(lambda: updated(2))


def job(name: str, image: str, **spec: Any) -> Obj:
    containers = [{"name": "c", "image": image}]
    pod = {"containers": containers, "restartPolicy": "Never", "terminationGracePeriodSeconds": 0}
    metadata = {"name": name, "namespace": "default"}
    wanted = {"template": {"metadata": {"labels": {"app": name}}, "spec": pod}, **spec}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": wanted}


async def ended(client: Any, name: str, kind: str) -> Obj | None:
    found: Obj = await client.get(JOBS, name, "default")
    end = condition(found, kind)
    return found if end is not None and end["status"] == "True" else None


async def test_a_job_runs_to_its_completions(cluster: Any, until: Any) -> None:
    client = cluster.client
    await client.create(JOBS, job("work", "done", parallelism=3, completions=7))
    done = await until(lambda: ended(client, "work", "Complete"))
    status = done["status"]
    assert (status["succeeded"], status.get("failed", 0), status.get("active", 0)) == (7, 0, 0)
    assert status["completionTime"]
    assert condition(done, "Complete")["reason"] == "CompletionsReached"
    made = await pods(client, "work")
    assert len(made) == 7
    assert not any(pod["metadata"].get("finalizers") for pod in made)


async def test_an_indexed_job_has_its_index_in_the_environment(cluster: Any, until: Any) -> None:
    client = cluster.client
    await client.create(JOBS, job("work", "done", parallelism=3, completions=3, completionMode="Indexed"))
    done = await until(lambda: ended(client, "work", "Complete"))
    assert done["status"]["completedIndexes"] == "0-2"
    made = {index_of(pod): pod for pod in await pods(client, "work")}
    assert made[2]["spec"]["hostname"] == "work-2"
    assert made[2]["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"


async def test_a_failure_policy_fails_the_job(cluster: Any, until: Any) -> None:
    client = cluster.client
    rules = [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]
    await client.create(JOBS, job("work", "bad", podFailurePolicy={"rules": rules}))
    failed = await until(lambda: ended(client, "work", "Failed"))
    assert condition(failed, "Failed")["reason"] == "PodFailurePolicy"
    assert failed["status"]["failed"] == 1


async def test_a_deadline_ends_the_pods_of_a_job(cluster: Any, until: Any) -> None:
    client = cluster.client
    await client.create(JOBS, job("work", "one", parallelism=2, activeDeadlineSeconds=2))
    failed = await until(lambda: ended(client, "work", "Failed"))
    assert condition(failed, "Failed")["reason"] == "DeadlineExceeded"
    assert failed["status"].get("active", 0) == 0


async def test_a_suspended_job_is_resumed_and_goes_after_its_time_to_live(cluster: Any, until: Any) -> None:
    client = cluster.client
    await client.create(JOBS, job("work", "done", suspend=True, ttlSecondsAfterFinished=1))

    async def suspended() -> bool:
        found = condition(await client.get(JOBS, "work", "default"), "Suspended")
        return found is not None and found["status"] == "True"

    await until(suspended)
    assert await pods(client, "work") == []
    await client.patch(JOBS, "work", {"spec": {"suspend": False}}, "default")

    async def gone() -> bool:
        try:
            await client.get(JOBS, "work", "default")
        except errors.NotFound:
            return not await pods(client, "work")
        return False

    await until(gone)


@pytest.mark.parametrize("propagation", ["Background", "Foreground", "Orphan"])
async def test_a_running_job_can_be_deleted(cluster: Any, until: Any, propagation: str) -> None:
    client = cluster.client
    await client.create(JOBS, job("work", "one", parallelism=2))

    async def running() -> bool:
        return len([pod for pod in await pods(client, "work") if pod["status"]["phase"] == "Running"]) == 2

    await until(running)
    await client.delete(JOBS, "work", "default", propagation=propagation)

    async def gone() -> bool:
        left = await pods(client, "work")
        if propagation == "Orphan":
            return len(left) == 2 and not any(pod["metadata"].get("finalizers") for pod in left)
        return not left

    await until(gone)


async def test_a_cron_job_starts_a_job_that_is_due(cluster: Any, until: Any) -> None:
    client = cluster.client
    spec = {"schedule": "@every 1s", "jobTemplate": {"spec": job("tick", "done")["spec"]}}
    metadata = {"name": "tick", "namespace": "default"}
    made = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec}
    await client.create(CRON_JOBS, made)

    async def succeeded() -> Obj | None:
        found: Obj = await client.get(CRON_JOBS, "tick", "default")
        return found if (found.get("status") or {}).get("lastSuccessfulTime") else None

    found = await until(succeeded)
    assert found["status"]["lastScheduleTime"]
    (only,) = {
        ref["name"]
        for each in (await client.list(JOBS, "default")).items
        for ref in each["metadata"]["ownerReferences"]
    }
    assert only == "tick"
    await client.delete(CRON_JOBS, "tick", "default", propagation="Background")

    async def nothing_left() -> bool:
        return not (await client.list(JOBS, "default")).items and not await pods(client, "tick")

    await until(nothing_left)


async def test_a_budget_lets_evictions_through_one_after_another(cluster: Any, until: Any) -> None:
    client = cluster.client
    await client.create(STATEFUL_SETS, workload("apps/v1", "StatefulSet", "db", serviceName="db", replicas=3))
    spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "db"}}}
    metadata = {"name": "db", "namespace": "default"}
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}
    await client.create(BUDGETS, budget)

    async def allowed() -> bool:
        found = await client.get(BUDGETS, "db", "default")
        return bool((found.get("status") or {}).get("disruptionsAllowed") == 1)

    await until(allowed)

    async def evict(name: str) -> None:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
        await client.create(PODS, eviction, namespace="default", name=name, subresource="eviction")

    await evict("db-2")
    with pytest.raises(errors.TooManyRequests):
        await evict("db-1")
    await until(allowed)
    await evict("db-1")


async def test_a_quota_shows_what_is_used_and_nothing_is_written_once_all_is_right(cluster: Any, until: Any) -> None:
    client = cluster.client
    metadata = {"name": "all", "namespace": "default"}
    hard = {"pods": "100", "count/jobs.batch": "10", "secrets": "5"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}
    await client.create(QUOTAS, quota)
    await client.create(STATEFUL_SETS, workload("apps/v1", "StatefulSet", "db", serviceName="db", replicas=2))
    await client.create(DAEMON_SETS, workload("apps/v1", "DaemonSet", "agent"))
    await client.create(JOBS, job("work", "done", completions=2))
    await client.create(JOBS, job("later", "done", suspend=True))
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job("tick", "done")["spec"]}}
    await client.create(CRON_JOBS, {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec})
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "db"}}}
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}
    await client.create(BUDGETS, budget)
    await until(lambda: ended(client, "work", "Complete"))
    await until(lambda: rolled_out(client, 2))

    async def counted() -> bool:
        found = await client.get(QUOTAS, "all", "default")
        used = (found.get("status") or {}).get("used") or {}
        return bool(used.get("pods") == "5" and used.get("count/jobs.batch") == "2")

    await until(counted)
    await asyncio.sleep(1)

    async def versions() -> dict[str, str]:
        kinds = (QUOTAS, STATEFUL_SETS, DAEMON_SETS, JOBS, CRON_JOBS, BUDGETS, CONTROLLER_REVISIONS)
        lists = [await client.list(resource, "default") for resource in kinds]
        objects = [obj for each in lists for obj in each.items]
        return {f"{obj['kind']}/{name_of(obj)}": obj["metadata"]["resourceVersion"] for obj in objects}

    before = await versions()
    await asyncio.sleep(3)
    assert await versions() == before
