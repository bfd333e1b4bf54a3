"""Resizing pods that run, in virtual time over the simulated runtime: grants, refusals, restarts, a new agent."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube_actors.api import Obj
from kube_actors.api.pods import accounted, requests_of
from kube_actors.api.resources import EVENTS, PODS
from kube_actors.node.containers.resources import applied, limits_of, pod_limits
from kube_actors.node.pods.actions import KillContainer, ResizeContainers
from kube_actors.node.pods.facts import Facts
from kube_actors.node.pods.plan import plan_pod, spec_hash
from kube_actors.node.pods.view import view_pod
from kube_actors.node.resize.grants import remembered, wanted, with_grant
from kube_actors.node.resize.resizes import judge
from kube_actors.node.resize.state import Progress, ResizeState
from kube_actors.node.runtime.interface import ContainerRecord, ContainerState, Limits, PodRecord, RuntimeFailure
from kube_actors.node.runtime.simulated import Behaviour, Rule, SimulatedConfig

from .conftest import MakeWorld, World, make_pod

pytestmark = pytest.mark.looptime

MI = 1 << 20
RESTART = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]


def sized(cpu: str = "500m", memory: str = "256Mi", name: str = "c", limited: bool = True, **more: Any) -> Obj:
    amounts = {"cpu": cpu, "memory": memory}
    resources = {"requests": amounts} | ({"limits": amounts} if limited else {})
    return {"name": name, "image": "web:1", "resources": resources} | more


async def resize(world: World, *containers: Obj, name: str = "p", **spec: Any) -> None:
    """As the resize subresource does it."""
    pod = world.pod(name)
    assert pod is not None
    old = {each["name"]: each for each in pod["spec"]["containers"]}
    new = [old[each["name"]] | {"resources": each["resources"]} for each in containers]
    await world.client.update(PODS, pod | {"spec": pod["spec"] | {"containers": new} | spec})


def condition(world: World, kind: str, name: str = "p") -> Obj:
    return next((each for each in world.status(name).get("conditions") or () if each["type"] == kind), {})


async def limits(world: World, name: str = "p") -> dict[str, Limits | None]:
    record = await world.runtime.pod(f"uid-{name}")
    return (
        {each.name: each.limits for each in record.containers if each.state is ContainerState.RUNNING} if record else {}
    )


def told(world: World, reason: str) -> list[str]:
    return [each["message"] for each in world.client.objects(EVENTS) if each["reason"] == reason]


async def runs(world: World, *names: str) -> None:
    for name in names or ("p",):
        await world.until(lambda name=name: world.status(name).get("phase") == "Running")


async def test_a_resize_reaches_the_container_without_a_restart(make_world: MakeWorld) -> None:
    world = await make_world(None, make_pod(containers=[sized()]))
    await runs(world)
    await resize(world, sized("1", "512Mi"))
    await world.until(lambda: world.container()["resources"]["limits"] == {"cpu": "1", "memory": "512Mi"})
    assert world.container()["allocatedResources"] == {"cpu": "1", "memory": "512Mi"}
    assert world.container()["restartCount"] == 0
    assert await limits(world) == {"c": Limits(1024, 100_000, 512 * MI)}
    await world.until(lambda: told(world, "ResizeCompleted"))
    body = '{"containers":[{"name":"c","resources":{"limits":{"cpu":"1","memory":"512Mi"},'
    body += '"requests":{"cpu":"1","memory":"512Mi"}}}],"generation":2}'
    assert told(world, "ResizeStarted") == [f"Pod resize started: {body}"]
    assert told(world, "ResizeCompleted") == [f"Pod resize completed: {body}"]
    assert not condition(world, "PodResizeInProgress")
    await resize(world, sized())
    await world.until(lambda: world.container()["resources"]["limits"] == {"cpu": "500m", "memory": "256Mi"})
    assert world.runtime.starts == 1


async def test_a_policy_of_restart_restarts_once_and_only_for_its_resource(make_world: MakeWorld) -> None:
    pod = make_pod(containers=[sized(resizePolicy=RESTART)], restartPolicy="OnFailure")
    world = await make_world(None, pod)
    await runs(world)
    await resize(world, sized("1"))
    await world.until(lambda: world.container()["resources"]["limits"]["cpu"] == "1")
    assert world.container()["restartCount"] == 0
    await resize(world, sized("1", "300Mi"))
    await world.until(lambda: world.container()["restartCount"] == 1)
    await asyncio.sleep(60)
    assert world.container()["resources"]["limits"] == {"cpu": "1", "memory": "300Mi"}
    assert world.container()["restartCount"] == 1
    assert told(world, "Killing") == ["Container c resize requires restart"]
    assert len(told(world, "ResizeCompleted")) == 2


async def test_what_no_node_of_this_size_has_is_infeasible_until_it_is_taken_back(make_world: MakeWorld) -> None:
    world = await make_world(None, make_pod(containers=[sized()]))
    await runs(world)
    await resize(world, sized("100"))
    await world.until(lambda: condition(world, "PodResizePending"))
    shown = condition(world, "PodResizePending")
    assert (shown["status"], shown["reason"], shown["observedGeneration"]) == ("True", "Infeasible", 2)
    assert shown["message"] == "Node didn't have enough capacity: cpu, requested: 100000, capacity: 4000"
    assert world.container()["allocatedResources"]["cpu"] == "500m"
    await world.until(lambda: told(world, "ResizeInfeasible"))
    assert told(world, "ResizeInfeasible")[0].endswith(f'"error":"{shown["message"]}"}}')
    await resize(world, sized())
    await world.until(lambda: not condition(world, "PodResizePending"))
    assert world.runtime.starts == 1
    assert told(world, "ResizeStarted") == []


async def test_a_deferred_resize_is_made_when_another_pod_leaves(make_world: MakeWorld) -> None:
    world = await make_world(None, make_pod(containers=[sized("1")]), make_pod("other", containers=[sized("2")]))
    await runs(world, "p", "other")
    await resize(world, sized("3"))
    await world.until(lambda: condition(world, "PodResizePending"))
    shown = condition(world, "PodResizePending")
    assert shown["reason"] == "Deferred"
    assert shown["message"] == "Node didn't have enough resource: cpu, requested: 3000, used: 2000, capacity: 4000"
    await world.until(lambda: told(world, "ResizeDeferred"))
    world.delete("other", grace=1)
    await world.until(lambda: world.container()["resources"]["limits"]["cpu"] == "3")
    assert not condition(world, "PodResizePending")
    assert world.runtime.starts == 2


async def test_room_goes_to_the_higher_priority_and_a_shrinking_pod_makes_it(make_world: MakeWorld) -> None:
    pods = [
        make_pod(name, containers=[sized("1")], priority=rank) for name, rank in (("low", 1), ("high", 9), ("big", 0))
    ]
    world = await make_world(None, *pods)
    await runs(world, "low", "high", "big")
    await resize(world, sized("2500m"), name="low")
    await world.until(lambda: condition(world, "PodResizePending", "low"))
    await resize(world, sized("2500m"), name="high")
    await world.until(lambda: condition(world, "PodResizePending", "high"))
    await resize(world, sized("500m"), name="big")
    await world.until(lambda: world.container("high")["resources"]["limits"]["cpu"] == "2500m")
    await asyncio.sleep(30)
    assert condition(world, "PodResizePending", "low")["reason"] == "Deferred"
    assert world.container("low")["resources"]["limits"]["cpu"] == "1"


async def test_memory_is_not_taken_below_its_use(make_world: MakeWorld) -> None:
    world = await make_world(SimulatedConfig(Behaviour(memory_bytes=200 * MI)), make_pod(containers=[sized()]))
    await runs(world)
    await resize(world, sized("1", "100Mi"))
    await world.until(lambda: condition(world, "PodResizeInProgress").get("reason") == "Error")
    text = f"attempting to set pod memory limit ({100 * MI}) below current usage ({200 * MI}), "
    text += f'attempting to set container "c" memory limit ({100 * MI}) below current usage ({200 * MI})'
    assert condition(world, "PodResizeInProgress")["message"] == f"cannot decrease memory limits: [{text}]"
    assert world.container()["resources"]["limits"]["memory"] == "256Mi"
    assert world.container()["allocatedResources"]["memory"] == "100Mi"
    await asyncio.sleep(60)
    assert len(told(world, "ResizeError")) == 1
    await resize(world, sized("1", "250Mi"))
    await world.until(lambda: world.container()["resources"]["limits"]["memory"] == "250Mi")
    assert not condition(world, "PodResizeInProgress")
    assert world.runtime.starts == 1


async def test_what_a_pod_has_not_given_back_yet_is_not_given_away(make_world: MakeWorld) -> None:
    config = SimulatedConfig(rules=(Rule(Behaviour(memory_bytes=5000 * MI), image="big:1"),))
    big = sized("1", "6Gi") | {"image": "big:1"}
    world = await make_world(config, make_pod(containers=[big]), make_pod("q", containers=[sized("1", "1Gi")]))
    await runs(world, "p", "q")
    await resize(world, sized("1", "1Gi"))
    await world.until(lambda: condition(world, "PodResizeInProgress").get("reason") == "Error")
    await resize(world, sized("1", "5Gi"), name="q")
    await world.until(lambda: condition(world, "PodResizePending", "q"))
    assert condition(world, "PodResizePending", "q")["reason"] == "Deferred"
    await resize(world, sized("1", "5Gi"))
    await asyncio.sleep(30)
    await resize(world, sized("1", "3Gi"), name="q")
    await world.until(lambda: world.container("q")["resources"]["limits"]["memory"] == "3Gi")


async def test_what_the_runtime_refuses_is_told_and_tried_again(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await make_world(None, make_pod(containers=[sized()]))
    await runs(world)
    real, left = world.runtime.update_limits, [3]

    async def refuse(container_id: str, limits: Limits) -> None:
        if left[0] == 0:
            await real(container_id, limits)
            return
        left[0] -= 1
        raise RuntimeFailure("no")

    monkeypatch.setattr(world.runtime, "update_limits", refuse)
    await resize(world, sized("1"))
    await world.until(lambda: condition(world, "PodResizeInProgress").get("message") == "no")
    assert 15 < await world.until(lambda: not condition(world, "PodResizeInProgress")) < 35
    assert world.container()["resources"]["limits"]["cpu"] == "1"


async def test_several_containers_and_a_sidecar_are_resized_at_once(make_world: MakeWorld) -> None:
    side = sized("100m", "64Mi", "side", restartPolicy="Always")
    pod = make_pod(containers=[sized(name="a"), sized(name="b")], initContainers=[side])
    world = await make_world(None, pod)
    await runs(world)
    await resize(
        world, sized("600m", name="a"), sized("400m", name="b"),
        initContainers=[side | {"resources": sized("150m", "70Mi")["resources"]}],
    )  # fmt: skip
    await world.until(lambda: told(world, "ResizeCompleted"))
    found = {name: (each.cpu_quota_us, each.memory_bytes) for name, each in (await limits(world)).items() if each}
    assert found == {"a": (60_000, 256 * MI), "b": (40_000, 256 * MI), "side": (15_000, 70 * MI)}
    assert world.status()["initContainerStatuses"][0]["resources"]["limits"]["cpu"] == "150m"
    assert world.runtime.starts == 3


@pytest.mark.parametrize("away", [False, True], ids=["resized before", "resized while away"])
async def test_a_restart_of_the_agent_loses_no_resize_and_restarts_no_container(
    make_world: MakeWorld, away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await make_world(None, make_pod(containers=[sized()]), make_pod("a", containers=[sized("2")]))
    await runs(world, "p", "a")

    async def hang(container_id: str, limits: Limits) -> None:
        raise RuntimeFailure("the engine is away")

    with monkeypatch.context() as patched:
        patched.setattr(world.runtime, "update_limits", hang)
        if not away:
            await resize(world, sized("1"))
            await world.until(lambda: condition(world, "PodResizeInProgress").get("reason") == "Error")
            await resize(world, sized("3800m"), name="a")
            await world.until(lambda: condition(world, "PodResizePending", "a"))
        await world.agent.stop()
    if away:
        await resize(world, sized("1"))
        await resize(world, sized("3800m"), name="a")
    world.agent = world.new_agent()
    await world.agent.start()
    await world.until(lambda: world.container()["resources"]["limits"]["cpu"] == "1")
    await world.until(lambda: condition(world, "PodResizePending", "a").get("reason") == "Deferred")
    await world.until(lambda: not condition(world, "PodResizeInProgress"))
    assert world.container("a")["allocatedResources"]["cpu"] == "2"
    # It is told anew with every other reason: what the first pod uses grew.
    assert len(told(world, "ResizeDeferred")) == (2 if away else 1)
    assert world.runtime.starts == 2


async def test_what_a_pod_that_never_ran_was_granted_is_known_to_the_next_agent(make_world: MakeWorld) -> None:
    world = await make_world(SimulatedConfig(Behaviour(image_missing=True)), make_pod(containers=[sized()]))
    await world.until(lambda: world.container().get("state", {}).get("waiting", {}).get("reason") == "ErrImagePull")
    await resize(world, sized("100"))
    await world.until(lambda: condition(world, "PodResizePending"))
    await world.agent.stop()
    world.agent = world.new_agent()
    await world.agent.start()
    await asyncio.sleep(60)
    assert condition(world, "PodResizePending")["reason"] == "Infeasible"
    assert world.container()["allocatedResources"]["cpu"] == "500m"


async def test_a_pod_that_waits_for_a_resize_takes_no_room_from_new_pods(make_world: MakeWorld) -> None:
    world = await make_world(None, make_pod(containers=[sized("2")]), make_pod("q", containers=[sized("1")]))
    await runs(world, "p", "q")
    await resize(world, sized("3500m"))
    await world.until(lambda: condition(world, "PodResizePending"))
    world.client.put(make_pod("new", containers=[sized("1")]))
    world.client.put(make_pod("late", containers=[sized("1")]))
    await runs(world, "new")
    await world.until(lambda: world.status("late").get("phase") == "Failed")
    text = "Pod was rejected: Node didn't have enough resource: cpu, requested: 1000, used: 4000, capacity: 4000"
    assert (world.status("late")["reason"], world.status("late")["message"]) == ("OutOfcpu", text)


async def test_resources_of_the_whole_pod_are_resized_in_the_containers_without_their_own(
    make_world: MakeWorld,
) -> None:
    bare = {"name": "bare", "image": "web:1"}
    whole = sized("1", "1Gi")["resources"]
    world = await make_world(None, make_pod(containers=[sized(), bare], resources=whole))
    await runs(world)
    assert (world.status()["resources"], world.status()["allocatedResources"]) == (whole, whole["requests"])
    more = sized("2", "2Gi")["resources"]
    await resize(world, sized(), bare | {"resources": {}}, resources=more)
    await world.until(lambda: told(world, "ResizeCompleted"))
    assert await limits(world) == {"c": Limits(512, 50_000, 256 * MI), "bare": Limits(2048, 200_000, 2048 * MI)}
    assert world.status()["resources"] == more
    assert world.runtime.starts == 2


async def test_a_container_that_waits_for_its_restart_gets_the_new_resources_with_it(make_world: MakeWorld) -> None:
    world = await make_world(SimulatedConfig(Behaviour(run_seconds=1, exit_code=1, failing_runs=3)), make_pod(
        containers=[sized()]
    ))  # fmt: skip
    await world.until(lambda: world.container().get("restartCount") == 2)
    await world.until(lambda: "waiting" in world.container()["state"])
    await resize(world, sized("1"))
    await world.until(lambda: told(world, "ResizeCompleted"))
    await world.until(lambda: "running" in world.container()["state"])
    assert await limits(world) == {"c": Limits(1024, 100_000, 256 * MI)}


async def test_a_static_pod_is_never_resized() -> None:
    pod = make_pod(containers=[sized()])
    pod["metadata"]["annotations"] = {"kubernetes.io/config.source": "file"}
    assert judge(pod, [], {"cpu": "4", "memory": "8Gi"}) == (
        "Infeasible", "In-place resize of static-pods is not supported",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("granted", "limits", "shown"),
    [
        # The memory of before is still in use.
        ({"requests": {"memory": "1Mi"}, "limits": {"memory": "1Mi"}}, Limits(2, 0, 2 * MI),
         {"requests": {"memory": "77Mi"}, "limits": {"memory": "2Mi"}}),
        # Two requests that the kernel cannot tell apart are shown as they were granted.
        ({"requests": {"cpu": "1m"}}, Limits(2), {"requests": {"cpu": "1m"}}),
        ({"limits": {"cpu": "5m"}}, Limits(5, 1000), {"limits": {"cpu": "5m"}}),
        ({"requests": {"cpu": "1"}}, Limits(512), {"requests": {"cpu": "500m"}}),
        ({"limits": {"cpu": "2", "memory": "1Gi"}}, Limits(2, 50_000, 64 * MI),
         {"limits": {"cpu": "500m", "memory": "64Mi"}}),
        # A limit that was granted and is not in force yet.
        ({"limits": {"cpu": "2"}, "requests": {"memory": "1Mi"}}, Limits(2),
         {"requests": {"memory": "1Mi"}, "limits": {}}),
    ],
)  # fmt: skip
def test_the_status_shows_what_is_in_force(granted: Obj, limits: Limits, shown: Obj) -> None:
    found = applied(granted, limits, {"requests": {"memory": "77Mi"}})
    assert {key: found.get(key) or {} for key in shown} == shown


# What a pod may become by resizes: amounts only, of containers that have them.
AMOUNTS = st.fixed_dictionaries(
    {"cpu": st.sampled_from(["1m", "2m", "20m", "500m", "1", "3"]), "memory": st.sampled_from(["35Mi", "64Mi", "1Gi"])}
)
POLICIES = st.fixed_dictionaries(
    {name: st.sampled_from(["NotRequired", "RestartContainer"]) for name in ("cpu", "memory")}
)


class Machine:
    """A runtime as a dict, and the plan performed on it until it asks for nothing."""

    def __init__(self, pod: Obj) -> None:
        self.records = {each["name"]: self._record(pod, each, 0) for each in pod["spec"]["containers"]}
        self.restarts: list[str] = []
        self.whole: Limits | None = None

    @staticmethod
    def _record(pod: Obj, container: Obj, attempt: int) -> ContainerRecord:
        name = container["name"]
        return ContainerRecord(
            f"x://{name}-{attempt}", name, attempt, ContainerState.RUNNING, "web:1", "", 1.0, 1.0,
            spec_hash=spec_hash(container), limits=limits_of(pod, container),
        )  # fmt: skip

    def settle(self, pod: Obj) -> int:
        """The rounds it took."""
        for count in range(10):
            facts = Facts(resize=ResizeState(progress=Progress(1)), whole=self.whole)
            record = PodRecord("x://s", "default", "p", "uid-p", 0, True, "", 1.0, tuple(self.records.values()))
            plan = plan_pod(pod, view_pod(pod, record), facts, 2.0)
            assert plan.resizing == bool(plan.actions)
            if not plan.actions:
                return count
            for action in plan.actions:
                self._perform(pod, action)
        raise AssertionError("the plan does not come to rest")

    def _perform(self, pod: Obj, action: object) -> None:
        containers = {each["name"]: each for each in pod["spec"]["containers"]}
        if isinstance(action, ResizeContainers):
            self.whole = action.whole
            for each in action.updates:
                old = self.records[each.name]
                assert old.id == each.id
                self.records[each.name] = ContainerRecord(
                    old.id, old.name, old.attempt, old.state, old.image, "", 1.0, 1.0,
                    spec_hash=old.spec_hash, limits=each.limits,
                )  # fmt: skip
        else:
            assert isinstance(action, KillContainer)
            assert action.replaced
            self.restarts.append(action.name)
            attempt = self.records[action.name].attempt + 1
            self.records[action.name] = self._record(pod, containers[action.name], attempt)


@settings(max_examples=200, deadline=None)
@given(st.lists(POLICIES, min_size=1, max_size=3), st.data())
def test_from_any_sequence_of_specs_the_plan_converges_and_restarts_only_where_the_policy_says(
    policies: list[dict[str, str]], data: st.DataObject
) -> None:
    def pod(sizes: list[dict[str, str]]) -> Obj:
        return make_pod(
            containers=[
                sized(size["cpu"], size["memory"], f"c{index}")
                | {"resizePolicy": [{"resourceName": key, "restartPolicy": value} for key, value in policy.items()]}
                for index, (size, policy) in enumerate(zip(sizes, policies, strict=True))
            ]
        )

    sizes = st.lists(AMOUNTS, min_size=len(policies), max_size=len(policies))
    before = data.draw(sizes)
    machine = Machine(pod(before))
    for after in data.draw(st.lists(sizes, max_size=5)):
        machine.restarts.clear()
        assert machine.settle(pod(after)) <= 2
        assert machine.whole == pod_limits(pod(after))
        due = [
            f"c{index}"
            for index, (old, new, policy) in enumerate(zip(before, after, policies, strict=True))
            if any(old[key] != new[key] and policy[key] == "RestartContainer" for key in policy)
        ]
        assert sorted(machine.restarts) == due
        wanted_limits = {each["name"]: limits_of(pod(after), each) for each in pod(after)["spec"]["containers"]}
        assert {name: record.limits for name, record in machine.records.items()} == wanted_limits
        before = after


@given(st.lists(AMOUNTS, min_size=1, max_size=3), st.lists(AMOUNTS, min_size=3, max_size=3), st.booleans())
def test_a_status_tells_what_was_granted(
    granted: list[dict[str, str]], asked: list[dict[str, str]], whole: bool
) -> None:
    pod = make_pod(containers=[sized(each["cpu"], each["memory"], f"c{i}") for i, each in enumerate(granted)])
    if whole:
        pod["spec"]["resources"] = {"requests": {"cpu": "8"}}
        pod["status"] |= {"resources": pod["spec"]["resources"], "allocatedResources": {"cpu": "8"}}
    pod["status"]["containerStatuses"] = [
        {"name": each["name"], "resources": each["resources"], "allocatedResources": each["resources"]["requests"]}
        for each in pod["spec"]["containers"]
    ]
    other = copy.deepcopy(pod)
    for container, size in zip(other["spec"]["containers"], asked, strict=False):
        container["resources"] = {"requests": size, "limits": size}
    assert with_grant(other, remembered(other))["spec"] == pod["spec"]
    assert with_grant(pod, wanted(pod)) is pod


def test_a_pod_counts_with_the_largest_of_what_it_asks_for_was_granted_and_has() -> None:
    side = sized("10m", "1Mi", "side", restartPolicy="Always")
    pod = make_pod(containers=[sized("1", "64Mi")], initContainers=[side, sized("2", "1Mi", "init")])
    pod["status"] |= {
        "containerStatuses": [
            {"name": "c", "allocatedResources": {"cpu": "500m", "memory": "64Mi"},
             "resources": {"requests": {"cpu": "2", "memory": "32Mi"}}},
        ],
        "initContainerStatuses": [
            {"name": "side", "allocatedResources": {"cpu": "20m"}, "resources": {}},
            {"name": "init", "allocatedResources": {"cpu": "50"}, "resources": {}},
        ],
    }  # fmt: skip
    assert requests_of(accounted(pod)) == {"cpu": 2020, "memory": 65 * MI}
    pod["spec"]["containers"][0]["resources"]["requests"] = {"cpu": "3", "memory": "64Mi"}
    assert requests_of(accounted(pod))["cpu"] == 3020
    pod["status"]["conditions"] = [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]
    assert requests_of(accounted(pod))["cpu"] == 2020
    assert accounted(make_pod()) is not None
