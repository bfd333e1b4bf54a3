"""The Job controller against a server in memory, with a node that ends pods as told."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj, errors
from kube_actors.api.meta import condition, controller_of, name_of
from kube_actors.api.resources import EVENTS, PODS
from kube_actors.controllers.job.controller import JOBS, JobController
from kube_actors.controllers.job.indexes import index_of
from kube_actors.controllers.job.orphans import JobOrphanController
from kube_actors.controllers.job.pods import FINALIZER, has_finalizer
from kube_actors.controllers.pods import is_active

pytestmark = pytest.mark.looptime

LABELS = {"batch.kubernetes.io/controller-uid": "uid-work"}


def job(of: Any, **spec: Any) -> Obj:
    containers = [{"name": "c", "image": "x"}]
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": containers, "restartPolicy": "Never"}}
    wanted = {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "selector": {"matchLabels": LABELS},
        "podReplacementPolicy": "TerminatingOrFailed",
        "template": template,
        **spec,
    }
    obj: Obj = of("Job", "work", spec=wanted)
    return obj


def status(server: Any) -> Obj:
    found: Obj = server.peek(JOBS, "default/work").get("status") or {}
    return found


def ended(server: Any) -> tuple[str, str] | None:
    """(type, reason) of the condition that ended the Job."""
    for kind in ("Complete", "Failed"):
        found = condition(server.peek(JOBS, "default/work"), kind)
        if found is not None and found["status"] == "True":
            return kind, found["reason"]
    return None


def active(server: Any) -> list[Obj]:
    return [pod for pod in server.objects(PODS) if is_active(pod)]


def end(server: Any, pod: Obj, code: int = 0, **more: Any) -> None:
    terminated = {"exitCode": code, "finishedAt": rfc3339(server._clock.now())}
    container = {"name": "c", "state": {"terminated": terminated}}
    pod["status"] = {"phase": "Failed" if code else "Succeeded", "containerStatuses": [container], **more}
    server.put(pod)


async def end_all(server: Any, code: int = 0) -> None:
    for pod in active(server):
        end(server, pod, code)
    await asyncio.sleep(1)


async def test_a_job_runs_its_completions_no_more_than_parallelism_at_a_time(server: Any, run: Any, of: Any) -> None:
    server.put(job(of, parallelism=2, completions=5))
    await run(JobController)
    for expected in (2, 2, 1):
        assert len(active(server)) == expected
        await end_all(server)
    assert ended(server) == ("Complete", "CompletionsReached")
    found = status(server)
    assert (found["succeeded"], found.get("failed", 0), found["active"]) == (5, 0, 0)
    assert found["completionTime"]
    assert condition(server.peek(JOBS, "default/work"), "SuccessCriteriaMet")["status"] == "True"
    assert not any(has_finalizer(pod) for pod in server.objects(PODS))
    assert {"Completed", "SuccessfulCreate"} <= {event["reason"] for event in server.objects(EVENTS)}
    assert len(server.objects(PODS)) == 5


async def test_failed_pods_are_replaced_after_a_wait_that_doubles(server: Any, run: Any, of: Any) -> None:
    server.put(job(of))
    await run(JobController)
    await end_all(server, 1)
    assert (status(server)["failed"], active(server)) == (1, [])
    await asyncio.sleep(10)
    assert len(active(server)) == 1
    await end_all(server, 1)
    await asyncio.sleep(11)
    assert active(server) == []
    await asyncio.sleep(10)
    assert len(active(server)) == 1


async def test_a_job_fails_at_its_backoff_limit(server: Any, run: Any, of: Any) -> None:
    server.put(job(of, backoffLimit=1, parallelism=2, completions=2))
    await run(JobController)
    one, _ = active(server)
    end(server, one, 1)
    await asyncio.sleep(15)
    await end_all(server, 1)
    await asyncio.sleep(5)
    assert ended(server) == ("Failed", "BackoffLimitExceeded")
    found = status(server)
    assert (found["failed"], found["active"], found["terminating"]) == (3, 0, 0)
    messages = {event["message"] for event in server.objects(EVENTS)}
    assert "Job has reached the specified backoff limit" in messages


async def test_a_job_past_its_deadline_ends_what_runs(server: Any, run: Any, of: Any) -> None:
    server.put(job(of, activeDeadlineSeconds=30))
    await run(JobController)
    (pod,) = active(server)
    server.fail("delete", PODS, errors.Forbidden("not now"), times=1)
    await asyncio.sleep(40)
    assert ended(server) == ("Failed", "DeadlineExceeded")
    assert active(server) == []
    told = [(event["reason"], event["message"]) for event in server.objects(EVENTS)]
    assert told == [
        ("SuccessfulCreate", f"Created pod: {name_of(pod)}"), ("FailedDelete", "Error deleting: not now"),
        ("SuccessfulDelete", f"Deleted pod: {name_of(pod)}"),
        ("DeadlineExceeded", "Job was active longer than specified deadline"),
    ]  # fmt: skip


async def test_an_indexed_job_runs_each_index_once(server: Any, run: Any, of: Any) -> None:
    server.put(job(of, completionMode="Indexed", parallelism=2, completions=4))
    await run(JobController)
    first = active(server)
    assert sorted(index_of(pod) or 0 for pod in first) == [0, 1]
    end(server, next(pod for pod in first if index_of(pod) == 1))
    await asyncio.sleep(1)
    assert status(server)["completedIndexes"] == "1"
    end(server, next(pod for pod in active(server) if index_of(pod) == 2))
    await asyncio.sleep(1)
    assert status(server)["completedIndexes"] == "1,2"
    await end_all(server)
    assert ended(server) == ("Complete", "CompletionsReached")
    assert status(server)["completedIndexes"] == "0-3"
    assert sorted(index_of(pod) or 0 for pod in server.objects(PODS)) == [0, 1, 2, 3]


async def test_each_index_has_a_limit_of_its_own(server: Any, run: Any, of: Any) -> None:
    spec = {"completionMode": "Indexed", "parallelism": 4, "completions": 4, "backoffLimit": 2**31 - 1}
    server.put(job(of, backoffLimitPerIndex=1, **spec))
    await run(JobController)
    for _ in range(40):
        for pod in active(server):
            end(server, pod, 0 if (index_of(pod) or 0) % 2 == 0 else 1)
        await asyncio.sleep(2)
    assert ended(server) == ("Failed", "FailedIndexes")
    found = status(server)
    assert (found["completedIndexes"], found["failedIndexes"]) == ("0,2", "1,3")
    assert (found["succeeded"], found["failed"]) == (2, 4)


async def test_too_many_failed_indexes_end_the_job(server: Any, run: Any, of: Any) -> None:
    spec = {"completionMode": "Indexed", "parallelism": 3, "completions": 3, "backoffLimit": 2**31 - 1}
    server.put(job(of, backoffLimitPerIndex=0, maxFailedIndexes=0, **spec))
    await run(JobController)
    end(server, active(server)[0], 1)
    await asyncio.sleep(3)
    assert ended(server) == ("Failed", "MaxFailedIndexesExceeded")
    assert active(server) == []


async def test_a_failure_policy_ends_the_job_at_once(server: Any, run: Any, of: Any) -> None:
    policy = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]}
    server.put(job(of, parallelism=2, completions=2, podFailurePolicy=policy, podReplacementPolicy="Failed"))
    await run(JobController)
    pod, _ = active(server)
    end(server, pod, 42)
    await asyncio.sleep(2)
    assert active(server) == []
    assert ended(server) == ("Failed", "PodFailurePolicy")
    found = condition(server.peek(JOBS, "default/work"), "Failed")
    text = f"Container c for pod default/{name_of(pod)} failed with exit code 42 matching FailJob rule at index 0"
    assert found["message"] == text


async def test_an_ignored_failure_is_not_counted(server: Any, run: Any, of: Any) -> None:
    policy = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]}
    server.put(job(of, backoffLimit=0, podFailurePolicy=policy, podReplacementPolicy="Failed"))
    await run(JobController)
    end(server, active(server)[0], 137, conditions=[{"type": "DisruptionTarget", "status": "True"}])
    await asyncio.sleep(30)
    assert ended(server) is None
    assert status(server).get("failed", 0) == 0
    await end_all(server)
    assert ended(server) == ("Complete", "CompletionsReached")


async def test_a_success_policy_ends_the_job_before_all_indexes_are_done(server: Any, run: Any, of: Any) -> None:
    spec = {"completionMode": "Indexed", "parallelism": 3, "completions": 3}
    server.put(job(of, successPolicy={"rules": [{"succeededIndexes": "0"}]}, **spec))
    await run(JobController)
    end(server, next(pod for pod in active(server) if index_of(pod) == 0))
    await asyncio.sleep(3)
    assert ended(server) == ("Complete", "SuccessPolicy")
    found = status(server)
    assert (found["active"], found["ready"], found["terminating"]) == (0, 0, 0)
    assert (found["succeeded"], found.get("failed", 0), found["completedIndexes"]) == (1, 0, "0")
    assert condition(server.peek(JOBS, "default/work"), "Complete")["message"] == "Matched rules at index 0"


async def test_a_suspended_job_has_no_pods_and_starts_anew_when_resumed(server: Any, run: Any, of: Any) -> None:
    server.put(job(of, suspend=True))
    await run(JobController)
    assert active(server) == []
    assert condition(server.peek(JOBS, "default/work"), "Suspended")["status"] == "True"
    assert "startTime" not in status(server)
    current = server.peek(JOBS, "default/work")
    current["spec"]["suspend"] = False
    server.put(current)
    await asyncio.sleep(1)
    assert len(active(server)) == 1
    found = condition(server.peek(JOBS, "default/work"), "Suspended")
    assert (found["status"], found["reason"]) == ("False", "JobResumed")
    assert status(server)["startTime"]
    current = server.peek(JOBS, "default/work")
    current["spec"]["suspend"] = True
    server.put(current)
    await asyncio.sleep(1)
    assert server.objects(PODS) == []
    assert status(server).get("failed", 0) == 0
    reasons = {event["reason"] for event in server.objects(EVENTS)}
    assert {"Suspended", "Resumed"} <= reasons


async def test_lowering_parallelism_deletes_without_counting_a_failure(server: Any, run: Any, of: Any) -> None:
    server.put(job(of, parallelism=5, completions=5))
    await run(JobController)
    current = server.peek(JOBS, "default/work")
    current["spec"]["parallelism"] = 2
    server.put(current)
    await asyncio.sleep(1)
    assert len(server.objects(PODS)) == 2
    assert status(server).get("failed", 0) == 0


async def test_without_completions_one_success_is_enough(server: Any, run: Any, of: Any) -> None:
    server.put(job(of, parallelism=3, completions=None))
    await run(JobController)
    end(server, active(server)[0])
    await asyncio.sleep(1)
    assert len(active(server)) == 2
    assert ended(server) is None
    await end_all(server)
    assert ended(server) == ("Complete", "CompletionsReached")


async def test_restarts_in_place_count_towards_the_limit(server: Any, run: Any, of: Any) -> None:
    wanted = job(of, backoffLimit=2)
    wanted["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    server.put(wanted)
    await run(JobController)
    (pod,) = active(server)
    pod["status"] = {"phase": "Running", "containerStatuses": [{"name": "c", "restartCount": 2, "state": {}}]}
    server.put(pod)
    await asyncio.sleep(3)
    assert ended(server) == ("Failed", "BackoffLimitExceeded")


async def test_an_adopted_pod_gets_the_finalizer_and_a_released_one_loses_it(server: Any, run: Any, of: Any) -> None:
    server.put(of("Pod", "orphan", labels=LABELS))
    server.put(job(of))
    await run(JobController, JobOrphanController)
    orphan = server.peek(PODS, "default/orphan")
    assert controller_of(orphan)["name"] == "work"
    assert orphan["metadata"]["finalizers"] == [FINALIZER]
    orphan["metadata"]["labels"] = {}
    server.put(orphan)
    await asyncio.sleep(1)
    released = server.peek(PODS, "default/orphan")
    assert controller_of(released) is None
    assert not has_finalizer(released)
    assert len(active(server)) == 2


async def test_pods_of_a_job_that_is_gone_lose_their_finalizer(server: Any, run: Any, of: Any) -> None:
    server.put(job(of))
    await run(JobController, JobOrphanController)
    (pod,) = active(server)
    server.remove(JOBS, "default/work")
    await asyncio.sleep(1)
    assert not has_finalizer(server.peek(PODS, f"default/{name_of(pod)}"))


@pytest.mark.parametrize("verb", ["patch", "update"])
async def test_a_crash_between_the_steps_counts_every_pod_once(server: Any, run: Any, of: Any, verb: str) -> None:
    server.put(job(of, parallelism=3, completions=6))
    manager = await run(JobController)
    # The next write of that kind is refused: the sync ends in the middle, and a new manager goes on.
    server.fail(verb, PODS if verb == "patch" else JOBS, errors.InternalError("away"), times=2)
    for pod in active(server):
        end(server, pod)
    await asyncio.sleep(0.15)
    await manager.stop()
    await run(JobController)
    await asyncio.sleep(1)
    await end_all(server)
    await asyncio.sleep(5)
    assert ended(server) == ("Complete", "CompletionsReached")
    assert (status(server)["succeeded"], len(server.objects(PODS))) == (6, 6)


async def test_a_stale_cache_neither_creates_nor_counts_twice(server: Any, run: Any, of: Any) -> None:
    server.lag = 3.0
    server.put(job(of, parallelism=2, completions=4))
    await run(JobController)
    for _ in range(60):
        for pod in active(server):
            end(server, pod)
        await asyncio.sleep(2)
    assert ended(server) == ("Complete", "CompletionsReached")
    assert (status(server)["succeeded"], len(server.objects(PODS))) == (4, 4)


async def test_a_finished_job_is_left_alone(server: Any, run: Any, of: Any) -> None:
    server.put(job(of))
    await run(JobController)
    await end_all(server)
    before = len(server.changes())
    current = server.peek(JOBS, "default/work")
    current["metadata"]["labels"] = {"touched": "yes"}
    server.put(current)
    await asyncio.sleep(5)
    assert len(server.changes()) == before


async def test_a_job_that_another_controller_manages_is_left_alone(server: Any, run: Any, of: Any) -> None:
    server.put(job(of, managedBy="example.com/other"))
    await run(JobController)
    assert server.changes() == []


@pytest.mark.parametrize("lag", [0.0, 0.7])
@pytest.mark.parametrize("seed", range(6))
async def test_whatever_fails_the_counters_are_those_of_the_pods(
    server: Any, run: Any, of: Any, seed: int, lag: float
) -> None:
    chance = random.Random(seed)
    server.lag = lag
    server.put(job(of, parallelism=4, completions=12, backoffLimit=1000))
    await run(JobController)
    for _ in range(400):
        if ended(server) is not None:
            break
        if chance.random() < 0.1:
            server.fail(chance.choice(["update", "patch"]), chance.choice([JOBS, PODS]), errors.InternalError("away"))
        assert len(active(server)) <= 4
        for pod in active(server):
            if chance.random() < 0.5:
                end(server, pod, 1 if chance.random() < 0.2 else 0)
        await asyncio.sleep(chance.random() * 5)
    assert ended(server) == ("Complete", "CompletionsReached")
    phases = [pod["status"]["phase"] for pod in server.objects(PODS)]
    found = status(server)
    assert (found["succeeded"], found.get("failed", 0)) == (phases.count("Succeeded"), phases.count("Failed"))
    assert found["succeeded"] == 12
    assert not any(has_finalizer(pod) for pod in server.objects(PODS))
