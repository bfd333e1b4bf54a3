"""The client and the scheduler against the real store and API server, all in one loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kube_actors.api import Obj, errors
from kube_actors.api.resources import CONFIGMAPS, EVENTS, LEASES, NODES, PODS
from kube_actors.apiserver.config import ApiServerConfig, StaticToken
from kube_actors.apiserver.server import ApiServer
from kube_actors.client.client import KubeClient
from kube_actors.client.informer import Informer
from kube_actors.client.leader import LeaderElector
from kube_actors.client.types import INITIAL_EVENTS_END, STRATEGIC_MERGE_PATCH
from kube_actors.cluster.pki import Pki
from kube_actors.rpc.server import Listener
from kube_actors.scheduler.scheduler import Scheduler
from kube_actors.store.server import StoreConfig, StoreServer

TOKEN = "of-a-test"


@dataclass
class Control:
    """A store and an API server that can be stopped and started again at its address."""

    store: StoreServer
    config: ApiServerConfig
    server: ApiServer
    client: KubeClient

    async def restart(self) -> None:
        await self.server.stop()
        self.server = ApiServer(self.config)
        await self.server.start()


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[Control]:
    pki = Pki.open(tmp_path / "pki")
    store = StoreServer(StoreConfig((Listener(f"unix:{tmp_path}/store.sock"),)))
    await store.start()
    config = ApiServerConfig(
        store_addresses=store.addresses,
        grpc_listeners=(Listener(f"unix:{tmp_path}/api.sock"),),
        rest_host="127.0.0.1",
        rest_port=0,
        rest_tls=pki.server_tls("apiserver.kube-actors", ["127.0.0.1"]),
        tokens=(StaticToken(TOKEN, "admin", groups=("system:masters",)),),
    )
    server = ApiServer(config)
    await server.start()
    client = KubeClient(config.grpc_listeners[0].address.split(), token=TOKEN)
    await client.start()
    control = Control(store, config, server, client)
    yield control
    await client.stop()
    await control.server.stop()
    await store.stop()


def config_map(name: str, **data: str) -> Obj:
    metadata = {"name": name, "namespace": "default"}
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": data}


def node(name: str) -> Obj:
    status = {
        "allocatable": {"cpu": "32", "memory": "128Gi", "pods": "110"},
        "capacity": {"cpu": "32", "memory": "128Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    return {"kind": "Node", "apiVersion": "v1", "metadata": {"name": name}, "spec": {}, "status": status}


def pod(name: str, cpu: str = "100m") -> Obj:
    container = {"name": "c", "image": "pause:3.9", "resources": {"requests": {"cpu": cpu, "memory": "500Mi"}}}
    metadata = {"name": name, "namespace": "default", "labels": {"app": "sb"}}
    spec = {"containers": [container], "automountServiceAccountToken": False}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec}


async def add_node(client: KubeClient, name: str) -> None:
    await client.create(NODES, node(name))
    # Admission taints a new node until the node controller sees it ready.
    await client.patch(NODES, name, {"spec": {"taints": None}})


async def until(condition: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        await asyncio.sleep(0.02)


class Names:
    def __init__(self) -> None:
        self.seen: dict[str, str] = {}
        self.adds = 0

    def on_add(self, obj: Obj, is_initial: bool) -> None:
        self.adds += 1
        self.seen[obj["metadata"]["name"]] = obj.get("data", {}).get("k", "")

    def on_update(self, old: Obj, new: Obj) -> None:
        self.seen[new["metadata"]["name"]] = new.get("data", {}).get("k", "")

    def on_delete(self, obj: Obj) -> None:
        del self.seen[obj["metadata"]["name"]]


async def test_objects_are_written_and_read(control: Control) -> None:
    client = control.client
    created = await client.create(CONFIGMAPS, config_map("a", k="1"))
    assert await client.get(CONFIGMAPS, "a", "default") == created
    patched = await client.patch(CONFIGMAPS, "a", {"data": {"k": "2"}}, "default")
    with pytest.raises(errors.Conflict):
        await client.update(CONFIGMAPS, created)
    assert (await client.update(CONFIGMAPS, patched | {"data": {"k": "3"}}))["data"] == {"k": "3"}
    await client.delete(CONFIGMAPS, "a", "default")
    with pytest.raises(errors.NotFound):
        await client.get(CONFIGMAPS, "a", "default")


async def test_lists_are_cut_and_continued(control: Control) -> None:
    await asyncio.gather(*(control.client.create(CONFIGMAPS, config_map(f"a{i}")) for i in range(7)))
    first = await control.client.list(CONFIGMAPS, "default", limit=4)
    rest = await control.client.list(CONFIGMAPS, "default", limit=4, continue_token=first.continue_token)
    names = [obj["metadata"]["name"] for obj in (*first.items, *rest.items)]
    assert len(first.items) == 4
    assert [name for name in names if name.startswith("a")] == [f"a{i}" for i in range(7)]


async def test_a_watch_can_begin_with_what_is_there(control: Control) -> None:
    await control.client.create(CONFIGMAPS, config_map("a"))
    seen = []
    async with aclosing(control.client.watch(CONFIGMAPS, "default", send_initial_events=True)) as watch:
        async for events in watch:
            seen += events
            if any(INITIAL_EVENTS_END in (e.object["metadata"].get("annotations") or {}) for e in events):
                break
    assert "a" in [event.object["metadata"]["name"] for event in seen if event.type == "ADDED"]
    assert seen[-1].type == "BOOKMARK"


async def test_a_status_patch_by_condition_type_keeps_the_other_conditions(control: Control) -> None:
    client = control.client
    await client.create(PODS, pod("p"))
    for kind in ("Ready", "PodScheduled"):
        change = {"status": {"conditions": [{"type": kind, "status": "False"}]}}
        await client.patch(PODS, "p", change, "default", type=STRATEGIC_MERGE_PATCH, subresource="status")
    stored = await client.get(PODS, "p", "default")
    assert {each["type"] for each in stored["status"]["conditions"]} == {"Ready", "PodScheduled"}


async def test_an_informer_misses_nothing_while_the_api_server_is_restarted(control: Control) -> None:
    client, heard = control.client, Names()
    informer = Informer(client, CONFIGMAPS, namespace="default", labels="")
    informer.add_handler(heard)
    await informer.start()
    await informer.synced()
    for i in range(20):
        await client.create(CONFIGMAPS, config_map(f"a{i}", k="1"))
    await control.restart()
    await client.delete(CONFIGMAPS, "a0", "default")
    await client.patch(CONFIGMAPS, "a1", {"data": {"k": "2"}}, "default")
    await client.create(CONFIGMAPS, config_map("last"))
    await until(lambda: "last" in heard.seen and "a0" not in heard.seen and heard.seen["a1"] == "2")
    assert sum(name.startswith("a") for name in heard.seen) == 19
    await informer.stop()


async def test_a_lease_is_taken_over_when_its_holder_steps_down(control: Control) -> None:
    led: list[str] = []

    async def stand(identity: str) -> None:
        async def lead() -> None:
            led.append(identity)

        elector = LeaderElector(
            control.client, "x", identity, "default", lease_seconds=2, renew_deadline=1.5, retry=0.2
        )
        await elector.run(lead)

    await asyncio.gather(stand("one"), stand("two"))
    assert sorted(led) == ["one", "two"]
    lease = await control.client.get(LEASES, "x", "default")
    assert lease["spec"]["leaseTransitions"] == 1


async def test_pods_are_scheduled_and_those_that_fit_nowhere_say_why(control: Control) -> None:
    client = control.client
    for name in ("n1", "n2"):
        await add_node(client, name)
    scheduler = Scheduler(client)
    await scheduler.start()
    await asyncio.gather(*(client.create(PODS, pod(f"p{i}")) for i in range(40)))
    await client.create(PODS, pod("big", "64"))
    await until(lambda: scheduler.stats.scheduled == 40 and scheduler.stats.unschedulable >= 1)
    await asyncio.sleep(0.5)
    bound = [obj["spec"].get("nodeName") for obj in (await client.list(PODS, "default")).items]
    assert sorted(filter(None, bound)) == ["n1"] * 20 + ["n2"] * 20
    # Its events are written at the latest when it stops.
    await scheduler.stop()
    stored = await client.get(PODS, "big", "default")
    (condition,) = [each for each in stored["status"]["conditions"] if each["type"] == "PodScheduled"]
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    assert condition["message"].startswith("0/2 nodes are available: 2 Insufficient cpu. ")
    recorded = (await client.list(EVENTS, "default")).items
    assert {each["reason"] for each in recorded} == {"Scheduled", "FailedScheduling"}
    (failed,) = [each for each in recorded if each["reason"] == "FailedScheduling"]
    assert (failed["action"], failed["reportingComponent"], failed["source"]) == ("Scheduling", "default-scheduler", {})
    assert failed["reportingInstance"].startswith("default-scheduler-")
    assert failed["eventTime"]
