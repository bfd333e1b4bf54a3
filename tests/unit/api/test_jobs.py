"""What a Job and a CronJob may say: policies, indexes, schedules, changes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kube_actors.api.resources import builtin
from kube_actors.api.validation import schedule, validate_update
from kube_actors.api.validation.job_policies import IndexesError, count_indexes
from tests.unit.api.objects import made, messages, patched

JOBS, CRON_JOBS = builtin("batch/v1", "jobs"), builtin("batch/v1", "cronjobs")
UID = "0c0ffee0-0000-4000-8000-000000000000"
PODS = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
FAILED = "spec.podFailurePolicy.rules[0]"
SUCCEEDED = "spec.successPolicy.rules[0]"


def job(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a", "uid": UID}, "spec": {"template": {"spec": copy.deepcopy(PODS)}, **spec}}


def cron(**spec: Any) -> dict[str, Any]:
    inner = {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": {"spec": copy.deepcopy(PODS)}}}}
    return {"metadata": {"name": "a"}, "spec": inner | spec}


def changes(resource: Any, old: dict[str, Any], spec: dict[str, Any]) -> list[str]:
    before = made(resource, old)
    found = validate_update(resource, patched(resource, before, {"spec": spec}), before)
    return [f"{cause.field}: {cause.message}" for cause in found]


@pytest.mark.parametrize(
    ("spec", "refusals"),
    [
        ({"completionMode": "Indexed", "completions": 2, "maxFailedIndexes": 1, "backoffLimitPerIndex": 1}, []),
        ({"maxFailedIndexes": 1}, [
            "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
            "spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode",
        ]),
        ({"completionMode": "Indexed", "completions": 1, "parallelism": 100001}, [
            "spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is "
            "Indexed",
        ]),
        ({"completionMode": "Sometimes"}, [
            'spec.completionMode: Unsupported value: "Sometimes": supported values: "NonIndexed", "Indexed"',
        ]),
        ({"managedBy": "nobody"}, [
            'spec.managedBy: Invalid value: "nobody": must be a domain-prefixed path (such as "acme.io/foo")',
        ]),
        ({"podReplacementPolicy": "Never"}, [
            'spec.podReplacementPolicy: Unsupported value: "Never": supported values: "Failed", "TerminatingOrFailed"',
        ]),
        ({"successPolicy": {"rules": []}}, [
            'spec.successPolicy: Invalid value: {"Rules":null}: requires indexed completion mode',
        ]),
    ],
)  # fmt: skip
def test_a_job_says_what_goes_together(spec: dict[str, Any], refusals: list[str]) -> None:
    assert messages(JOBS, job(**spec)) == refusals


@pytest.mark.parametrize(
    ("rule", "refusals"),
    [
        ({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}, []),
        ({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [0, 3, 2, 3]}}, [
            f"{FAILED}.onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator",
            f"{FAILED}.onExitCodes.values[3]: Duplicate value: 3",
            f"{FAILED}.onExitCodes.values: Invalid value: [0,3,2,3]: must be ordered",
        ]),
        ({"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [1], "containerName": "z"}}, [
            f'{FAILED}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set',
            f'{FAILED}.onExitCodes.containerName: Invalid value: "z": must be one of the container or initContainer '
            "names in the pod template",
        ]),
        ({}, [
            f'{FAILED}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]',
            f"{FAILED}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
        ]),
        ({"action": "Count", "onPodConditions": [{"type": "a b", "status": "Maybe"}],
          "onExitCodes": {"values": [1]}}, [
            f'{FAILED}.onExitCodes.operator: Required value: valid values: ["In" "NotIn"]',
            f'{FAILED}.onPodConditions[0].type: Invalid value: "a b": name part must consist of alphanumeric '
            "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or "
            "'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            f'{FAILED}.onPodConditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", '
            '"Unknown"',
            f"{FAILED}: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported",
        ]),
    ],
)  # fmt: skip
def test_a_failure_policy_looks_at_exit_codes_or_at_conditions(rule: dict[str, Any], refusals: list[str]) -> None:
    assert messages(JOBS, job(podFailurePolicy={"rules": [rule]})) == refusals


def test_a_failure_policy_needs_pods_that_do_not_restart_and_that_ended_before_they_are_replaced() -> None:
    wanted = job(podFailurePolicy={"rules": []}, podReplacementPolicy="TerminatingOrFailed")
    wanted["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    assert messages(JOBS, wanted) == [
        'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"',
        'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy '
        "is specified",
    ]


@pytest.mark.parametrize(
    ("rule", "refusals"),
    [
        ({"succeededIndexes": "0-2,4", "succeededCount": 4}, []),
        ({}, [f"{SUCCEEDED}: Required value: at least one of succeededCount or succeededIndexes must be specified"]),
        ({"succeededIndexes": "0-2", "succeededCount": 4}, [
            f"{SUCCEEDED}.succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of indexes in "
            "the specified succeededIndexes field)",
        ]),
        ({"succeededCount": 6}, [
            f"{SUCCEEDED}.succeededCount: Invalid value: 6: must be less than or equal to 5 (the number of specified "
            "completions)",
        ]),
        ({"succeededIndexes": "3-1"}, [
            f'{SUCCEEDED}.succeededIndexes: Invalid value: "3-1": error parsing succeededIndexes: non-increasing '
            "order, previous: 3, current: 1",
        ]),
    ],
)  # fmt: skip
def test_a_success_policy_names_indexes_that_there_are(rule: dict[str, Any], refusals: list[str]) -> None:
    spec = job(completionMode="Indexed", completions=5, successPolicy={"rules": [rule]})
    assert messages(JOBS, spec) == refusals


@pytest.mark.parametrize(("text", "count"), [("", 0), ("0", 1), ("0-9", 10), ("1,3-5,7", 5)])
def test_indexes_are_counted(text: str, count: int) -> None:
    assert count_indexes(text, 10) == count


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1-2-3", 'the fragment "1-2-3" violates'), ("a", 'cannot convert string to integer for index: "a"'),
        ("10", 'too large index: "10"'), ("1,1", "non-increasing order, previous: 1, current: 1"),
    ],
)  # fmt: skip
def test_indexes_that_make_no_sense_are_named(text: str, words: str) -> None:
    with pytest.raises(IndexesError, match=words):
        count_indexes(text, 10)


def test_the_completions_of_an_indexed_job_change_with_its_parallelism() -> None:
    old = job(completionMode="Indexed", completions=2, parallelism=2)
    assert changes(JOBS, old, {"completions": 3, "parallelism": 3}) == []
    assert changes(JOBS, old, {"completions": 3}) == [
        "spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism"
    ]
    assert changes(JOBS, job(completions=2), {"completions": 3, "parallelism": 3}) == [
        "spec.completions: Invalid value: 3: field is immutable"
    ]


def test_a_suspended_job_that_never_ran_may_change_where_its_pods_run() -> None:
    where = {
        "nodeSelector": {"a": "b"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
    }
    assert changes(JOBS, job(suspend=True), {"template": {"spec": where}}) == []
    (refusal,) = changes(JOBS, job(), {"template": {"spec": where}})
    assert refusal.startswith('spec.template: Invalid value: {"labels":{')
    assert refusal.endswith("field is immutable")
    (refusal,) = changes(JOBS, job(suspend=True), {"template": {"spec": {"hostPID": True}}})
    assert '"HostPID":true' in refusal


@pytest.mark.parametrize(
    "text",
    ["* * * * *", "*/5 0-6 1,15 jan-mar MON", "?  ?  ?  ?  ?", "@daily", "@every 1h30m", "1,,2 * * * *", "0/5 * * * *"],
)
def test_a_schedule_is_what_cron_reads(text: str) -> None:
    assert schedule.error(text) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b", "expected exactly 5 fields, found 2: [a b]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-2 * * * *", "beginning of range (5) beyond end of range (2): 5-2"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("@often", "unrecognized descriptor: @often"),
        ("@every 5", 'failed to parse duration @every 5: time: missing unit in duration "5"'),
        ("@every long", 'failed to parse duration @every long: time: invalid duration "long"'),
        ("TZ=Nowhere * * * * *", "provided bad location Nowhere: unknown time zone Nowhere"),
    ],
)
def test_a_schedule_that_cron_cannot_read_is_explained(text: str, words: str) -> None:
    assert schedule.error(text) == words


def test_a_time_zone_belongs_into_its_own_field() -> None:
    assert messages(CRON_JOBS, cron(timeZone="Europe/Berlin")) == []
    assert messages(CRON_JOBS, cron(timeZone="Mars/Base")) == [
        'spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base'
    ]
    assert messages(CRON_JOBS, cron(schedule="TZ=UTC 0 0 * * *")) == [
        'spec.schedule: Invalid value: "TZ=UTC 0 0 * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field '
        "instead"
    ]


def test_a_cron_job_from_before_time_zones_had_a_field_may_keep_its_schedule() -> None:
    old = cron(schedule="TZ=UTC 0 0 * * *")
    assert changes(CRON_JOBS, old, {"suspend": True}) == []
    assert changes(CRON_JOBS, old, {"timeZone": "Etc/UTC"}) == [
        'spec.schedule: Invalid value: "TZ=UTC 0 0 * * *": cannot use both timeZone field and TZ or CRON_TZ in schedule'
    ]
