"""The rules of Jobs that are values: indexes, policies, backoff."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.controllers.job import failure_policy, success_policy
from kube_actors.controllers.job.backoff import Backoff, remaining
from kube_actors.controllers.job.indexes import first_free, parse, to_text
from kube_actors.controllers.job.pods import new_pod

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("indexes", "text"),
    [({0, 2}, "0,2"), ({1, 2}, "1,2"), ({1, 2, 3}, "1-3"), (set(), ""), ({0, 3, 4, 5, 9}, "0,3-5,9")],
)
def test_indexes_are_written_as_kubernetes_writes_them(indexes: set[int], text: str) -> None:
    assert to_text(indexes) == text


@given(st.sets(st.integers(0, 300)))
def test_a_set_of_indexes_survives_its_text(indexes: set[int]) -> None:
    assert parse(to_text(indexes), 301) == indexes


@given(st.sets(st.integers(0, 40)), st.integers(0, 50), st.integers(0, 40))
def test_free_indexes_are_the_lowest_that_are_not_taken(taken: set[int], count: int, completions: int) -> None:
    free = first_free(taken, count, completions)
    assert free == [index for index in range(completions) if index not in taken][:count]


def test_damaged_text_and_indexes_beyond_the_end_are_passed_over() -> None:
    assert parse("x,1,3-z,5-9,-,12", 7) == {1, 5, 6}
    assert parse(None, 5) == frozenset()


def pod(code: int = 0, container: str = "c", **condition: str) -> Obj:
    status = {"name": container, "state": {"terminated": {"exitCode": code}}}
    return {
        "metadata": {"name": "p", "namespace": "ns"},
        "status": {"containerStatuses": [status], "conditions": [condition] if condition else []},
    }


def rule(action: str, **fields: Any) -> Obj:
    return {"action": action, **fields}


def codes(operator: str, *values: int, container: str | None = None) -> Obj:
    return {"operator": operator, "values": list(values), "containerName": container}


def test_the_first_rule_that_fits_decides() -> None:
    rules = [
        rule("Ignore", onPodConditions=[{"type": "DisruptionTarget", "status": "True"}]),
        rule("FailJob", onExitCodes=codes("In", 42)),
        rule("FailIndex", onExitCodes=codes("NotIn", 1, 2)),
    ]
    policy = {"rules": rules}
    assert not failure_policy.match(policy, pod(42, type="DisruptionTarget", status="True")).counted
    failed = failure_policy.match(policy, pod(42))
    assert failed.action == "FailJob"
    assert failed.message == "Container c for pod ns/p failed with exit code 42 matching FailJob rule at index 1"
    assert failure_policy.match(policy, pod(7)).action == "FailIndex"
    assert failure_policy.match(policy, pod(1)).action == ""
    assert failure_policy.match(policy, pod(1)).counted


def test_a_success_and_another_container_match_no_exit_code() -> None:
    policy = {"rules": [rule("FailJob", onExitCodes=codes("NotIn", 5, container="main"))]}
    assert failure_policy.match(policy, pod(0, "main")).action == ""
    assert failure_policy.match(policy, pod(1, "side")).action == ""
    assert failure_policy.match(policy, pod(1, "main")).action == "FailJob"


def test_a_condition_says_why_the_job_failed() -> None:
    policy = {"rules": [rule("FailJob", onPodConditions=[{"type": "ConfigIssue"}])]}
    message = failure_policy.match(policy, pod(1, type="ConfigIssue", status="True")).message
    assert message == "Pod ns/p has condition ConfigIssue matching FailJob rule at index 0"


@pytest.mark.parametrize(
    ("rules", "succeeded", "met"),
    [
        ([{"succeededCount": 2}], {0}, None),
        ([{"succeededCount": 2}], {0, 4}, "Matched rules at index 0"),
        ([{"succeededIndexes": "0-2"}], {0, 1, 2}, "Matched rules at index 0"),
        ([{"succeededIndexes": "0-2", "succeededCount": 1}], {2}, "Matched rules at index 0"),
        ([{"succeededIndexes": "0-2", "succeededCount": 1}, {"succeededCount": 1}], {4}, "Matched rules at index 1"),
        ([{"succeededIndexes": "9"}], {0}, None),
    ],
)
def test_a_success_policy_is_met_by_indexes_or_by_their_number(
    rules: list[Obj], succeeded: set[int], met: str | None
) -> None:
    assert success_policy.matched({"rules": rules}, 5, succeeded) == met


def finished(at: float) -> Obj:
    status = {"state": {"terminated": {"finishedAt": rfc3339(at)}}}
    return {"metadata": {"name": "p"}, "status": {"containerStatuses": [status]}}


def test_waits_double_with_each_failure_and_a_success_clears_them() -> None:
    assert [remaining(failures, NOW, NOW) for failures in (0, 1, 2, 3, 20)] == [0, 10, 20, 40, 600]
    assert remaining(1, NOW, NOW + 11) == 0
    backoff = Backoff().after([], [finished(NOW), finished(NOW + 1)])
    assert backoff == Backoff(2, NOW + 1)
    assert backoff.after([finished(NOW + 2)], []) == Backoff()
    assert backoff.after([finished(NOW + 2)], [finished(NOW), finished(NOW + 3)]) == Backoff(1, NOW + 3)


def test_a_pod_of_an_index_carries_it_everywhere() -> None:
    containers = [{"name": "a"}, {"name": "b", "env": [{"name": "JOB_COMPLETION_INDEX", "value": "mine"}]}]
    template = {"metadata": {"labels": {"l": "1"}}, "spec": {"containers": containers}}
    metadata = {"name": "work", "namespace": "ns", "uid": "u"}
    spec = {"completionMode": "Indexed", "template": template, "backoffLimitPerIndex": 1}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
    replaced = {"metadata": {"annotations": {"batch.kubernetes.io/job-index-failure-count": "1"}}, "status": {}}
    made = new_pod(job, 3, replaced)
    assert made["metadata"]["generateName"] == "work-3-"
    assert made["metadata"]["annotations"] == {
        "batch.kubernetes.io/job-completion-index": "3",
        "batch.kubernetes.io/job-index-failure-count": "2",
    }
    assert made["metadata"]["labels"] == {"l": "1", "batch.kubernetes.io/job-completion-index": "3"}
    assert made["metadata"]["finalizers"] == ["batch.kubernetes.io/job-tracking"]
    assert made["spec"]["hostname"] == "work-3"
    first, second = made["spec"]["containers"]
    path = "metadata.labels['batch.kubernetes.io/job-completion-index']"
    assert first["env"] == [{"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"fieldPath": path}}}]
    assert second["env"] == [{"name": "JOB_COMPLETION_INDEX", "value": "mine"}]
    assert "env" not in containers[0]


def test_a_long_name_is_cut_before_the_index() -> None:
    metadata = {"name": "n" * 63, "namespace": "ns", "uid": "u"}
    template = {"spec": {"containers": []}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}
    name = new_pod(job, 12)["metadata"]["generateName"]
    assert len(name) == 58
    assert name.endswith("-12-")
