from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.client.workqueue import Queue, RateLimiter, WorkQueue

virtual_time = pytest.mark.looptime


async def test_items_come_in_the_order_in_which_they_were_added() -> None:
    queue: Queue[str] = Queue()
    for item in "cab":
        queue.add(item)
    assert [await queue.get() for _ in range(3)] == ["c", "a", "b"]


async def test_an_item_added_many_times_before_it_is_processed_is_processed_once() -> None:
    queue: Queue[str] = Queue()
    for item in "aba":
        queue.add(item)
    assert len(queue) == 2
    assert [await queue.get() for _ in range(2)] == ["a", "b"]
    assert len(queue) == 0


async def test_an_item_added_while_it_is_processed_is_processed_again_but_not_at_once() -> None:
    queue: Queue[str] = Queue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert len(queue) == 1
    assert await queue.get() == "a"
    queue.done("a")
    assert queue.idle


async def test_a_waiting_worker_is_woken_by_an_item() -> None:
    queue: Queue[str] = Queue()
    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(queue.get()) for _ in range(2)]
        await asyncio.sleep(0)
        queue.add("a")
        queue.add("b")
    assert {worker.result() for worker in workers} == {"a", "b"}


async def test_an_item_is_not_lost_when_the_worker_that_was_woken_for_it_is_cancelled() -> None:
    queue: Queue[str] = Queue()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(queue.get())
        second = group.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add("a")
        first.cancel()
    assert second.result() == "a"


async def test_workers_drain_the_queue_after_shut_down_and_then_get_none() -> None:
    queue: Queue[str] = Queue()
    queue.add("a")
    queue.shut_down()
    queue.add("b")
    assert [await queue.get(), await queue.get()] == ["a", None]


async def test_shut_down_wakes_every_waiting_worker() -> None:
    queue: Queue[str] = Queue()
    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(0)
        queue.shut_down()
    assert [worker.result() for worker in workers] == [None] * 3


@virtual_time
async def test_a_delayed_item_comes_at_its_time() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 5.0)
    assert len(queue) == 0
    assert await queue.get() == "a"
    assert asyncio.get_running_loop().time() == pytest.approx(5.0)


@virtual_time
async def test_of_two_delays_of_an_item_the_earlier_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 5.0)
    queue.add_after("a", 2.0)
    queue.add_after("a", 9.0)
    await queue.get()
    assert asyncio.get_running_loop().time() == pytest.approx(2.0)
    queue.done("a")
    await asyncio.sleep(20.0)
    assert queue.idle


@virtual_time
async def test_failures_wait_longer_each_time_until_forgotten() -> None:
    queue: WorkQueue[str] = WorkQueue(RateLimiter(base=1.0, maximum=5.0))
    times = []
    for _ in range(4):
        started = asyncio.get_running_loop().time()
        queue.add_rate_limited("a")
        queue.done(await queue.get())
        times.append(asyncio.get_running_loop().time() - started)
    assert times == pytest.approx([1.0, 2.0, 4.0, 5.0])
    assert queue.num_requeues("a") == 4
    queue.forget("a")
    assert queue.num_requeues("a") == 0


@virtual_time
async def test_shut_down_forgets_delayed_items() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 1.0)
    queue.shut_down()
    await asyncio.sleep(2.0)
    assert await queue.get() is None


@given(st.lists(st.one_of(st.tuples(st.just("add"), st.integers(0, 3)), st.just(("get", 0)), st.just(("done", 0)))))
def test_no_item_is_processed_twice_at_once_and_none_that_was_added_is_lost(steps: list[tuple[str, int]]) -> None:
    async def run() -> None:
        queue: Queue[int] = Queue()
        processing: list[int] = []
        owed: set[int] = set()
        for step, item in steps:
            if step == "add":
                queue.add(item)
                owed.add(item)
            elif step == "get" and len(queue):
                got = await queue.get()
                assert got is not None
                assert got not in processing
                processing.append(got)
                owed.discard(got)
            elif step == "done" and processing:
                queue.done(processing.pop(0))
        for item in processing:
            queue.done(item)
        left = set()
        while len(queue):
            got = await queue.get()
            assert got is not None
            left.add(got)
        assert left == owed

    asyncio.run(run())
