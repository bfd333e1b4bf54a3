from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from kube_actors.aio.clock import LoopClock
from kube_actors.aio.tasks import Tasks
from kube_actors.api.resources import LEASES
from kube_actors.client.leader import LeaderElector
from kube_actors.client.testing import FakeKubeClient
from kube_actors.rpc.errors import RpcError

pytestmark = pytest.mark.looptime
KEY = "kube-system/scheduler"


class Fixture:
    def __init__(self) -> None:
        self.clock = LoopClock()
        self.client = FakeKubeClient(clock=self.clock)
        self.tasks = Tasks("test")
        self.leading: list[str] = []
        self.log: list[str] = []

    def stand(self, identity: str) -> asyncio.Task[None]:
        elector = LeaderElector(self.client, "scheduler", identity, clock=self.clock)

        async def lead() -> None:
            self.leading.append(identity)
            self.log.append(f"{identity} leads")
            try:
                await asyncio.Event().wait()
            finally:
                self.leading.remove(identity)
                self.log.append(f"{identity} stops")

        return self.tasks.spawn(elector.run(lead), identity)

    def spec(self) -> dict[str, object]:
        lease = self.client.peek(LEASES, KEY)
        assert lease is not None
        return dict(lease["spec"])


@pytest.fixture
async def it() -> AsyncIterator[Fixture]:
    fixture = Fixture()
    yield fixture
    await fixture.tasks.stop()


async def test_the_first_candidate_leads_and_renews(it: Fixture) -> None:
    it.stand("a")
    await asyncio.sleep(0.1)
    first = it.spec()
    assert it.leading == ["a"]
    assert first["holderIdentity"] == "a"
    assert first["leaseDurationSeconds"] == 15
    assert first["leaseTransitions"] == 0
    assert str(first["renewTime"]).endswith("Z")
    assert "." in str(first["renewTime"])
    await asyncio.sleep(60)
    assert it.leading == ["a"]
    assert it.spec()["acquireTime"] == first["acquireTime"]
    assert it.spec()["renewTime"] > first["renewTime"]  # type: ignore[operator]


async def test_of_two_candidates_one_leads(it: Fixture) -> None:
    it.stand("a")
    it.stand("b")
    for _ in range(100):
        await asyncio.sleep(1)
        assert len(it.leading) == 1


async def test_a_leader_that_is_stopped_gives_the_lease_back_at_once(it: Fixture) -> None:
    first = it.stand("a")
    await asyncio.sleep(1)
    it.stand("b")
    first.cancel()
    await asyncio.sleep(3)
    assert it.log == ["a leads", "a stops", "b leads"]
    assert it.spec()["leaseTransitions"] == 1


async def test_a_leader_that_vanished_is_followed_after_the_lease_ran_out(it: Fixture) -> None:
    it.client.put(
        {
            "kind": "Lease",
            "apiVersion": "coordination.k8s.io/v1",
            "metadata": {"name": "scheduler", "namespace": "kube-system"},
            # Its clock is far ahead of ours, which must not matter.
            "spec": {"holderIdentity": "dead", "leaseDurationSeconds": 15, "renewTime": "2099-01-01T00:00:00.000000Z"},
        }
    )
    it.stand("b")
    await asyncio.sleep(14.9)
    assert it.leading == []
    await asyncio.sleep(4)
    assert it.leading == ["b"]


async def test_a_leader_that_cannot_renew_stops_before_another_may_lead(it: Fixture) -> None:
    it.stand("a")
    await asyncio.sleep(1)
    it.client.fail("update", LEASES, RpcError("UNAVAILABLE", "away"), times=1000)
    it.client.fail("get", LEASES, RpcError("UNAVAILABLE", "away"), times=1000)
    await asyncio.sleep(11.5)
    assert it.leading == []


async def test_a_leader_whose_lease_was_taken_stops(it: Fixture) -> None:
    it.stand("a")
    await asyncio.sleep(1)
    await it.client.patch(LEASES, "scheduler", {"spec": {"holderIdentity": "thief"}}, "kube-system")
    await asyncio.sleep(3)
    assert it.leading == []
    # The thief never renews: it is ours again after its lease ran out.
    await asyncio.sleep(20)
    assert it.leading == ["a"]


async def test_a_failure_of_the_work_is_raised_and_the_lease_is_given_back(it: Fixture) -> None:
    async def broken() -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await LeaderElector(it.client, "scheduler", "a", clock=it.clock).run(broken)
    assert it.spec()["holderIdentity"] == ""


def test_times_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="lease_seconds"):
        LeaderElector(FakeKubeClient(), "x", "a", lease_seconds=5, renew_deadline=10)
