"""The manager: leadership, failures that stay apart, ordered stop; and the shell of a controller."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest

from kube_actors.aio.clock import LoopClock
from kube_actors.api import Obj, errors
from kube_actors.api.resources import CONFIGMAPS, EVENTS, LEASES, SERVICE_ACCOUNTS
from kube_actors.controllers.base import Context, Controller
from kube_actors.controllers.config import ControllerConfig
from kube_actors.controllers.manager import ControllerManager
from kube_actors.controllers.registry import CONTROLLERS
from kube_actors.controllers.service_account import ServiceAccountController

pytestmark = pytest.mark.looptime


class Recording(Controller):
    """Notes its syncs."""

    name = "recording"
    workers = 2
    syncs: ClassVar[list[str]] = []
    problem: ClassVar[Exception | None] = None
    stopped: ClassVar[list[str]] = []

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.enqueue_from(self.informer(CONFIGMAPS))

    async def sync(self, key: str) -> None:
        self.syncs.append(key)
        if self.problem is not None and key.endswith("/bad"):
            raise self.problem

    async def stop(self) -> None:
        self.stopped.append(self.name)
        await super().stop()


class Other(Recording):
    name = "other"


class Broken(Recording):
    name = "broken"

    def __init__(self, context: Context) -> None:
        raise RuntimeError("cannot be built")


@pytest.fixture(autouse=True)
def fresh() -> None:
    Recording.syncs, Recording.problem, Recording.stopped = [], None, []


async def test_a_controller_that_cannot_start_spares_the_others(server: Any, run: Any, of: Any) -> None:
    server.put(of("Namespace", "team"))
    manager = await run(Broken, ServiceAccountController)
    assert server.peek(SERVICE_ACCOUNTS, "team/default") is not None
    assert manager.counters.of("broken").errors == 1


async def test_each_controllers_events_say_whom_they_come_from(server: Any, run: Any, of: Any) -> None:
    class Telling(Recording):
        async def sync(self, key: str) -> None:
            self.context.recorder.event(of("ConfigMap", "one"), "Normal", "Told", f"by {self.name}")

    class Named(Telling):
        name = "other"
        event_source = "other_component"

    server.put(of("ConfigMap", "one"))
    await run(Telling, Named)
    await asyncio.sleep(1)
    told = {event["message"]: event for event in server.objects(EVENTS)}
    assert told["by recording"]["source"] == {"component": "recording-controller"}
    assert told["by recording"]["reportingComponent"] == "recording-controller"
    assert told["by other"]["source"] == {"component": "other_component"}


def test_the_sources_of_events_are_those_of_kubernetes() -> None:
    assert {each.name: each.event_source for each in CONTROLLERS if each.event_source} == {
        "disruption": "controllermanager",
        "endpointslice": "endpoint-slice-controller",
        "ephemeral-volume": "ephemeral_volume",
        "horizontal-pod-autoscaler": "horizontal-pod-autoscaler",
        "node-ipam": "cidrAllocator",
        "node-lifecycle": "node-controller",
        "persistentvolume-binder": "persistentvolume-controller",
        "persistentvolume-expander": "volume_expand",
        "replicationcontroller": "replication-controller",
        "taint-eviction-controller": "taint-eviction-controller",
    }


async def test_a_failing_key_backs_off_and_leaves_the_others_alone(server: Any, run: Any, of: Any) -> None:
    Recording.problem = RuntimeError("this key only")
    server.put(of("ConfigMap", "bad"))
    server.put(of("ConfigMap", "good"))
    manager = await run(Recording)
    await asyncio.sleep(600)
    assert Recording.syncs.count("default/good") == 1
    tries = Recording.syncs.count("default/bad")
    # 5 ms doubled up to a minute: 14 tries in the first minute and a half, then one a minute.
    assert 15 <= tries <= 30
    assert manager.counters.of("recording").errors == tries
    Recording.problem = None
    await asyncio.sleep(61)
    assert manager.counters.of("recording").consecutive_errors == 0


async def test_a_conflict_is_no_error(server: Any, run: Any, of: Any) -> None:
    Recording.problem = errors.Conflict("stale")
    server.put(of("ConfigMap", "bad"))
    manager = await run(Recording)
    counters = manager.counters.of("recording")
    assert counters.errors == 0
    assert counters.conflicts > 1


async def test_controllers_stop_in_reverse_order(server: Any, of: Any) -> None:
    config = ControllerConfig(root_ca=b"", identity="m", leader_elect=False)
    manager = ControllerManager(server, config, LoopClock(), (Recording, Other))
    await manager.start()
    await manager.leading()
    await manager.stop()
    await manager.stop()
    assert Recording.stopped == ["other", "recording"]
    assert not manager.is_leading


async def test_of_two_managers_one_works_and_the_other_takes_over(server: Any, run: Any, of: Any) -> None:
    first = await run(Recording, leader_elect=True, identity="one")
    second = await run(Recording, leader_elect=True, identity="two")
    server.put(of("ConfigMap", "a"))
    await asyncio.sleep(60)
    assert (first.is_leading, second.is_leading) == (True, False)
    assert Recording.syncs == ["default/a"]
    await first.stop()
    await asyncio.sleep(5)
    assert second.is_leading
    assert server.peek(LEASES, "kube-system/kube-controller-manager")["spec"]["holderIdentity"] == "two"
    assert Recording.syncs == ["default/a", "default/a"]
    told = [event for event in server.objects(EVENTS) if event["reason"] == "LeaderElection"]
    assert [event["message"] for event in told] == ["one became leader", "one stopped leading", "two became leader"]
    assert {(event["involvedObject"]["kind"], event["source"]["component"]) for event in told} == {
        ("Lease", "kube-controller-manager")
    }


async def test_a_lost_lease_stops_the_controllers_and_a_new_term_starts_fresh_ones(
    server: Any, run: Any, of: Any
) -> None:
    manager = await run(Recording, leader_elect=True, identity="one")
    lease = server.peek(LEASES, "kube-system/kube-controller-manager")
    lease["spec"] |= {"holderIdentity": "intruder", "leaseDurationSeconds": 15}
    server.put(lease)
    await asyncio.sleep(5)
    assert not manager.is_leading
    assert Recording.stopped == ["recording"]
    await asyncio.sleep(30)
    assert manager.is_leading


async def test_controllers_can_be_left_out_by_name(server: Any, run: Any, of: Any) -> None:
    server.put(of("ConfigMap", "a"))
    await run(Recording, Other, disabled=frozenset({"recording"}))
    assert Recording.syncs == ["default/a"]


async def test_all_controllers_together_settle_on_a_small_cluster(server: Any, run: Any, of: Any) -> None:
    server.put(of("Namespace", "default", status={"phase": "Active"}))
    server.put(of("Node", "n", status={"conditions": [{"type": "Ready", "status": "True"}]}))
    service: Obj = of("Service", "web", spec={"selector": {"app": "a"}, "ports": [{"port": 80}]})
    server.put(service)
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": []}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "a"}}, "template": template}
    server.put(of("Deployment", "web", spec=spec))
    manager = await run(*CONTROLLERS)
    server.make_ready()
    await asyncio.sleep(5)
    assert {name: counters.errors for name, counters in manager.counters.controllers.items() if counters.errors} == {}
    settled = len(server.changes())
    await asyncio.sleep(30)
    assert len(server.changes()) == settled


def test_every_controller_has_a_name_of_its_own() -> None:
    names = [each.name for each in CONTROLLERS]
    assert len(names) == len(set(names))
