"""The plan of a StatefulSet: order, partitions, claims; and a simulation that nothing may break."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import is_deleting, labels_of, name_of, uid_of
from kube_actors.controllers.actions import AllAtOnce, CreateObject, DeleteObject, PatchObject, SlowStart
from kube_actors.controllers.history.revisions import new_revision
from kube_actors.controllers.statefulset.identity import ordinal_of, ordinals, revision_of
from kube_actors.controllers.statefulset.plan import Plan, View, plan
from kube_actors.controllers.statefulset.status import Revisions, plan_status

NOW = 1_700_000_000.0


def stateful_set(replicas: int = 3, image: str = "one", **spec: Any) -> Obj:
    template = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "default", "uid": "uid-db", "generation": 1},
        "spec": {
            "replicas": replicas,
            "serviceName": "svc",
            "selector": {"matchLabels": {"app": "db"}},
            "template": template,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            **spec,
        },
    }


def revision(owner: Obj, number: int = 1) -> Obj:
    return new_revision(owner, number, 0, "controller.kubernetes.io/hash")


class World:
    """Pods and claims as a plan's actions leave them, with a node that can be told what to do."""

    def __init__(self, owner: Obj) -> None:
        self.owner = owner
        self.current = self.update = revision(owner)
        self.pods: dict[str, Obj] = {}
        self.claims: dict[str, Obj] = {}
        self.now = NOW
        self.count = 0

    def step(self) -> Plan:
        view = View(self.owner, tuple(self.pods.values()), self.revisions, self.claims.get, self.now)
        planned = plan(view)
        for action in planned.actions:
            self.apply(action)
        status = plan_status(self.owner, self.pods.values(), self.revisions, self.now, given_up=planned.given_up)
        self.owner["status"] = status
        if status["currentRevision"] == name_of(self.update):
            self.current = self.update
        return planned

    @property
    def revisions(self) -> Revisions:
        return Revisions(self.current, self.update)

    def apply(self, action: Any) -> None:
        if isinstance(action, SlowStart | AllAtOnce):
            for each in action.actions:
                self.apply(each)
        elif isinstance(action, CreateObject):
            kind = self.claims if action.obj["kind"] == "PersistentVolumeClaim" else self.pods
            assert name_of(action.obj) not in kind
            self.count += 1
            new = copy.deepcopy(action.obj)
            new["metadata"]["uid"] = f"uid-{self.count}"
            if kind is self.pods:
                new["status"] = {"phase": "Pending"}
            kind[name_of(new)] = new
        elif isinstance(action, DeleteObject):
            pod = self.pods[action.name]
            assert uid_of(pod) == action.uid
            pod["metadata"]["deletionTimestamp"] = rfc3339(self.now)
        elif isinstance(action, PatchObject) and action.resource.plural == "persistentvolumeclaims":
            self.claims[action.name]["metadata"]["ownerReferences"] = action.patch["metadata"]["ownerReferences"]

    def ready(self, *names: str) -> None:
        for name in names or list(self.pods):
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(self.now)}
            self.pods[name]["status"] = {"phase": "Running", "conditions": [ready]}

    def fail(self, name: str) -> None:
        self.pods[name]["status"] = {"phase": "Failed"}

    def gone(self) -> None:
        """Whatever is being deleted ends."""
        self.pods = {name: pod for name, pod in self.pods.items() if not is_deleting(pod)}

    def settle(self, rounds: int = 20) -> None:
        for _ in range(rounds):
            self.step()
            self.gone()
            self.ready()

    def change(self, **spec: Any) -> None:
        """A new template; the image says which."""
        self.owner["spec"] |= stateful_set(self.owner["spec"]["replicas"], **spec)["spec"]
        self.update = revision(self.owner, 2)

    @property
    def names(self) -> list[str]:
        return sorted(self.pods)


def settled(replicas: int = 3, **spec: Any) -> World:
    world = World(stateful_set(replicas, **spec))
    world.settle(20)
    return world


def test_pods_are_created_one_after_another_each_when_the_one_before_is_ready() -> None:
    world = World(stateful_set(3))
    for expected in (["db-0"], ["db-0", "db-1"], ["db-0", "db-1", "db-2"]):
        world.step()
        world.step()
        assert world.names == expected
        world.ready()
    assert world.step().actions == []


def test_in_parallel_all_pods_are_created_at_once() -> None:
    world = World(stateful_set(3, podManagementPolicy="Parallel"))
    world.step()
    assert world.names == ["db-0", "db-1", "db-2"]


def test_a_pod_has_its_name_labels_hostname_and_subdomain() -> None:
    world = settled(1)
    (pod,) = world.pods.values()
    labels = labels_of(pod)
    assert labels["statefulset.kubernetes.io/pod-name"] == "db-0"
    assert labels["apps.kubernetes.io/pod-index"] == "0"
    assert labels["controller-revision-hash"] == name_of(world.update)
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("db-0", "svc")


def test_ordinals_begin_at_start() -> None:
    assert settled(2, ordinals={"start": 5}).names == ["db-5", "db-6"]


def test_moving_the_start_ends_the_pods_below_it() -> None:
    world = settled(3)
    world.owner["spec"]["ordinals"] = {"start": 2}
    world.settle()
    assert world.names == ["db-2", "db-3", "db-4"]


def test_scaling_down_ends_the_highest_first_and_waits_for_its_end() -> None:
    world = settled(3)
    world.owner["spec"]["replicas"] = 1
    world.step()
    assert [name for name, pod in world.pods.items() if is_deleting(pod)] == ["db-2"]
    assert world.step().actions == []
    world.gone()
    world.step()
    assert [name for name, pod in world.pods.items() if is_deleting(pod)] == ["db-1"]


def test_scaling_down_halts_at_an_unready_pod_of_the_range() -> None:
    world = settled(3)
    world.pods["db-0"]["status"]["conditions"][0]["status"] = "False"
    world.owner["spec"]["replicas"] = 1
    assert world.step().actions == []


def test_a_failed_pod_is_deleted_and_made_again() -> None:
    world = settled(2)
    before = uid_of(world.pods["db-0"])
    world.fail("db-0")
    world.step()
    assert is_deleting(world.pods["db-0"])
    world.gone()
    world.step()
    assert uid_of(world.pods["db-0"]) != before


def test_the_rolling_update_goes_from_the_highest_down_one_at_a_time() -> None:
    world = settled(3)
    world.change(image="two")
    order = []
    for _ in range(12):
        world.step()
        deleting = [name for name, pod in world.pods.items() if is_deleting(pod)]
        assert len(deleting) <= 1
        order += deleting
        world.gone()
        world.ready()
    assert order == ["db-2", "db-1", "db-0"]
    assert {revision_of(pod) for pod in world.pods.values()} == {name_of(world.update)}
    assert world.owner["status"]["currentRevision"] == name_of(world.update)


def test_a_partition_keeps_the_pods_below_it_and_remakes_them_from_the_old_revision() -> None:
    world = settled(3)
    old = name_of(world.update)
    world.change(image="two", updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    world.settle(20)
    assert [revision_of(world.pods[name]) == old for name in world.names] == [True, True, False]
    world.fail("db-1")
    world.settle(20)
    assert revision_of(world.pods["db-1"]) == old
    status = world.owner["status"]
    assert (status["currentReplicas"], status["updatedReplicas"]) == (2, 1)
    assert status["currentRevision"] == old


def test_on_delete_replaces_only_what_somebody_deleted() -> None:
    world = settled(2, updateStrategy={"type": "OnDelete"})
    world.change(image="two", updateStrategy={"type": "OnDelete"})
    world.settle(5)
    assert name_of(world.update) not in {revision_of(pod) for pod in world.pods.values()}
    del world.pods["db-1"]
    world.settle(5)
    assert revision_of(world.pods["db-1"]) == name_of(world.update)


def test_min_ready_seconds_hold_the_next_pod_back() -> None:
    world = World(stateful_set(2, minReadySeconds=10))
    world.step()
    world.ready()
    world.step()
    assert world.names == ["db-0"]
    world.now += 10
    world.step()
    assert world.names == ["db-0", "db-1"]


CLAIM = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}


def owners(world: World, name: str) -> list[str]:
    return [ref["name"] for ref in world.claims[name]["metadata"].get("ownerReferences") or ()]


def retention(scaled: str, deleted: str) -> dict[str, Any]:
    policy = {"whenScaled": scaled, "whenDeleted": deleted}
    return {"volumeClaimTemplates": [CLAIM], "persistentVolumeClaimRetentionPolicy": policy}


def test_claims_come_before_their_pod_and_stay() -> None:
    world = settled(2, **retention("Retain", "Retain"))
    assert sorted(world.claims) == ["data-db-0", "data-db-1"]
    assert world.pods["db-1"]["spec"]["volumes"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}}
    ]
    assert world.claims["data-db-0"]["metadata"]["labels"] == {"app": "db"}
    world.owner["spec"]["replicas"] = 0
    world.settle(5)
    assert [owners(world, name) for name in sorted(world.claims)] == [[], []]


def test_the_retention_policy_says_who_owns_a_claim() -> None:
    world = settled(2, **retention("Delete", "Delete"))
    assert owners(world, "data-db-1") == ["db"]
    world.owner["spec"]["replicas"] = 1
    world.step()
    assert owners(world, "data-db-1") == ["db-1"]
    assert owners(world, "data-db-0") == ["db"]
    world.owner["spec"] |= retention("Retain", "Retain")
    world.step()
    assert owners(world, "data-db-0") == []


def test_a_pod_waits_for_the_end_of_its_predecessors_claim() -> None:
    world = settled(2, **retention("Delete", "Retain"))
    world.owner["spec"]["replicas"] = 1
    world.step()
    world.gone()
    world.owner["spec"]["replicas"] = 2
    world.step()
    assert world.names == ["db-0"]
    del world.claims["data-db-1"]
    world.step()
    assert world.names == ["db-0", "db-1"]


def test_a_deleted_stateful_set_does_nothing_more() -> None:
    world = World(stateful_set(3))
    world.owner["metadata"]["deletionTimestamp"] = rfc3339(NOW)
    assert world.step().actions == []


EVENTS = st.sampled_from(["step", "step", "step", "ready", "gone", "fail", "scale", "change", "unready"])


@given(st.lists(st.tuples(EVENTS, st.integers(0, 4)), max_size=60), st.booleans())
@settings(max_examples=80, deadline=None)
def test_order_holds_whatever_happens_and_in_the_end_all_is_as_wanted(
    events: list[tuple[str, int]], ordered: bool
) -> None:
    policy = "OrderedReady" if ordered else "Parallel"
    world = World(stateful_set(3, podManagementPolicy=policy))
    for event, number in events:
        names = world.names
        chosen = names[number % len(names)] if names else ""
        if event == "step":
            check_step(world, ordered)
        elif event == "ready" and chosen and world.pods[chosen]["status"]["phase"] != "Failed":
            world.ready(chosen)
        elif event == "gone":
            world.gone()
        elif event == "fail" and chosen:
            world.fail(chosen)
        elif event == "unready" and chosen and world.pods[chosen]["status"]["phase"] == "Running":
            world.pods[chosen]["status"]["conditions"][0]["status"] = "False"
        elif event == "scale":
            world.owner["spec"]["replicas"] = number
        elif event == "change":
            world.change(image=f"v{number}", podManagementPolicy=policy)
    for _ in range(30):
        check_step(world, ordered)
        world.gone()
        for name, pod in world.pods.items():
            if pod["status"]["phase"] != "Failed":
                world.ready(name)
    assert world.names == [f"db-{ordinal}" for ordinal in ordinals(world.owner)]
    assert {revision_of(pod) for pod in world.pods.values()} <= {name_of(world.update)}
    assert world.step().actions == []


def check_step(world: World, ordered: bool) -> None:
    before = copy.deepcopy(world.pods)
    world.step()
    created = [pod for name, pod in world.pods.items() if name not in before]
    ended = [pod for name, pod in world.pods.items() if is_deleting(pod) and not is_deleting(before.get(name, pod))]
    wanted = ordinals(world.owner)
    assert all(ordinal_of(pod) in wanted for pod in created)
    if not ordered:
        return
    assert len(created) + len(ended) <= 1
    for pod in created:
        below = [before.get(f"db-{ordinal}") for ordinal in range(wanted.start, ordinal_of(pod))]
        assert all(one and one["status"]["phase"] == "Running" and not is_deleting(one) for one in below)
    for pod in ended:
        # Nothing else is on its way out, or the pod was lost anyway.
        others = [one for name, one in before.items() if name != name_of(pod) and is_deleting(one)]
        assert not others or pod["status"]["phase"] == "Failed"
