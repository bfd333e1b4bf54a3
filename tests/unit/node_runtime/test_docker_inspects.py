"""How often the engine is asked about containers, and that nothing out of date is believed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from kube_actors.aio.tasks import Tasks
from kube_actors.node.runtime.docker.inspects import Inspects
from kube_actors.node.runtime.docker.names import Identity, Owner
from kube_actors.node.runtime.interface import ContainerState, NoSuchContainer

OWNER = Owner("c", "n")


class FakeEngine:
    """Containers by id: pod and state. It counts what it is asked, and may be slow to answer."""

    def __init__(self) -> None:
        self.containers: dict[str, tuple[str, str]] = {}
        self.calls: list[str] = []
        self.slow: asyncio.Event | None = None

    async def json(self, method: str, path: str, *, params: Any = None) -> Any:
        self.calls.append(path)
        if path == "containers/json":
            return self._list(json.loads(params["filters"])["label"])
        answer = self._inspect(path.split("/")[1])
        if self.slow is not None:
            await self.slow.wait()
        return answer

    def _list(self, wanted: list[str]) -> Any:
        uids = [each.partition("=")[2] for each in wanted if each.startswith("io.kubernetes.pod.uid=")]
        found = ((id, pod, state) for id, (pod, state) in self.containers.items())
        return [{"Id": id, "State": state} for id, pod, state in found if not uids or pod in uids]

    def _inspect(self, id: str) -> Any:
        if id not in self.containers:
            raise NoSuchContainer(f"No such container: {id}")
        pod, state = self.containers[id]
        labels = Identity(False, pod, "default", pod, "c", 0, "s", "image").labels()
        times = {"StartedAt": "2026-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z"}
        return {
            "Id": id,
            "Image": "sha256:0",
            "Created": "2026-01-01T00:00:00Z",
            "Config": {"Labels": labels, "Image": "image"},
            "State": {"Status": state, "ExitCode": 0, **times},
        }

    def asked(self) -> int:
        """How often since the last time."""
        count, self.calls = len(self.calls), []
        return count


def followed() -> tuple[FakeEngine, Inspects]:
    engine = FakeEngine()
    engine.containers = {"a": ("p", "running"), "b": ("p", "running"), "z": ("q", "running")}
    inspects = Inspects(engine, OWNER)  # type: ignore[arg-type]
    inspects.follow(True)
    return engine, inspects


async def states(inspects: Inspects, uid: str = "p") -> dict[str, ContainerState]:
    return {each.id: each.state for each in await inspects.of_pod(uid)}


async def test_a_pod_to_which_nothing_happened_costs_no_call() -> None:
    engine, inspects = followed()
    first = await states(inspects)
    engine.asked()
    assert await states(inspects) == first == dict.fromkeys("ab", ContainerState.RUNNING)
    assert engine.asked() == 0


async def test_without_events_every_look_is_a_list() -> None:
    engine, inspects = followed()
    inspects.follow(False)
    await states(inspects)
    engine.asked()
    engine.containers["a"] = ("p", "exited")
    assert (await states(inspects))["a"] is ContainerState.EXITED
    assert engine.calls == ["containers/json", "containers/a/json"]


async def test_what_an_event_tells_of_is_asked_for_again_and_nothing_else() -> None:
    engine, inspects = followed()
    await states(inspects)
    engine.asked()
    engine.containers["a"] = ("p", "exited")
    inspects.changed("p", "a")
    assert (await states(inspects))["a"] is ContainerState.EXITED
    assert engine.calls == ["containers/a/json"]


async def test_a_container_that_somebody_removed_is_gone() -> None:
    engine, inspects = followed()
    await states(inspects)
    del engine.containers["a"]
    inspects.changed("p", "a")
    assert set(await states(inspects)) == {"b"}
    engine.asked()
    assert set(await states(inspects)) == {"b"}
    assert engine.asked() == 0


async def test_a_container_that_we_did_not_make_is_found_by_its_event() -> None:
    engine, inspects = followed()
    await states(inspects)
    engine.containers["x"] = ("p", "running")
    inspects.changed("p", "x")
    assert set(await states(inspects)) == {"a", "b", "x"}


async def test_a_container_of_ours_is_known_from_its_creation_and_asked_for_until_it_has_started() -> None:
    engine, inspects = followed()
    await states(inspects)
    engine.containers["n"] = ("p", "created")
    inspects.created("p", "n")
    assert (await states(inspects))["n"] is ContainerState.CREATED
    engine.containers["n"] = ("p", "running")
    engine.asked()
    assert (await states(inspects))["n"] is ContainerState.RUNNING
    assert engine.asked() == 1


async def test_a_call_of_ours_is_seen_before_its_event() -> None:
    engine, inspects = followed()
    await states(inspects)
    with inspects.touching("a"):
        engine.containers["a"] = ("p", "exited")
    assert (await states(inspects))["a"] is ContainerState.EXITED


async def test_after_a_call_that_failed_the_whole_pod_is_looked_at() -> None:
    engine, inspects = followed()
    await states(inspects)
    engine.containers["b"] = ("p", "exited")
    try:
        with inspects.touching("a"):
            raise NoSuchContainer("the sandbox is dead")
    except NoSuchContainer:
        pass
    assert (await states(inspects))["b"] is ContainerState.EXITED


async def test_an_answer_that_an_event_has_overtaken_is_not_kept() -> None:
    engine, inspects = followed()
    await states(inspects)
    inspects.changed("p", "a")
    engine.slow = asyncio.Event()
    tasks = Tasks("test")
    late = tasks.spawn(states(inspects), "look")
    await asyncio.sleep(0)
    engine.containers["a"] = ("p", "exited")
    inspects.changed("p", "a")
    engine.slow.set()
    assert (await late)["a"] is ContainerState.RUNNING
    await tasks.stop()
    assert (await states(inspects))["a"] is ContainerState.EXITED


async def test_a_list_of_everything_sets_right_what_no_event_told() -> None:
    engine, inspects = followed()
    await inspects.all()
    await states(inspects)
    engine.containers["a"] = ("p", "exited")
    engine.containers["x"] = ("p", "running")
    del engine.containers["b"]
    await inspects.all()
    assert await states(inspects) == {"a": ContainerState.EXITED, "x": ContainerState.RUNNING}


async def test_a_break_of_the_events_makes_everything_doubtful() -> None:
    engine, inspects = followed()
    await states(inspects)
    engine.containers["a"] = ("p", "exited")
    inspects.follow(False)
    inspects.follow(True)
    assert (await states(inspects))["a"] is ContainerState.EXITED
