"""Rollouts by simulation: the planners of Deployment and ReplicaSet against a world in memory, in any order."""

from __future__ import annotations

import copy
import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.controllers.actions import CreateObject, DeleteObject, PatchObject, UpdateStatus
from kube_actors.controllers.deployment.plan import View, limits_of, plan
from kube_actors.controllers.intstr import rolling_limits
from kube_actors.controllers.pods import is_active, is_ready, is_terminal
from kube_actors.controllers.replicaset.plan import plan_replicas
from kube_actors.controllers.replicaset.status import plan_status

START = 1_700_000_000.0


def deployment(replicas: int, surge: int | str, unavailable: int | str, kind: str = "RollingUpdate") -> Obj:
    strategy: Obj = {"type": kind}
    if kind == "RollingUpdate":
        strategy["rollingUpdate"] = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "uid": "d", "generation": 1},
        "spec": {
            "replicas": replicas,
            "strategy": strategy,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "1"}]}},
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        },
    }


class World:
    """A server of one Deployment: performs actions, lets pods become ready and end."""

    def __init__(self, obj: Obj) -> None:
        self.deployment = obj
        self.sets: dict[str, Obj] = {}
        self.pods: dict[str, Obj] = {}
        self.now = START
        self._numbers = itertools.count(1)

    def view(self) -> View:
        pods_of = {uid: self.pods_of(uid, terminating=True) for uid in self.sets}
        return copy.deepcopy(View(self.deployment, tuple(self.sets.values()), self.now, pods_of))

    def pods_of(self, uid: str, *, terminating: bool = False) -> list[Obj]:
        return [
            pod
            for pod in self.pods.values()
            if pod["metadata"]["ownerReferences"][0]["uid"] == uid and (terminating or is_active(pod))
        ]

    def active(self) -> list[Obj]:
        return [pod for pod in self.pods.values() if is_active(pod)]

    def available(self) -> int:
        return sum(1 for pod in self.active() if is_ready(pod))

    def asked_for(self) -> int:
        return sum(obj["spec"]["replicas"] for obj in self.sets.values())

    def sync_deployment(self) -> int:
        """Perform a plan; how many actions changed something."""
        self.now += 1
        return sum(self.perform(action) for action in plan(self.view()))

    def sync_set(self, uid: str) -> int:
        self.now += 1
        owner = self.sets[uid]
        change = plan_replicas(owner, self.pods_of(uid), self.active(), self.now)
        done = sum(self.perform(action) for action in (*change.create, *change.delete))
        terminating = [pod for pod in self.pods_of(uid, terminating=True) if not is_active(pod)]
        status = plan_status(owner, self.pods_of(uid), terminating, None, self.now)
        changed = owner.get("status") != status
        owner["status"] = status
        return done + changed

    def perform(self, action: Any) -> int:
        if isinstance(action, CreateObject):
            obj = copy.deepcopy(action.obj)
            number = next(self._numbers)
            stamp = rfc3339(self.now)
            obj["metadata"] |= {"uid": f"u{number}", "generation": 1, "creationTimestamp": stamp}
            if obj["kind"] == "Pod":
                obj["metadata"]["name"] = f"{obj['metadata']['generateName']}{number}"
                self.pods[obj["metadata"]["uid"]] = obj
            else:
                assert all(other["metadata"]["name"] != obj["metadata"]["name"] for other in self.sets.values())
                self.sets[obj["metadata"]["uid"]] = obj
        elif isinstance(action, DeleteObject):
            if action.uid in self.sets:
                assert not self.pods_of(action.uid, terminating=True)
                del self.sets[action.uid]
            else:
                self.pods[action.uid]["metadata"]["deletionTimestamp"] = rfc3339(self.now)
        elif isinstance(action, PatchObject):
            target = next(obj for obj in self.sets.values() if obj["metadata"]["name"] == action.name)
            target["metadata"].setdefault("annotations", {}).update(action.patch["metadata"].get("annotations", {}))
            if spec := action.patch.get("spec"):
                target["spec"] |= spec
                target["metadata"]["generation"] += 1
        elif isinstance(action, UpdateStatus):
            self.deployment["status"] = action.obj["status"]
            self.deployment["metadata"]["annotations"] = action.obj["metadata"].get("annotations", {})
        else:
            return 0
        return 1

    def make_ready(self, pod: Obj) -> None:
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(self.now)}
        pod["status"] = {"phase": "Running", "conditions": [condition]}
        pod["spec"]["nodeName"] = "node"

    def settle(self, rounds: int = 400) -> None:
        """Run all until nothing changes; fails when that does not come."""
        for _ in range(rounds):
            changes = self.sync_deployment()
            for uid in list(self.sets):
                changes += self.sync_set(uid)
            for uid, pod in list(self.pods.items()):
                if not is_active(pod):
                    del self.pods[uid]
                    changes += 1
                elif not is_ready(pod):
                    self.make_ready(pod)
                    changes += 1
            if not changes:
                return
        raise AssertionError("does not converge")

    def change_template(self, image: str) -> None:
        self.deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image
        self.deployment["metadata"]["generation"] += 1

    def scale(self, replicas: int) -> None:
        self.deployment["spec"]["replicas"] = replicas
        self.deployment["metadata"]["generation"] += 1

    def images(self) -> set[str]:
        return {pod["spec"]["containers"][0]["image"] for pod in self.pods.values() if not is_terminal(pod)}


amounts = st.one_of(st.integers(0, 5), st.sampled_from(["0%", "10%", "25%", "50%", "100%"]))


@given(replicas=st.integers(0, 20), surge=amounts, unavailable=amounts, data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_rolling_update_keeps_both_promises_after_every_step(
    replicas: int, surge: int | str, unavailable: int | str, data: st.DataObject
) -> None:
    world = World(deployment(replicas, surge, unavailable))
    world.settle()
    most, fewest = (limit := limits_of(world.deployment)).maximum, limit.minimum_available
    for number in range(data.draw(st.integers(1, 3), label="rollouts")):
        world.change_template(f"v{number}")
        for _ in range(data.draw(st.integers(0, 25), label="steps")):
            step = data.draw(st.sampled_from(["deployment", "sets", "one set", "ready", "ended"]))
            if step == "deployment":
                world.sync_deployment()
            elif step == "sets":
                for uid in list(world.sets):
                    world.sync_set(uid)
            elif step == "one set" and world.sets:
                world.sync_set(data.draw(st.sampled_from(sorted(world.sets))))
            elif step == "ready" and (unready := [pod for pod in world.active() if not is_ready(pod)]):
                world.make_ready(unready[0])
            elif step == "ended":
                world.pods = {uid: pod for uid, pod in world.pods.items() if is_active(pod)}
            assert world.asked_for() <= most
            assert len(world.active()) <= most
            assert world.available() >= fewest
    world.settle()
    assert len(world.active()) == world.available() == replicas
    if replicas:
        assert world.images() == {f"v{number}"}


@given(replicas=st.integers(1, 15), surge=amounts, unavailable=amounts, data=st.data())
@settings(max_examples=40, deadline=None)
def test_scaling_in_the_middle_of_a_rollout_converges_within_the_new_size(
    replicas: int, surge: int | str, unavailable: int | str, data: st.DataObject
) -> None:
    world = World(deployment(replicas, surge, unavailable))
    world.settle()
    world.change_template("v1")
    for _ in range(data.draw(st.integers(0, 6))):
        world.sync_deployment()
        for uid in list(world.sets):
            world.sync_set(uid)
        for pod in world.active()[: data.draw(st.integers(0, 5))]:
            world.make_ready(pod)
    target = data.draw(st.integers(0, 20))
    world.scale(target)
    world.sync_deployment()
    if target != replicas:
        assert world.asked_for() <= max(target + rolling_limits(world.deployment)[0], 0) or target < replicas
    world.settle()
    assert len(world.active()) == target


@given(replicas=st.integers(0, 10), kind=st.sampled_from(["RollingUpdate", "Recreate"]))
@settings(max_examples=30, deadline=None)
def test_planning_twice_without_a_change_is_a_no_op(replicas: int, kind: str) -> None:
    world = World(deployment(replicas, "25%", "25%", kind))
    world.settle()
    view = world.view()
    assert plan(view) == []
    for uid, owner in world.sets.items():
        change = plan_replicas(owner, world.pods_of(uid), world.active(), world.now)
        assert (change.create, change.delete) == ((), ())


@given(replicas=st.integers(1, 12), steps=st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_scale_to_zero_never_creates_a_pod(replicas: int, steps: int) -> None:
    world = World(deployment(replicas, 1, 0))
    world.settle()
    world.change_template("v1")
    for _ in range(steps):
        world.sync_deployment()
        for uid in list(world.sets):
            world.sync_set(uid)
    world.scale(0)
    # What the ReplicaSets were asked before may still come; from the first plan on nothing does.
    world.sync_deployment()
    known = set(world.pods)
    for _ in range(50):
        world.sync_deployment()
        for uid in list(world.sets):
            world.sync_set(uid)
        assert set(world.pods) <= known
    world.settle()
    assert not world.pods
    assert world.asked_for() == 0


@given(replicas=st.integers(1, 8), data=st.data())
@settings(max_examples=40, deadline=None)
def test_recreate_never_runs_old_and_new_pods_together(replicas: int, data: st.DataObject) -> None:
    world = World(deployment(replicas, 0, 0, "Recreate"))
    world.settle()
    world.change_template("v1")
    for _ in range(40):
        step = data.draw(st.sampled_from(["deployment", "sets", "ended"]))
        if step == "deployment":
            world.sync_deployment()
        elif step == "sets":
            for uid in list(world.sets):
                world.sync_set(uid)
        else:
            world.pods = {uid: pod for uid, pod in world.pods.items() if is_active(pod)}
        assert len(world.images()) <= 1
    world.settle()
    assert world.images() == {"v1"}


def test_going_back_to_an_old_template_gives_its_replica_set_the_next_revision() -> None:
    world = World(deployment(3, 1, 0))
    world.settle()
    first = next(iter(world.sets.values()))["metadata"]["name"]
    world.change_template("v2")
    world.settle()
    world.change_template("1")
    world.settle()
    assert len(world.sets) == 2
    back = next(obj for obj in world.sets.values() if obj["metadata"]["name"] == first)
    assert back["spec"]["replicas"] == 3
    annotations = back["metadata"]["annotations"]
    assert annotations["deployment.kubernetes.io/revision"] == "3"
    assert annotations["deployment.kubernetes.io/revision-history"] == "1"
    assert world.deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


def test_history_beyond_the_limit_is_deleted_lowest_revision_first() -> None:
    world = World(deployment(2, 1, 0))
    world.deployment["spec"]["revisionHistoryLimit"] = 2
    for number in range(6):
        world.change_template(f"v{number}")
        world.settle()
    revisions = sorted(
        int(obj["metadata"]["annotations"]["deployment.kubernetes.io/revision"]) for obj in world.sets.values()
    )
    assert revisions == [4, 5, 6]


def test_a_limit_of_zero_leaves_the_new_replica_set_alone() -> None:
    world = World(deployment(1, 1, 0))
    world.deployment["spec"]["revisionHistoryLimit"] = 0
    world.settle()
    world.change_template("v2")
    world.settle()
    assert len(world.sets) == 1
    assert len(world.active()) == 1
