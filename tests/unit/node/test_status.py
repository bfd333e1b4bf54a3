"""The status of pods, by example."""

from __future__ import annotations

from typing import Any

import pytest

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.node.pods.actions import Failure
from kube_actors.node.pods.backoff import BackoffEntry
from kube_actors.node.pods.facts import Definition, Facts, Probed, Waiting
from kube_actors.node.pods.view import view_pod
from kube_actors.node.runtime.interface import ContainerRecord, ContainerState, PodRecord
from kube_actors.node.status.manager import changes
from kube_actors.node.status.pod_status import Situation, pod_status

from .conftest import make_pod

NOW = 1_000_000.0


def container(name: str = "c", code: int | None = None, attempt: int = 0, **more: Any) -> ContainerRecord:
    state = ContainerState.RUNNING if code is None else ContainerState.EXITED
    finished = 0.0 if code is None else NOW - 1
    return ContainerRecord(
        f"x://{name}-{attempt}", name, attempt, state, "web:1", "sha", NOW - 9, NOW - 9, finished, code or 0, **more
    )


def status(pod: Obj, *containers: ContainerRecord, facts: Facts | None = None, over: bool = False, **more: Any) -> Obj:
    found = PodRecord("x://s", "default", "p", "uid-p", 0, not over, "10.0.0.2", NOW - 9, containers)
    situation = Situation("192.168.0.1", NOW, over, **more)
    return pod_status(pod, view_pod(pod, found, pod["status"]), facts or Facts(started_at=NOW - 10), situation)


def conditions(result: Obj) -> dict[str, str]:
    return {each["type"]: each["status"] for each in result["conditions"]}


def test_a_running_pod() -> None:
    result = status(make_pod(), container())
    assert result["phase"] == "Running"
    assert result["podIPs"] == [{"ip": "10.0.0.2"}]
    assert result["hostIPs"] == [{"ip": "192.168.0.1"}]
    assert result["startTime"] == rfc3339(NOW - 10)
    assert result["qosClass"] == "BestEffort"
    assert conditions(result) == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": "True",
        "ContainersReady": "True",
        "PodScheduled": "True",
    }
    assert result["containerStatuses"][0]["state"] == {"running": {"startedAt": rfc3339(NOW - 9)}}


def test_unready_containers_are_named() -> None:
    result = status(make_pod(), container(), facts=Facts(probed={"x://c-0": Probed(ready=False)}))
    ready = next(each for each in result["conditions"] if each["type"] == "Ready")
    assert ready["reason"] == "ContainersNotReady"
    assert ready["message"] == "containers with unready status: [c]"


def test_readiness_gates_have_a_say() -> None:
    pod = make_pod(readinessGates=[{"conditionType": "example.com/ok"}])
    assert conditions(status(pod, container()))["Ready"] == "False"
    pod["status"]["conditions"] = [{"type": "example.com/ok", "status": "True"}]
    result = status(pod, container())
    assert conditions(result)["Ready"] == "True"
    assert conditions(result)["example.com/ok"] == "True"


def test_a_transition_time_stays_while_the_status_does() -> None:
    pod = make_pod()
    first = status(pod, container())
    pod["status"] = first | {
        "conditions": [each | {"lastTransitionTime": "2000-01-01T00:00:00Z"} for each in first["conditions"]]
    }
    assert {each["lastTransitionTime"] for each in status(pod, container())["conditions"]} == {"2000-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("policy", "codes", "phase"),
    [
        ("Always", (0, 0), "Running"),
        ("OnFailure", (0, 0), "Succeeded"),
        ("OnFailure", (0, 1), "Running"),
        ("Never", (0, 0), "Succeeded"),
        ("Never", (0, 1), "Failed"),
        ("Never", (0, None), "Running"),
    ],
)
def test_the_phase_follows_policy_and_exit_codes(policy: str, codes: tuple[int | None, ...], phase: str) -> None:
    names = ["a", "b"]
    pod = make_pod(containers=[{"name": name, "image": "web:1"} for name in names], restartPolicy=policy)
    records = [container(name, code) for name, code in zip(names, codes, strict=True)]
    assert status(pod, *records)["phase"] == phase


def test_a_pod_with_a_container_that_cannot_start_is_pending() -> None:
    pod = make_pod(containers=[{"name": "a", "image": "web:1"}, {"name": "b", "image": "no:1"}])
    facts = Facts(waiting={Definition("b", "no:1"): Waiting("ErrImagePull", "not found", NOW + 5)})
    result = status(pod, container("a"), facts=facts)
    assert result["phase"] == "Pending"
    assert result["containerStatuses"][1]["state"]["waiting"] == {"reason": "ErrImagePull", "message": "not found"}


def test_an_oom_kill_is_told() -> None:
    result = status(make_pod(restartPolicy="Never"), container(code=137, oom_killed=True))
    assert result["containerStatuses"][0]["state"]["terminated"]["reason"] == "OOMKilled"


def test_a_backoff_shows_the_last_state() -> None:
    facts = Facts(backoff={Definition("c", "web:1"): BackoffEntry(80, NOW - 2)})
    entry = status(make_pod(), container(code=2, attempt=3), facts=facts)["containerStatuses"][0]
    assert entry["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert entry["state"]["waiting"]["message"].startswith("back-off 1m20s restarting failed container=c")
    assert entry["lastState"]["terminated"]["exitCode"] == 2
    assert entry["restartCount"] == 3


def test_after_a_restart_the_run_before_is_the_last_state() -> None:
    entry = status(make_pod(), container(code=2), container(attempt=1))["containerStatuses"][0]
    assert entry["restartCount"] == 1
    assert entry["lastState"]["terminated"]["containerID"] == "x://c-0"
    assert entry["containerID"] == "x://c-1"


def test_a_deleted_pod_that_ended_well_has_succeeded_whatever_its_policy() -> None:
    assert status(make_pod(), container(code=0), over=True)["phase"] == "Succeeded"
    assert status(make_pod(), container(code=137), over=True)["phase"] == "Failed"


def test_a_failure_of_the_node_is_the_pods_reason() -> None:
    result = status(make_pod(), container(code=0), over=True, failure=Failure("DeadlineExceeded", "too long"))
    assert (result["phase"], result["reason"], result["message"]) == ("Failed", "DeadlineExceeded", "too long")


def test_a_phase_that_is_over_stays() -> None:
    pod = make_pod()
    pod["status"] = {"phase": "Failed", "reason": "Evicted", "message": "out of memory"}
    result = status(pod, container(code=0))
    assert (result["phase"], result["reason"]) == ("Failed", "Evicted")


def test_a_pod_that_was_rejected_has_no_containers_to_tell_of_then_and_later() -> None:
    pod = make_pod()
    situation = Situation("h", NOW, True, Failure("OutOfcpu", "Pod was rejected: no room"), rejected=True)
    pod["status"] = pod_status(pod, view_pod(pod, None, pod["status"]), Facts(), situation)
    later = pod_status(pod, view_pod(pod, None, pod["status"]), Facts(), Situation("h", NOW, True))
    for result in (pod["status"], later):
        assert (result["phase"], result["reason"]) == ("Failed", "OutOfcpu")
        assert "containerStatuses" not in result


def test_a_run_that_vanished_is_unknown() -> None:
    pod = make_pod(restartPolicy="Never")
    pod["status"] = status(pod, container())
    result = pod_status(pod, view_pod(pod, None, pod["status"]), Facts(), Situation("h", NOW, True))
    ended = result["containerStatuses"][0]["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("ContainerStatusUnknown", 137)
    assert result["phase"] == "Failed"


def test_a_patch_holds_what_differs_and_leaves_the_rest_to_others() -> None:
    known = {
        "phase": "Pending",
        "nominatedNodeName": "x",
        "reason": "old",
        "conditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    wanted = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    assert changes(known, wanted) == {
        "phase": "Running",
        "reason": None,
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "DisruptionTarget", "status": "True"}],
    }
    assert changes({"phase": "Running", "conditions": []}, {"phase": "Running", "conditions": []}) == {}


def test_resources_are_shown_while_the_container_runs() -> None:
    resources = {"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}}
    entry = status(make_pod(containers=[{"name": "c", "image": "web:1", "resources": resources}]), container())
    assert entry["qosClass"] == "Burstable"
    assert entry["containerStatuses"][0]["allocatedResources"] == {"cpu": "100m"}


def test_the_reason_of_an_eviction_is_written_and_that_of_somebody_else_is_kept() -> None:
    mine = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}
    theirs = mine | {"reason": "PreemptionByScheduler"}
    assert changes({"conditions": []}, {"conditions": [mine]}) == {"conditions": [mine]}
    assert changes({"conditions": [theirs]}, {"conditions": [mine]}) == {}
