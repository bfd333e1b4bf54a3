"""Single steps and conditions of the Deployment planner."""

from __future__ import annotations

from typing import Any

import pytest

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import controller_ref
from kube_actors.controllers.actions import CreateObject, PatchObject, RecordEvent, Requeue, UpdateStatus
from kube_actors.controllers.deployment.plan import View, plan, plan_collision, plan_create_failed

NOW = 1_700_000_000.0


def deployment(replicas: int = 3, *, status: Obj | None = None, **spec: Any) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "uid": "d",
            "generation": 2,
            "annotations": {"team": "a", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
        },
        "spec": {
            "replicas": replicas,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "selector": {"matchLabels": {"app": "web"}},
            "template": template("1"),
            "progressDeadlineSeconds": 600,
            **spec,
        },
        "status": status or {},
    }


def template(image: str) -> Obj:
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def replica_set(
    owner: Obj,
    name: str,
    image: str,
    replicas: int,
    *,
    available: int | None = None,
    revision: int = 1,
    desired: int | None = None,
    maximum: int | None = None,
    age: float = 0,
) -> Obj:
    available = replicas if available is None else available
    desired = owner["spec"]["replicas"] if desired is None else desired
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": name,
            "generation": 1,
            "resourceVersion": "7",
            "creationTimestamp": rfc3339(NOW - age),
            "ownerReferences": [controller_ref(owner)],
            "annotations": {
                "team": "a",
                "deployment.kubernetes.io/revision": str(revision),
                "deployment.kubernetes.io/desired-replicas": str(desired),
                "deployment.kubernetes.io/max-replicas": str(maximum or desired + 1),
            },
        },
        "spec": {"replicas": replicas, "template": template(image)},
        "status": {
            "replicas": replicas,
            "readyReplicas": available,
            "availableReplicas": available,
            "observedGeneration": 1,
        },
    }


def of_type(actions: list[Any], kind: type) -> list[Any]:
    return [action for action in actions if isinstance(action, kind)]


def sizes(actions: list[Any]) -> dict[str, int]:
    return {
        action.name: action.patch["spec"]["replicas"]
        for action in of_type(actions, PatchObject)
        if "replicas" in action.patch.get("spec", {})
    }


def new_status(actions: list[Any]) -> Obj:
    assert isinstance(actions[-1], UpdateStatus)
    status: Obj = actions[-1].obj["status"]
    return status


def condition(status: Obj, kind: str) -> tuple[str, str, str]:
    found = next(each for each in status["conditions"] if each["type"] == kind)
    return found["status"], found["reason"], found["message"]


def progressing(reason: str, status: str = "True", since: float = NOW) -> Obj:
    return {
        "type": "Progressing",
        "status": status,
        "reason": reason,
        "message": "m",
        "lastUpdateTime": rfc3339(since),
        "lastTransitionTime": rfc3339(since),
    }


def test_the_first_sync_creates_the_replica_set_with_its_hash_and_its_annotations() -> None:
    actions = plan(View(deployment(), (), NOW))
    created = actions[0]
    assert isinstance(created, CreateObject)
    digest = created.obj["metadata"]["labels"]["pod-template-hash"]
    assert created.obj["metadata"]["name"] == f"web-{digest}"
    assert created.obj["metadata"]["annotations"] == {
        "team": "a",
        "deployment.kubernetes.io/revision": "1",
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
    }
    assert created.obj["spec"]["replicas"] == 3
    assert created.obj["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": digest}
    assert created.obj["spec"]["template"]["metadata"]["labels"] == {"app": "web", "pod-template-hash": digest}
    assert actions[1] == RecordEvent(
        actions[1].obj, "Normal", "ScalingReplicaSet", f"Scaled up replica set web-{digest} from 0 to 3"
    )
    status = new_status(actions)
    assert condition(status, "Progressing") == (
        "True",
        "NewReplicaSetCreated",
        f'Created new replica set "web-{digest}"',
    )
    assert condition(status, "Available") == (
        "False",
        "MinimumReplicasUnavailable",
        "Deployment does not have minimum availability.",
    )
    assert actions[-1].obj["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"


def test_the_plan_does_not_touch_what_it_was_given() -> None:
    import copy

    view = View(deployment(), (replica_set(deployment(), "old", "0", 3),), NOW)
    before = copy.deepcopy(view)
    plan(view)
    assert view == before


def test_the_hash_depends_on_the_template_and_on_the_collisions() -> None:
    def name(**changes: Any) -> str:
        return str(plan(View(deployment(**changes), (), NOW))[0].obj["metadata"]["name"])

    assert name() == name(replicas=7)
    assert name() != name(template=template("2"))
    assert name() != name(status={"collisionCount": 1})


def test_a_patch_carries_the_version_it_was_planned_on() -> None:
    obj = deployment(4)
    actions = plan(View(obj, (replica_set(obj, "old", "0", 4), replica_set(obj, "new", "1", 0, revision=2)), NOW))
    patch = of_type(actions, PatchObject)[0]
    assert patch.name == "new"
    assert patch.patch["metadata"]["resourceVersion"] == "7"
    assert patch.patch["spec"] == {"replicas": 1}


def test_unhealthy_old_pods_go_before_healthy_ones_do() -> None:
    obj = deployment(10)
    obj["spec"]["strategy"]["rollingUpdate"] = {"maxSurge": 0, "maxUnavailable": 2}
    old = replica_set(obj, "old", "0", 8, available=8, age=20)
    stuck = replica_set(obj, "stuck", "b", 2, available=0, age=10, revision=2)
    new = replica_set(obj, "new", "1", 0, revision=3, maximum=10)
    assert sizes(plan(View(obj, (old, stuck, new), NOW))) == {"stuck": 0}


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [(30, {"new": 20, "old": 13}), (20, {"new": 14, "old": 9}), (5, {"new": 5, "old": 3})],
)
def test_scaling_in_a_rollout_is_proportional(replicas: int, expected: dict[str, int]) -> None:
    obj = deployment(replicas)
    obj["spec"]["strategy"]["rollingUpdate"] = {"maxSurge": 3, "maxUnavailable": 2}
    new = replica_set(obj, "new", "1", 8, available=5, desired=10, maximum=13, revision=2)
    old = replica_set(obj, "old", "0", 5, desired=10, maximum=13, age=60)
    actions = plan(View(obj, (old, new), NOW))
    assert sizes(actions) == expected
    for patch in of_type(actions, PatchObject):
        assert patch.patch["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] == str(replicas)
        assert patch.patch["metadata"]["annotations"]["deployment.kubernetes.io/max-replicas"] == str(replicas + 3)


def test_a_paused_deployment_scales_and_does_not_roll() -> None:
    obj = deployment(5, paused=True)
    old = replica_set(obj, "old", "0", 3, desired=3)
    actions = plan(View(obj, (old,), NOW))
    assert sizes(actions) == {"old": 5}
    assert not of_type(actions, CreateObject)
    assert condition(new_status(actions), "Progressing") == ("Unknown", "DeploymentPaused", "Deployment is paused")


def test_resuming_starts_the_deadline_anew() -> None:
    obj = deployment(3, status={"conditions": [progressing("DeploymentPaused", "Unknown", NOW - 9000)]})
    old = replica_set(obj, "old", "0", 3)
    new = replica_set(obj, "new", "1", 1, available=0, revision=2)
    actions = plan(View(obj, (old, new), NOW))
    assert condition(new_status(actions), "Progressing")[1] in ("DeploymentResumed", "ReplicaSetUpdated")
    assert of_type(actions, Requeue) == [Requeue(601.0)]


def stalled(since: float) -> View:
    status = {
        "observedGeneration": 2,
        "replicas": 4,
        "updatedReplicas": 1,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "unavailableReplicas": 1,
        "conditions": [progressing("ReplicaSetUpdated", since=since)],
    }
    obj = deployment(3, status=status)
    obj["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "2"
    return View(
        obj,
        (replica_set(obj, "old", "0", 3), replica_set(obj, "new", "1", 1, available=0, revision=2)),
        NOW,
    )


def test_without_progress_for_the_deadline_the_rollout_timed_out() -> None:
    status = new_status(plan(stalled(NOW - 601)))
    assert condition(status, "Progressing") == (
        "False",
        "ProgressDeadlineExceeded",
        'ReplicaSet "new" has timed out progressing.',
    )


def test_before_the_deadline_the_check_is_put_off() -> None:
    actions = plan(stalled(NOW - 500))
    assert of_type(actions, Requeue) == [Requeue(101.0)]


def test_a_complete_rollout_says_so_once() -> None:
    obj = deployment(3, status={"updatedReplicas": 2, "replicas": 3, "availableReplicas": 2, "readyReplicas": 2})
    new = replica_set(obj, "new", "1", 3, revision=1)
    actions = plan(View(obj, (new,), NOW))
    status = new_status(actions)
    assert condition(status, "Progressing") == (
        "True",
        "NewReplicaSetAvailable",
        'ReplicaSet "new" has successfully progressed.',
    )
    assert condition(status, "Available")[1] == "MinimumReplicasAvailable"
    assert status["observedGeneration"] == 2
    again = actions[-1].obj
    assert plan(View(again, (new,), NOW + 1000)) == []


def test_terminating_pods_are_counted_in_the_status() -> None:
    obj = deployment(3)
    new = replica_set(obj, "new", "1", 3)
    new["status"]["terminatingReplicas"] = 2
    assert new_status(plan(View(obj, (new,), NOW)))["terminatingReplicas"] == 2


def test_the_failure_of_a_replica_set_shows_on_the_deployment_and_goes_with_it() -> None:
    obj = deployment(3)
    new = replica_set(obj, "new", "1", 3, available=0)
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}
    new["status"]["conditions"] = [failure | {"lastTransitionTime": rfc3339(NOW)}]
    actions = plan(View(obj, (new,), NOW))
    assert condition(new_status(actions), "ReplicaFailure") == ("True", "FailedCreate", "quota")
    new["status"]["conditions"] = []
    cleared = new_status(plan(View(actions[-1].obj, (new,), NOW)))
    assert all(each["type"] != "ReplicaFailure" for each in cleared["conditions"])


def test_without_a_deadline_there_is_no_progressing_condition() -> None:
    obj = deployment(3, progressDeadlineSeconds=2**31 - 1, status={"conditions": [progressing("ReplicaSetUpdated")]})
    status = new_status(plan(View(obj, (replica_set(obj, "new", "1", 3),), NOW)))
    assert [each["type"] for each in status["conditions"]] == ["Available"]


def test_a_deployment_that_is_being_deleted_only_reports() -> None:
    obj = deployment(3)
    obj["metadata"]["deletionTimestamp"] = rfc3339(NOW)
    actions = plan(View(obj, (replica_set(obj, "old", "0", 3),), NOW))
    assert [type(action) for action in actions] == [UpdateStatus]


def test_a_refused_replica_set_is_reported_and_a_collision_counted() -> None:
    obj = deployment(3)
    event, update = plan_create_failed(obj, "web-1", "quota", NOW)
    assert isinstance(event, RecordEvent)
    assert isinstance(update, UpdateStatus)
    assert condition(update.obj["status"], "Progressing") == (
        "False",
        "ReplicaSetCreateError",
        'Failed to create new replica set "web-1": quota',
    )
    (counted,) = plan_collision(obj)
    assert isinstance(counted, UpdateStatus)
    assert counted.obj["status"]["collisionCount"] == 1


def test_annotations_follow_the_deployment_and_min_ready_seconds_too() -> None:
    obj = deployment(3, minReadySeconds=5)
    obj["metadata"]["annotations"]["kubernetes.io/change-cause"] = "b"
    new = replica_set(obj, "new", "1", 3)
    patch = of_type(plan(View(obj, (new,), NOW)), PatchObject)[0]
    assert patch.patch["metadata"]["annotations"] == {"kubernetes.io/change-cause": "b"}
    assert patch.patch["spec"] == {"minReadySeconds": 5}
