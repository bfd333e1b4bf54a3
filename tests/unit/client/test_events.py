from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from kube_actors.aio.clock import LoopClock
from kube_actors.api import Obj, errors
from kube_actors.api.resources import EVENTS
from kube_actors.client import events
from kube_actors.client.events import NORMAL, WARNING, EventRecorder
from kube_actors.client.series import SeriesCorrelator
from kube_actors.client.testing import FakeKubeClient
from kube_actors.rpc.errors import RpcError

pytestmark = pytest.mark.looptime


def pod(name: str = "web") -> Obj:
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": "7"}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata}


class Fixture:
    def __init__(self, correlator: SeriesCorrelator | None = None) -> None:
        self.client = FakeKubeClient(clock=LoopClock())
        self.recorder = EventRecorder(self.client, "default-scheduler", "host-1", LoopClock(), correlator)

    async def written(self) -> list[Obj]:
        await asyncio.sleep(0.01)
        return self.client.objects(EVENTS)


@pytest.fixture
async def it() -> AsyncIterator[Fixture]:
    fixture = Fixture()
    await fixture.recorder.start()
    yield fixture
    await fixture.recorder.stop()


@pytest.fixture
async def new() -> AsyncIterator[Fixture]:
    """Its events are of the new sort."""
    fixture = Fixture(SeriesCorrelator())
    await fixture.recorder.start()
    yield fixture
    await fixture.recorder.stop()


async def test_an_event_names_its_object_source_and_times(it: Fixture) -> None:
    it.recorder.event(pod(), NORMAL, "Scheduled", "Successfully assigned shop/web to n", action="Binding")
    (event,) = await it.written()
    assert event["metadata"]["name"].startswith("web.")
    assert event["metadata"]["namespace"] == "shop"
    assert event["involvedObject"] == {
        "kind": "Pod", "namespace": "shop", "name": "web", "uid": "uid-web", "apiVersion": "v1", "resourceVersion": "7",
    }  # fmt: skip
    assert event["source"] == {"component": "default-scheduler", "host": "host-1"}
    assert (event["reportingComponent"], event["reportingInstance"]) == ("default-scheduler", "host-1")
    assert (event["type"], event["reason"], event["count"]) == ("Normal", "Scheduled", 1)
    assert event["firstTimestamp"] == event["lastTimestamp"]


async def test_a_repeat_raises_the_count_of_the_first(it: Fixture) -> None:
    it.recorder.event(pod(), WARNING, "BackOff", "again")
    await it.written()
    await asyncio.sleep(10)
    changed = pod()
    changed["metadata"]["resourceVersion"] = "9"
    it.recorder.event(changed, WARNING, "BackOff", "again")
    (event,) = await it.written()
    assert event["count"] == 2
    assert event["firstTimestamp"] < event["lastTimestamp"]


async def test_repeats_before_the_first_is_written_cost_one_write(it: Fixture) -> None:
    for _ in range(5):
        it.recorder.event(pod(), WARNING, "BackOff", "again")
    (event,) = await it.written()
    assert event["count"] == 5
    assert len(it.client.writes) == 1


async def test_the_tenth_message_of_one_reason_is_combined_and_the_nine_before_it_are_not(it: Fixture) -> None:
    for i in range(15):
        it.recorder.event(pod(), WARNING, "Failed", f"message {i}", field_path=f"spec.containers{{c{i}}}")
    it.recorder.event(pod(), WARNING, "Failed", "message 3", field_path="spec.containers{c3}")
    counts = {event["message"]: event["count"] for event in await it.written()}
    assert counts == {
        **{f"message {i}": 1 for i in range(9)}, "message 3": 2, "(combined from similar events): message 14": 6,
    }  # fmt: skip


async def test_similar_messages_that_are_ten_minutes_apart_are_not_combined(it: Fixture) -> None:
    for i in range(9):
        it.recorder.event(pod(), WARNING, "Failed", f"message {i}")
    await asyncio.sleep(601)
    it.recorder.event(pod(), WARNING, "Failed", "message 9")
    assert "message 9" in [event["message"] for event in await it.written()]


async def test_each_component_and_host_counts_and_combines_for_itself(it: Fixture) -> None:
    sources = [it.recorder.of("job-controller"), it.recorder.of("cronjob-controller"), it.recorder.on("host-2")]
    for source in sources:
        for i in range(9):
            source.event(pod(), WARNING, "Failed", f"message {i}")
    written = await it.written()
    assert {event["count"] for event in written} == {1}
    assert len(written) == 27
    assert {(event["reportingComponent"], event["source"]["host"]) for event in written} == {
        ("job-controller", "host-1"), ("cronjob-controller", "host-1"), ("default-scheduler", "host-2"),
    }  # fmt: skip


async def test_a_flood_about_one_object_is_cut_and_others_are_not(it: Fixture) -> None:
    for _ in range(100):
        it.recorder.event(pod("noisy"), WARNING, "Failed", "same")
        await it.written()
    it.recorder.event(pod("quiet"), NORMAL, "Started", "fine")
    it.recorder.of("kubelet").event(pod("noisy"), NORMAL, "Started", "fine")
    written = await it.written()
    assert [(event["involvedObject"]["name"], event["count"]) for event in written] == [
        ("noisy", 25), ("quiet", 1), ("noisy", 1),
    ]  # fmt: skip
    # Five minutes give it one more, which tells how many there were.
    await asyncio.sleep(300)
    it.recorder.event(pod("noisy"), WARNING, "Failed", "same")
    assert [event["count"] for event in await it.written()] == [101, 1, 1]


async def test_a_name_that_cannot_be_a_part_of_the_events_name_is_left_out_of_it(it: Fixture) -> None:
    for name in ("system:node", "a" * 250):
        it.recorder.event(pod(name), NORMAL, "Started", "fine")
    for event in await it.written():
        assert len(event["metadata"]["name"]) == 36


async def test_an_event_waits_for_a_server_that_is_away(it: Fixture) -> None:
    it.client.fail("create", EVENTS, RpcError("UNAVAILABLE", "away"), times=2)
    it.recorder.event(pod(), NORMAL, "Started", "fine")
    assert await it.written() == []
    await asyncio.sleep(5)
    assert len(await it.written()) == 1
    assert it.recorder.dropped == 0


async def test_an_event_that_the_server_refuses_is_dropped_and_counted(it: Fixture) -> None:
    it.client.fail("create", EVENTS, errors.Forbidden("the namespace is being terminated"))
    it.recorder.event(pod(), NORMAL, "Started", "fine")
    assert await it.written() == []
    assert it.recorder.dropped == 1


async def test_an_event_that_the_server_forgot_is_made_again(it: Fixture) -> None:
    it.recorder.event(pod(), NORMAL, "Started", "fine")
    (event,) = await it.written()
    it.client.remove(EVENTS, f"shop/{event['metadata']['name']}")
    it.recorder.event(pod(), NORMAL, "Started", "fine")
    (event,) = await it.written()
    assert event["count"] == 2


async def test_what_waits_is_bounded(it: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LIMIT", 3)
    for i in range(5):
        it.recorder.event(pod(f"p{i}"), NORMAL, "Started", "fine")
    assert len(await it.written()) == 3
    assert it.recorder.dropped == 2


async def test_stopping_writes_what_waits() -> None:
    fixture = Fixture()
    await fixture.recorder.start()
    fixture.recorder.event(pod(), NORMAL, "Started", "fine")
    await fixture.recorder.stop()
    assert len(fixture.client.objects(EVENTS)) == 1


async def test_an_event_of_the_new_sort_has_a_time_and_an_action_and_nothing_of_the_old(new: Fixture) -> None:
    new.recorder.event(pod(), NORMAL, "Scheduled", "Successfully assigned shop/web to n", action="Binding")
    (event,) = await new.written()
    del event["metadata"]
    assert event.pop("eventTime").endswith("Z")
    assert event.pop("involvedObject")["resourceVersion"] == "7"
    assert event == {
        "apiVersion": "v1", "kind": "Event", "type": "Normal", "reason": "Scheduled", "action": "Binding",
        "message": "Successfully assigned shop/web to n",
        "reportingComponent": "default-scheduler", "reportingInstance": "host-1",
    }  # fmt: skip


async def test_a_series_is_written_when_it_begins_and_every_six_minutes() -> None:
    new = Fixture(SeriesCorrelator())
    # Here, so that its timers are in the test's time.
    await new.recorder.start()

    async def again() -> list[int]:
        changed = pod()
        changed["metadata"]["resourceVersion"] = str(len(new.client.writes))
        new.recorder.event(changed, WARNING, "FailedScheduling", "no node", action="Scheduling")
        return [(event.get("series") or {"count": 1})["count"] for event in await new.written()]

    assert [await again() for _ in range(5)] == [[1], [2], [2], [2], [2]]
    assert len(new.client.writes) == 2
    await asyncio.sleep(361)
    (event,) = await new.written()
    assert event["series"]["count"] == 5
    assert event["series"]["lastObservedTime"] > event["eventTime"]
    # It was silent for so long that it is over.
    await asyncio.sleep(360)
    assert await again() == [5, 1]
    assert len(new.client.writes) == 4
    await new.recorder.stop()


async def test_another_note_is_another_event_and_one_that_is_too_long_is_cut(new: Fixture) -> None:
    for note in ("no node", "0/1 nodes " + "x" * 2000):
        new.recorder.event(pod(), WARNING, "FailedScheduling", note, action="Scheduling")
    first, second = await new.written()
    assert first["message"] == "no node"
    assert len(second["message"]) == 1024
    assert second["message"].endswith("xx ...")
