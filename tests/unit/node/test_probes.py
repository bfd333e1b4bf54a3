"""When probes run, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from kube_actors.aio.clock import LoopClock
from kube_actors.node.prober.checks import Result
from kube_actors.node.prober.worker import READINESS, ProbeSettings, ProbeWorker
from kube_actors.node.runtime.simulated import Behaviour, SimulatedConfig

from .conftest import MakeWorld, make_pod

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize(
    ("takes", "begun"),
    [
        pytest.param(0.5, [3, 5, 7, 9], id="the period goes from begin to begin"),
        pytest.param(3.0, [3, 6, 9], id="a check that takes longer is followed by the next one"),
    ],
)
async def test_a_probe_runs_once_a_period(takes: float, begun: list[float]) -> None:
    clock = LoopClock()
    checks: list[float] = []
    start = clock.now()

    async def check() -> Result:
        checks.append(round(clock.now() - start))
        await clock.sleep(takes)
        return Result(True)

    settings = ProbeSettings(READINESS, {}, initial_delay=3, period=2)
    worker = ProbeWorker(settings, start, check, lambda good: None, lambda result: None, clock)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10):
            await worker.run(spread=False)
    assert checks == begun


async def test_readiness_is_asked_for_as_soon_as_the_startup_probe_succeeds(make_world: MakeWorld) -> None:
    container = {
        "name": "c",
        "image": "web:1",
        "startupProbe": {"httpGet": {"port": 80}, "periodSeconds": 2, "failureThreshold": 30},
        "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 60},
    }
    world = await make_world(SimulatedConfig(Behaviour(started_after=15)), make_pod(containers=[container]))
    await world.until(lambda: world.container().get("started"))
    assert await world.until(lambda: world.container()["ready"]) < 1
