"""Clocks."""

from __future__ import annotations

import asyncio

import pytest

from kube_actors.aio.clock import LoopClock, TickingClock

pytestmark = pytest.mark.looptime


async def test_sleepers_of_a_ticking_clock_wake_together() -> None:
    loop, clock, woken = asyncio.get_running_loop(), TickingClock(LoopClock(), 0.5), list[float]()

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(loop.time())

    await asyncio.gather(*(sleeper(1.01 + number / 100) for number in range(49)))
    assert len(set(woken)) == 1
    assert woken[0] == pytest.approx(1.5)


async def test_a_ticking_clock_never_wakes_too_early() -> None:
    loop, clock = asyncio.get_running_loop(), TickingClock(LoopClock(), 0.5)
    for seconds in (0.0, 0.1, 0.5, 0.7, 3.0):
        begun = loop.time()
        await clock.sleep(seconds)
        assert seconds - 1e-9 <= loop.time() - begun < seconds + 0.5 + 1e-9


async def test_a_sleep_of_a_ticking_clock_can_be_cancelled() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.2):
            await TickingClock(LoopClock(), 0.5).sleep(10)
    await asyncio.sleep(20)
