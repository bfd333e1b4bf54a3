"""The agent from end to end, over a fake API server and simulated containers, in virtual time."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from kube_actors.api.resources import EVENTS, LEASES, NODES, PODS
from kube_actors.node.runtime.interface import PodRecord, RuntimeFailure
from kube_actors.node.runtime.simulated import Behaviour, Rule, SimulatedConfig
from kube_actors.rpc.errors import RpcError

from .conftest import NODE, MakeWorld, World, make_pod

pytestmark = pytest.mark.looptime


def condition(world: World, kind: str, name: str = "p") -> str:
    return next((each["status"] for each in world.status(name).get("conditions", ()) if each["type"] == kind), "")


def events(world: World) -> list[tuple[str, str]]:
    return [(each["reason"], each["message"]) for each in world.client.objects(EVENTS)]


async def test_the_node_registers_with_lease_and_ready_condition(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.agent.registered()
    await world.until(lambda: world.client.peek(LEASES, f"kube-node-lease/{NODE}"))
    node = world.client.peek(NODES, NODE)
    assert node is not None
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == NODE
    assert node["spec"]["podCIDR"] == "10.1.0.0/24"
    assert node["status"]["allocatable"]["pods"] == "110"
    assert {each["type"]: each["status"] for each in node["status"]["conditions"]}["Ready"] == "True"


async def test_the_lease_is_renewed_every_ten_seconds(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.agent.registered()
    await asyncio.sleep(35)
    renewals = [verb for verb, plural, _ in world.client.writes if plural == "leases.coordination.k8s.io"]
    assert renewals == ["create", "patch", "patch", "patch"]


async def test_an_unchanged_node_status_is_written_every_five_minutes(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.agent.registered()
    before = len([1 for _, plural, _ in world.client.writes if plural == "nodes"])
    await asyncio.sleep(290)
    assert len([1 for _, plural, _ in world.client.writes if plural == "nodes"]) == before
    await asyncio.sleep(30)
    assert len([1 for _, plural, _ in world.client.writes if plural == "nodes"]) == before + 1


async def test_a_pod_runs_and_its_status_says_so(make_world: MakeWorld) -> None:
    world = await make_world(None, make_pod())
    await world.until(lambda: world.status().get("phase") == "Running")
    assert world.status()["podIP"] == "10.1.0.2"
    assert world.status()["observedGeneration"] == 1
    assert world.container()["ready"] is True
    assert condition(world, "Ready") == "True"
    await asyncio.sleep(1)
    reasons = [reason for reason, _ in events(world)]
    assert reasons.count("Started") == 1
    assert ("Created", "Container created") in events(world)


async def test_a_start_delay_shows_as_container_creating(make_world: MakeWorld) -> None:
    world = await make_world(SimulatedConfig(Behaviour(start_seconds=5)), make_pod())
    await world.until(lambda: world.container())
    assert world.container()["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert 4 < await world.until(lambda: world.status().get("phase") == "Running") < 6


async def test_a_crash_loop_backs_off_ten_seconds_and_doubles(make_world: MakeWorld) -> None:
    world = await make_world(SimulatedConfig(Behaviour(run_seconds=1, exit_code=3)), make_pod())
    starts: list[float] = []
    loop = asyncio.get_running_loop()
    last = 0
    while loop.time() < 160:
        if world.runtime.starts != last:
            last = world.runtime.starts
            starts.append(loop.time())
        await asyncio.sleep(0.25)
    gaps = [round(later - earlier) for earlier, later in itertools.pairwise(starts)]
    # One second of life, then: at once, 10 s, 20 s, 40 s.
    assert gaps[:4] == [1, 11, 21, 41]


async def test_a_crash_loop_is_told_in_kubernetes_words(make_world: MakeWorld) -> None:
    world = await make_world(SimulatedConfig(Behaviour(run_seconds=1, exit_code=3)), make_pod())
    await world.until(
        lambda: "waiting" in world.container().get("state", {}) and world.container()["restartCount"] == 1
    )
    status = world.container()
    assert status["state"]["waiting"] == {
        "reason": "CrashLoopBackOff",
        "message": "back-off 10s restarting failed container=c pod=p_default(uid-p)",
    }
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert world.status()["phase"] == "Running"
    await asyncio.sleep(1)
    assert ("BackOff", "Back-off restarting failed container c in pod p_default(uid-p)") in events(world)


async def test_the_echo_of_its_own_status_does_not_wake_the_worker_of_a_pod(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await make_world(None, make_pod(readinessGates=[{"conditionType": "example.com/gate"}]))
    await world.until(lambda: world.status().get("phase") == "Running")
    await asyncio.sleep(1)
    look, looks = world.runtime.pod, 0

    async def counted(uid: str) -> PodRecord | None:
        nonlocal looks
        looks += 1
        return await look(uid)

    monkeypatch.setattr(world.runtime, "pod", counted)
    known = world.pod()
    assert known is not None
    status = known["status"]
    world.client.put(known | {"status": status})
    await asyncio.sleep(1)
    assert looks == 0
    gate = {"type": "example.com/gate", "status": "True"}
    world.client.put(known | {"status": status | {"conditions": [*status["conditions"], gate]}})
    await world.until(lambda: world.container()["ready"] and looks > 0)
    ready = next(each for each in world.status()["conditions"] if each["type"] == "Ready")
    assert ready["status"] == "True"


async def test_a_new_image_ends_the_wait_of_a_crash_loop_and_of_a_pull(make_world: MakeWorld) -> None:
    bad = (
        Rule(Behaviour(run_seconds=1, exit_code=3), image="crashes:1"),
        Rule(Behaviour(image_missing=True), image="missing:1"),
    )
    names = ("crashes", "missing")
    pod = make_pod(containers=[{"name": name, "image": f"{name}:1"} for name in names])
    world = await make_world(SimulatedConfig(rules=bad), pod)

    def reasons() -> list[str]:
        states = [each["state"] for each in world.status().get("containerStatuses") or ()]
        return [state.get("waiting", {}).get("reason", "") for state in states]

    # Long enough for waits of 40 s and more.
    await asyncio.sleep(80)
    await world.until(lambda: reasons() == ["CrashLoopBackOff", "ImagePullBackOff"])
    for image in ("good:1", "good:2"):
        known = world.pod()
        assert known is not None
        changed = [{"name": name, "image": image} for name in names]
        world.client.put(known | {"spec": known["spec"] | {"containers": changed}})
        running = {"crashes": image, "missing": image}
        assert await world.until(lambda: images_running(world) == running) < 1  # noqa: B023
    assert [each["restartCount"] for each in world.status()["containerStatuses"]][1] == 1


def images_running(world: World) -> dict[str, str]:
    statuses = world.status().get("containerStatuses") or ()
    return {each["name"]: each["image"] for each in statuses if "running" in each["state"]}


async def test_a_pod_that_never_restarts_succeeds_or_fails(make_world: MakeWorld) -> None:
    config = SimulatedConfig(Behaviour(run_seconds=2), (Rule(Behaviour(run_seconds=2, exit_code=7), image="bad:1"),))
    bad = make_pod("bad", containers=[{"name": "c", "image": "bad:1"}], restartPolicy="Never")
    world = await make_world(config, make_pod("good", restartPolicy="Never"), bad)
    await world.until(lambda: world.status("good").get("phase") == "Succeeded")
    await world.until(lambda: world.status("bad").get("phase") == "Failed")
    await asyncio.sleep(100)
    assert world.runtime.starts == 2
    assert world.container("good")["state"]["terminated"]["reason"] == "Completed"
    assert world.container("bad")["state"]["terminated"]["exitCode"] == 7
    assert condition(world, "Initialized", "good") == "True"


async def test_a_deleted_pod_is_ended_within_its_grace_and_goes(make_world: MakeWorld) -> None:
    world = await make_world(SimulatedConfig(Behaviour(stop_seconds=4)), make_pod())
    await world.until(lambda: world.status().get("phase") == "Running")
    world.delete(grace=30)
    assert 3.5 < await world.until(lambda: world.pod() is None) < 5
    await asyncio.sleep(1)
    assert await world.runtime.list_pods() == []
    assert world.agent.pods == []


async def test_a_shorter_grace_cuts_the_first_one_short(make_world: MakeWorld) -> None:
    world = await make_world(SimulatedConfig(Behaviour(stop_seconds=1000)), make_pod())
    await world.until(lambda: world.status().get("phase") == "Running")
    world.delete(grace=600)
    await asyncio.sleep(20)
    assert world.pod() is not None
    world.delete(grace=3)
    assert await world.until(lambda: world.pod() is None) < 5


async def test_a_restarted_agent_adopts_what_runs(make_world: MakeWorld) -> None:
    world = await make_world(None, *(make_pod(f"p{index}") for index in range(5)))
    await world.until(lambda: all(world.status(f"p{index}").get("phase") == "Running" for index in range(5)))
    addresses = {world.status(f"p{index}")["podIP"] for index in range(5)}
    ids = {world.container(f"p{index}")["containerID"] for index in range(5)}
    await world.agent.stop()
    writes = len(world.client.writes)
    world.agent = world.new_agent()
    await world.agent.start()
    await asyncio.sleep(100)
    assert world.runtime.starts == 5
    assert {world.container(f"p{index}")["containerID"] for index in range(5)} == ids
    assert [write for write in world.client.writes[writes:] if write[1] == "pods"] == []
    world.client.put(make_pod("new"))
    await world.until(lambda: world.status("new").get("phase") == "Running")
    assert world.status("new")["podIP"] not in addresses


async def test_what_was_deleted_while_the_agent_was_away_is_removed(make_world: MakeWorld) -> None:
    world = await make_world(None, make_pod("gone"), make_pod("kept"))
    await world.until(lambda: world.status("gone").get("phase") == "Running")
    await world.until(lambda: world.status("kept").get("phase") == "Running")
    await world.agent.stop()
    world.client.remove(PODS, "default/gone")
    world.agent = world.new_agent()
    await world.agent.start()
    await asyncio.sleep(60)
    assert [record.name for record in await world.runtime.list_pods()] == ["kept"]


async def test_a_container_that_ended_while_the_agent_was_away_restarts_once(make_world: MakeWorld) -> None:
    world = await make_world(SimulatedConfig(Behaviour(run_seconds=50, failing_runs=1)), make_pod())
    await world.until(lambda: world.status().get("phase") == "Running")
    await world.agent.stop()
    await asyncio.sleep(100)
    world.agent = world.new_agent()
    await world.agent.start()
    await world.until(lambda: world.container().get("restartCount") == 1)
    assert world.runtime.starts == 2


async def test_an_image_that_cannot_be_pulled_is_told_and_tried_again(make_world: MakeWorld) -> None:
    world = await make_world(SimulatedConfig(Behaviour(image_missing=True)), make_pod())
    await world.until(lambda: world.container())
    await world.until(lambda: world.container()["state"]["waiting"]["reason"] == "ErrImagePull")
    await world.until(lambda: world.container()["state"]["waiting"]["reason"] == "ImagePullBackOff")
    assert world.status()["phase"] == "Pending"
    await asyncio.sleep(1)
    assert ("Failed", "Error: ErrImagePull") in events(world)
    assert ("BackOff", 'Back-off pulling image "web:1"') in events(world)


async def test_init_containers_run_in_order_before_the_others(make_world: MakeWorld) -> None:
    rules = (
        Rule(Behaviour(run_seconds=2), container="first"),
        Rule(Behaviour(run_seconds=3), container="second"),
    )
    inits = [{"name": "first", "image": "i:1"}, {"name": "second", "image": "i:1"}]
    world = await make_world(SimulatedConfig(rules=rules), make_pod(initContainers=inits))
    await world.until(lambda: world.container())
    assert world.container()["state"]["waiting"]["reason"] == "PodInitializing"
    assert condition(world, "Initialized") == "False"
    assert 4.5 < await world.until(lambda: world.status()["phase"] == "Running") < 6
    assert condition(world, "Initialized") == "True"
    assert [each["state"]["terminated"]["exitCode"] for each in world.status()["initContainerStatuses"]] == [0, 0]


async def test_a_failing_init_container_of_a_pod_that_never_restarts_fails_it(make_world: MakeWorld) -> None:
    rules = (Rule(Behaviour(run_seconds=1, exit_code=1), container="first"),)
    pod = make_pod(initContainers=[{"name": "first", "image": "i:1"}], restartPolicy="Never")
    world = await make_world(SimulatedConfig(rules=rules), pod)
    await world.until(lambda: world.status().get("phase") == "Failed")
    assert world.runtime.starts == 1


async def test_a_sidecar_starts_first_and_ends_with_the_pod(make_world: MakeWorld) -> None:
    rules = (Rule(Behaviour(run_seconds=5), container="c"),)
    sidecar = {"name": "side", "image": "s:1", "restartPolicy": "Always"}
    world = await make_world(SimulatedConfig(rules=rules), make_pod(initContainers=[sidecar], restartPolicy="Never"))
    await world.until(lambda: world.status().get("phase") == "Running")
    assert world.status()["initContainerStatuses"][0]["state"].keys() == {"running"}
    await world.until(lambda: world.status().get("phase") == "Succeeded")
    assert "terminated" in world.status()["initContainerStatuses"][0]["state"]
    assert world.runtime.starts == 2


async def test_readiness_follows_the_probe(make_world: MakeWorld) -> None:
    container = {"name": "c", "image": "web:1", "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 2}}
    world = await make_world(SimulatedConfig(Behaviour(ready_after=20)), make_pod(containers=[container]))
    await world.until(lambda: world.status().get("phase") == "Running")
    assert condition(world, "Ready") == "False"
    assert 19 < await world.until(lambda: condition(world, "Ready") == "True") < 23
    assert world.container()["restartCount"] == 0


async def test_a_failed_liveness_probe_restarts_the_container(make_world: MakeWorld) -> None:
    probe = {"httpGet": {"port": 80}, "periodSeconds": 5, "failureThreshold": 2}
    container = {"name": "c", "image": "web:1", "livenessProbe": probe}
    world = await make_world(SimulatedConfig(Behaviour(unhealthy_after=20)), make_pod(containers=[container]))
    assert 20 < await world.until(lambda: world.container().get("restartCount") == 1) < 30
    await asyncio.sleep(1)
    assert ("Killing", "Container c failed liveness probe, will be restarted") in events(world)


async def test_a_startup_probe_holds_the_others_back(make_world: MakeWorld) -> None:
    container = {
        "name": "c",
        "image": "web:1",
        "startupProbe": {"httpGet": {"port": 80}, "periodSeconds": 2, "failureThreshold": 30},
        "livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 1, "failureThreshold": 1},
    }
    world = await make_world(SimulatedConfig(Behaviour(started_after=15)), make_pod(containers=[container]))
    await world.until(lambda: world.status().get("phase") == "Running")
    assert world.container()["started"] is False
    assert condition(world, "Ready") == "False"
    assert 14 < await world.until(lambda: world.container()["started"]) < 18
    await world.until(lambda: condition(world, "Ready") == "True")


async def test_the_active_deadline_ends_a_pod(make_world: MakeWorld) -> None:
    world = await make_world(None, make_pod(activeDeadlineSeconds=30))
    assert 29 < await world.until(lambda: world.status().get("phase") == "Failed") < 32
    assert world.status()["reason"] == "DeadlineExceeded"
    assert world.status()["message"] == "Pod was active on the node longer than the specified deadline"


async def test_a_missing_config_map_holds_the_container_until_it_is_there(make_world: MakeWorld) -> None:
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "a"}}}]
    world = await make_world(None, make_pod(containers=[{"name": "c", "image": "web:1", "env": env}]))
    await world.until(lambda: world.container().get("state", {}).get("waiting", {}).get("message"))
    assert world.container()["state"]["waiting"] == {
        "reason": "CreateContainerConfigError",
        "message": 'configmap "cm" not found',
    }
    world.client.put(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "cm", "namespace": "default"},
            "data": {"a": "1"},
        }
    )
    await world.until(lambda: world.status()["phase"] == "Running", 15)


async def test_a_status_that_somebody_overwrote_is_set_right(make_world: MakeWorld) -> None:
    world = await make_world(None, make_pod())
    await world.until(lambda: world.status().get("phase") == "Running")
    pod = world.pod()
    assert pod is not None
    world.client.put(pod | {"status": pod["status"] | {"podIP": "1.2.3.4"}})
    await world.until(lambda: world.status()["podIP"] == "10.1.0.2", 5)


async def test_a_host_port_that_is_taken_fails_the_second_pod(make_world: MakeWorld) -> None:
    containers = [{"name": "c", "image": "web:1", "ports": [{"containerPort": 80, "hostPort": 8080}]}]
    world = await make_world(None, make_pod("a", containers=containers))
    await world.until(lambda: world.status("a").get("phase") == "Running")
    world.client.put(make_pod("b", containers=containers))
    await world.until(lambda: world.status("b").get("phase") == "Failed")
    assert world.status("b")["reason"] == "NodePorts"


async def test_statuses_catch_up_when_the_api_server_was_away(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.agent.registered()
    world.client.fail("patch", PODS, RpcError("UNAVAILABLE", "away"), times=6)
    world.client.put(make_pod())
    await world.until(lambda: world.status().get("phase") == "Running", 60)
    assert world.runtime.starts == 1


async def test_a_hundred_pods_at_rest_do_nothing(make_world: MakeWorld) -> None:
    world = await make_world(None, *(make_pod(f"p{index}") for index in range(100)))
    await world.until(lambda: all(world.status(f"p{index}").get("phase") == "Running" for index in range(100)))
    await asyncio.sleep(5)
    before = len([1 for _, plural, _ in world.client.writes if plural in ("pods", "events")])
    await asyncio.sleep(600)
    assert len([1 for _, plural, _ in world.client.writes if plural in ("pods", "events")]) == before
    assert world.runtime.starts == 100


async def test_a_dead_sandbox_is_made_again_and_its_containers_count_on(make_world: MakeWorld) -> None:
    world = await make_world(None, make_pod())
    await world.until(lambda: world.status().get("phase") == "Running")
    (record,) = await world.runtime.list_pods()
    await world.runtime.stop_sandbox(record.sandbox_id)
    await world.until(lambda: world.container().get("restartCount") == 1)
    await world.until(lambda: condition(world, "Ready") == "True")
    assert world.container()["lastState"]["terminated"]["exitCode"] == 137
    assert world.status()["podIP"] == "10.1.0.2"
    await asyncio.sleep(1)
    assert [reason for reason, _ in events(world)].count("SandboxChanged") == 1


async def test_a_machine_that_booted_anew_starts_its_pods_again(make_world: MakeWorld) -> None:
    world = await make_world(None, make_pod(), make_pod("once", restartPolicy="Never"))
    await world.until(
        lambda: world.status().get("phase") == "Running" and world.status("once").get("phase") == "Running"
    )
    await world.agent.stop()
    for record in await world.runtime.list_pods():
        await world.runtime.remove_sandbox(record.sandbox_id)
    world.agent = world.new_agent()
    await world.agent.start()
    await world.until(lambda: world.container().get("restartCount") == 1)
    await world.until(lambda: world.status("once").get("phase") == "Failed")
    assert world.container()["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert world.runtime.starts == 3


async def test_a_changed_image_restarts_the_container(make_world: MakeWorld) -> None:
    world = await make_world(None, make_pod())
    await world.until(lambda: world.status().get("phase") == "Running")
    pod = world.pod()
    assert pod is not None
    world.client.put(pod | {"spec": pod["spec"] | {"containers": [{"name": "c", "image": "web:2"}]}})
    await world.until(lambda: world.container().get("restartCount") == 1)
    assert world.container()["image"] == "web:2"
    await asyncio.sleep(1)
    assert ("Killing", "Container c definition changed, will be restarted") in events(world)


async def test_an_ephemeral_container_joins_a_running_pod(make_world: MakeWorld) -> None:
    world = await make_world(None, make_pod())
    await world.until(lambda: world.status().get("phase") == "Running")
    pod = world.pod()
    assert pod is not None
    world.client.put(pod | {"spec": pod["spec"] | {"ephemeralContainers": [{"name": "debug", "image": "sh:1"}]}})
    await world.until(lambda: world.status().get("ephemeralContainerStatuses"))
    await world.until(lambda: "running" in world.status()["ephemeralContainerStatuses"][0]["state"])
    assert world.container()["restartCount"] == 0


async def test_a_node_that_was_deleted_registers_again(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.agent.registered()
    world.client.remove(NODES, NODE)
    await asyncio.sleep(15)
    node = world.client.peek(NODES, NODE)
    assert node is not None
    assert node["status"]["conditions"]


async def test_a_node_declared_lost_says_that_it_is_there(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.agent.registered()
    node = world.client.peek(NODES, NODE)
    assert node is not None
    lost = [each | {"status": "Unknown"} for each in node["status"]["conditions"]]
    world.client.put(node | {"status": node["status"] | {"conditions": lost}})
    await asyncio.sleep(12)
    found = world.client.peek(NODES, NODE)
    assert found is not None
    assert {each["type"]: each["status"] for each in found["status"]["conditions"]}["Ready"] == "True"


async def test_a_pod_is_deleted_while_its_image_is_pulled(make_world: MakeWorld) -> None:
    world = await make_world(SimulatedConfig(Behaviour(pull_seconds=500)), make_pod())
    await asyncio.sleep(5)
    world.delete()
    assert await world.until(lambda: world.pod() is None) < 2
    assert world.runtime.starts == 0


async def test_a_runtime_that_is_away_makes_the_node_not_ready(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await make_world(None, make_pod())
    await world.until(lambda: world.status().get("phase") == "Running")

    async def away() -> list[PodRecord]:
        raise RuntimeFailure("the engine does not answer")

    monkeypatch.setattr(world.runtime, "list_pods", away)
    await asyncio.sleep(70)
    node = world.client.peek(NODES, NODE)
    assert node is not None
    ready = next(each for each in node["status"]["conditions"] if each["type"] == "Ready")
    assert (ready["status"], ready["message"]) == ("False", "container runtime is down")
    monkeypatch.undo()
    await asyncio.sleep(30)
    node = world.client.peek(NODES, NODE)
    assert node is not None
    assert next(each["status"] for each in node["status"]["conditions"] if each["type"] == "Ready") == "True"
