"""Work that is not cut short half way."""

from __future__ import annotations

import asyncio

import pytest

from kube_actors.aio.tasks import to_its_end

pytestmark = pytest.mark.looptime


class Work:
    def __init__(self, seconds: float) -> None:
        self.seconds, self.ended = seconds, ""

    async def run(self) -> str:
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        self.ended = "done"
        return "result"


async def test_the_result_is_that_of_the_work() -> None:
    assert await to_its_end(Work(1).run(), "work", 10) == "result"


@pytest.mark.parametrize(
    ("takes", "ended", "after"),
    [pytest.param(4, "done", 4, id="it ends first"), pytest.param(60, "cancelled", 11, id="it takes too long")],
)
async def test_a_cancellation_waits_for_the_end_of_the_work_but_not_for_ever(
    takes: float, ended: str, after: float
) -> None:
    loop, work = asyncio.get_running_loop(), Work(takes)
    waiting = loop.create_task(to_its_end(work.run(), "work", 10))
    for _ in range(2):
        await asyncio.sleep(0.5)
        waiting.cancel()
    begun = loop.time() - 1
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert work.ended == ended
    assert loop.time() - begun == pytest.approx(after, abs=0.6)


async def test_what_fails_after_a_cancellation_fails_nobody() -> None:
    async def fails() -> None:
        await asyncio.sleep(1)
        raise OSError("no")

    waiting = asyncio.get_running_loop().create_task(to_its_end(fails(), "work", 10))
    await asyncio.sleep(0.5)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
