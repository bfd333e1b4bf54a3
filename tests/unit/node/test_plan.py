"""What a plan asks for, by example and by property."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kube_actors.api import Obj
from kube_actors.node.pods.actions import (
    CreateSandbox,
    KillContainer,
    RemoveContainer,
    RemoveSandbox,
    StartContainer,
)
from kube_actors.node.pods.backoff import BackoffEntry
from kube_actors.node.pods.facts import Definition, Facts, Probed, Waiting
from kube_actors.node.pods.plan import plan_pod
from kube_actors.node.pods.view import view_pod
from kube_actors.node.runtime.interface import ContainerRecord, ContainerState, PodRecord

from .conftest import make_pod

NOW = 1_000_000.0
C = Definition("c", "web:1")


def container(
    name: str = "c", attempt: int = 0, exit_code: int | None = None, ended: float = NOW - 1, **more: Any
) -> ContainerRecord:
    """A running container, or with `exit_code` one that has ended."""
    return ContainerRecord(
        id=f"x://{name}-{attempt}",
        name=name,
        attempt=attempt,
        state=ContainerState.RUNNING if exit_code is None else ContainerState.EXITED,
        image="web:1",
        image_id="",
        created_at=NOW - 100,
        started_at=NOW - 100,
        finished_at=0.0 if exit_code is None else ended,
        exit_code=exit_code or 0,
        **more,
    )


def record(*containers: ContainerRecord, ready: bool = True) -> PodRecord:
    return PodRecord("x://s", "default", "p", "uid-p", 0, ready, "10.0.0.2", NOW - 100, containers)


def plan(pod: Obj, found: PodRecord | None, facts: Facts | None = None, now: float = NOW) -> Any:
    return plan_pod(pod, view_pod(pod, found, pod.get("status")), facts or Facts(started_at=NOW), now)


def two() -> list[Obj]:
    return [{"name": "a", "image": "web:1"}, {"name": "b", "image": "web:1"}]


def test_a_new_pod_gets_a_sandbox_first() -> None:
    assert plan(make_pod(), None).actions == (CreateSandbox(0),)


def test_all_containers_start_in_order_once_the_sandbox_stands() -> None:
    assert plan(make_pod(containers=two()), record()).actions == (StartContainer("a", 0), StartContainer("b", 0))


def test_nothing_is_done_for_a_pod_that_runs() -> None:
    result = plan(make_pod(), record(container()))
    assert result.actions == ()
    assert result.wake_at is None


def test_the_first_restart_is_made_at_once_and_the_next_one_waits() -> None:
    found = record(container(exit_code=1, ended=NOW - 1))
    assert plan(make_pod(), found).actions == (StartContainer("c", 1, NOW - 1),)
    waiting = plan(make_pod(), found, Facts(backoff={C: BackoffEntry(10, NOW - 5)}))
    assert waiting.actions == ()
    assert waiting.wake_at == NOW + 9
    assert [each.delay for each in waiting.backing_off] == [10]


def test_a_run_of_more_than_ten_minutes_forgives_the_past() -> None:
    found = record(container(exit_code=1, ended=NOW - 1))
    facts = Facts(backoff={C: BackoffEntry(300, NOW - 700)})
    assert plan(make_pod(), found, facts).actions == (StartContainer("c", 1, NOW - 1),)


def test_on_failure_restarts_failures_only() -> None:
    pod = make_pod(containers=two(), restartPolicy="OnFailure")
    result = plan(pod, record(container("a", exit_code=0), container("b", exit_code=1)))
    assert [action.name for action in result.actions] == ["b"]
    assert plan(pod, record(container("a", exit_code=0), container("b", exit_code=0))).finished


def test_a_container_may_have_a_restart_rule_of_its_own() -> None:
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    spec = {"name": "c", "image": "web:1", "restartPolicy": "Never", "restartPolicyRules": rules}
    pod = make_pod(containers=[spec])
    assert plan(pod, record(container(exit_code=42))).actions == (StartContainer("c", 1, NOW - 1),)
    assert plan(pod, record(container(exit_code=1))).finished


def test_init_containers_go_one_by_one() -> None:
    inits = [{"name": "i1", "image": "i"}, {"name": "i2", "image": "i"}]
    pod = make_pod(initContainers=inits)
    assert plan(pod, record()).actions == (StartContainer("i1", 0),)
    assert plan(pod, record(container("i1"))).actions == ()
    assert plan(pod, record(container("i1", exit_code=0))).actions == (StartContainer("i2", 0),)
    done = record(container("i1", exit_code=0), container("i2", exit_code=0))
    assert plan(pod, done).actions == (StartContainer("c", 0),)


def test_a_failed_init_container_is_repeated_or_fails_the_pod() -> None:
    pod = make_pod(initContainers=[{"name": "i", "image": "i"}])
    assert plan(pod, record(container("i", exit_code=1))).actions == (StartContainer("i", 1, NOW - 1),)
    never = make_pod(initContainers=[{"name": "i", "image": "i"}], restartPolicy="Never")
    assert plan(never, record(container("i", exit_code=1))).finished


def test_a_sidecar_has_to_start_before_what_follows() -> None:
    pod = make_pod(initContainers=[{"name": "s", "image": "i", "restartPolicy": "Always"}])
    assert plan(pod, record()).actions == (StartContainer("s", 0),)
    probed = Facts(probed={"x://s-0": Probed(started=False)})
    assert plan(pod, record(container("s")), probed).actions == ()
    assert plan(pod, record(container("s"))).actions == (StartContainer("c", 0),)


def test_a_sidecar_restarts_beside_the_running_containers() -> None:
    pod = make_pod(initContainers=[{"name": "s", "image": "i", "restartPolicy": "Always"}], restartPolicy="Never")
    result = plan(pod, record(container("s", exit_code=1), container("c")))
    assert result.actions == (StartContainer("s", 1, NOW - 1),)


def test_a_run_that_failed_its_probe_is_killed_and_nothing_else_is_done_to_it() -> None:
    facts = Facts(probed={"x://c-0": Probed(live=False, failed="liveness")})
    (action,) = plan(make_pod(), record(container()), facts).actions
    assert isinstance(action, KillContainer)
    assert action.message == "Container c failed liveness probe, will be restarted"


def test_a_changed_image_restarts_the_container() -> None:
    (action,) = plan(make_pod(), record(container(spec_hash="web:0"))).actions
    assert isinstance(action, KillContainer)
    assert action.message == "Container c definition changed, will be restarted"
    assert plan(make_pod(), record(container(spec_hash="web:1"))).actions == ()


def test_a_dead_sandbox_ends_its_containers_goes_and_is_made_again() -> None:
    (action,) = plan(make_pod(), record(container(), ready=False)).actions
    assert isinstance(action, KillContainer)
    assert plan(make_pod(), record(container(exit_code=137), ready=False)).actions == (RemoveSandbox("x://s"),)


def test_a_pod_that_never_restarts_is_over_when_its_sandbox_died() -> None:
    pod = make_pod(restartPolicy="Never")
    assert plan(pod, record(container(exit_code=137), ready=False)).finished


def test_what_ran_before_a_reboot_is_counted_and_not_repeated_where_it_may_not_be() -> None:
    status = {
        "containerStatuses": [{"name": "c", "restartCount": 4, "state": {"running": {}}, "containerID": "x://old"}]
    }
    pod = make_pod() | {"status": status}
    assert plan(pod, None).actions == (CreateSandbox(0),)
    assert plan(pod, record()).actions == (StartContainer("c", 5, 0.0),)
    never = make_pod(restartPolicy="Never") | {"status": status}
    assert plan(never, None).finished


def test_a_start_that_failed_waits_for_its_time() -> None:
    facts = Facts(waiting={C: Waiting("ErrImagePull", "no", NOW + 3)})
    result = plan(make_pod(), record(), facts)
    assert result.actions == ()
    assert result.wake_at == NOW + 3


def test_a_changed_image_knows_nothing_of_the_failures_of_the_one_before() -> None:
    found = record(container(exit_code=1, ended=NOW - 1))
    facts = Facts(backoff={C: BackoffEntry(80, NOW)}, waiting={C: Waiting("ImagePullBackOff", "no", NOW + 70)})
    changed = make_pod(containers=[{"name": "c", "image": "web:2"}])
    assert plan(changed, found, facts).actions == (StartContainer("c", 1, NOW - 1),)
    assert plan(make_pod(), found, facts).wake_at == NOW + 79


def test_old_dead_runs_are_removed_but_for_the_last_two() -> None:
    runs = [container(attempt=attempt, exit_code=1) for attempt in range(4)]
    facts = Facts(backoff={C: BackoffEntry(10, NOW)})
    removed = [
        action.id for action in plan(make_pod(), record(*runs), facts).actions if isinstance(action, RemoveContainer)
    ]
    assert removed == ["x://c-1", "x://c-0"]


def test_the_deadline_counts_from_the_start() -> None:
    pod = make_pod(activeDeadlineSeconds=60)
    assert plan(pod, record(container()), now=NOW + 59).wake_at == NOW + 60
    over = plan(pod, record(container()), now=NOW + 60)
    assert over.finished
    assert over.failure is not None
    assert over.failure.reason == "DeadlineExceeded"


# Properties, over a small model of a node that performs what it is asked.

POLICIES = st.sampled_from(["Always", "OnFailure", "Never"])
EVENTS = st.lists(
    st.tuples(st.sampled_from(["end", "wait", "sandbox"]), st.integers(0, 3), st.integers(0, 1)), max_size=25
)


class Model:
    """A runtime in which actions take no time."""

    def __init__(self, pod: Obj) -> None:
        self.pod = pod
        self.record: PodRecord | None = None
        self.backoff: dict[Definition, BackoffEntry] = {}
        self.now = NOW
        self.starts: list[str] = []

    def settle(self) -> Any:
        for _ in range(30):
            result = plan(self.pod, self.record, Facts(started_at=NOW, backoff=self.backoff), self.now)
            if not result.actions:
                return result
            for action in result.actions:
                self.perform(action)
        raise AssertionError("plans do not come to rest")

    def perform(self, action: Any) -> None:
        if isinstance(action, CreateSandbox):
            assert self.record is None
            self.record = record()
            return
        assert self.record is not None
        containers = list(self.record.containers)
        if isinstance(action, RemoveSandbox):
            assert not any(each.state is ContainerState.RUNNING for each in containers)
            self.record = None
            return
        if isinstance(action, StartContainer):
            assert self.record.ready
            running = [each.name for each in containers if each.state is ContainerState.RUNNING]
            assert action.name not in running, "started twice"
            self.starts.append(action.name)
            containers.append(container(action.name, action.attempt))
        elif isinstance(action, KillContainer):
            containers = [self.ended(each, 137) if each.id == action.id else each for each in containers]
        elif isinstance(action, RemoveContainer):
            containers = [each for each in containers if each.id != action.id]
        self.record = PodRecord("x://s", "default", "p", "uid-p", 0, self.record.ready, "", NOW, tuple(containers))

    def ended(self, each: ContainerRecord, code: int) -> ContainerRecord:
        return container(each.name, each.attempt, code, self.now)

    def happen(self, kind: str, index: int, code: int) -> None:
        if kind == "wait":
            self.now += 400
        elif self.record is not None and kind == "sandbox":
            self.record = record(*self.record.containers, ready=False)
        elif self.record is not None:
            running = [each for each in self.record.containers if each.state is ContainerState.RUNNING]
            if running:
                chosen = running[index % len(running)]
                rest = [self.ended(each, code) if each is chosen else each for each in self.record.containers]
                self.record = record(*rest, ready=self.record.ready)


def model_pod(policy: str, inits: int) -> Obj:
    names = [{"name": f"i{index}", "image": "i"} for index in range(inits)]
    return make_pod(containers=two(), initContainers=names, restartPolicy=policy)


@settings(max_examples=60, deadline=None)
@given(POLICIES, st.integers(0, 2), EVENTS)
def test_plans_come_to_rest_and_never_start_what_runs(policy: str, inits: int, happenings: list[Any]) -> None:
    model = Model(model_pod(policy, inits))
    model.settle()
    for happening in happenings:
        model.happen(*happening)
        first = model.settle()
        again = plan(model.pod, model.record, Facts(started_at=NOW, backoff=model.backoff), model.now)
        assert again == first


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2),
    st.lists(st.tuples(st.sampled_from(["end", "wait"]), st.integers(0, 3), st.integers(0, 1)), max_size=25),
)
def test_a_pod_that_never_restarts_runs_each_container_once_at_most(inits: int, happenings: list[Any]) -> None:
    model = Model(model_pod("Never", inits))
    model.settle()
    for happening in happenings:
        model.happen(*happening)
        model.settle()
    assert len(model.starts) == len(set(model.starts))


@settings(max_examples=60, deadline=None)
@given(POLICIES, EVENTS)
def test_regular_containers_wait_for_all_init_containers(policy: str, happenings: list[Any]) -> None:
    model = Model(model_pod(policy, 2))
    model.settle()
    for happening in happenings:
        model.happen(*happening)
        model.settle()
        if "a" in model.starts:
            assert model.starts.index("i0") < model.starts.index("i1") < model.starts.index("a")
