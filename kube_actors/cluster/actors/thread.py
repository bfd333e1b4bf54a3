"""A component in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.api.errors import StoreError
from kube_actors.cluster.group import Group, start_together
from kube_actors.rpc.errors import RpcError

T = TypeVar("T")
log = structlog.get_logger(__name__)

# All actors are created at once: one may have to wait for another to serve.
START_SECONDS = 90.0
RETRY = Backoff(initial=0.1, factor=1.5, maximum=1.0)


class ComponentThread:
    """Runs groups that `make` constructs. `make` runs in the loop's thread, and again for each attempt.

    A loop that ends by surprise takes the process with it: Ray then starts the actor anew, which is
    the one recovery that every component is built for.
    """

    def __init__(self, name: str, make: Callable[[], list[Group]]) -> None:
        self._name = name
        self._make = make
        self._groups: list[Group] = []
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    def start(self) -> None:
        """Returns when serving. Raises what the component's start raised."""
        self._thread.start()
        self._started.result()

    def call(self, work: Callable[[], Coroutine[Any, Any, T]], timeout: float) -> T:
        """Run a coroutine in the component's loop."""
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(timeout)

    def stop(self, timeout: float) -> None:
        """Stop the component in order and end the loop. Idempotent."""
        if self._thread.is_alive():
            self.call(self._stop_groups, timeout)
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(timeout)

    async def _stop_groups(self) -> None:
        await asyncio.gather(*(group.stop() for group in self._groups))

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:  # the boundary: the process must not outlive its component
            if not self._started.done():
                self._started.set_exception(error)
                return
            log.critical("component ended", component=self._name, exc_info=error)
            os._exit(1)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        async with asyncio.timeout(START_SECONDS):
            await self._start_with_patience()
        self._started.set_result(None)
        await self._ended.wait()

    async def _start_with_patience(self) -> None:
        failures = 0
        while True:
            try:
                self._groups = self._make()
                await start_together(self._groups)
                return
            except (RpcError, StoreError) as error:
                # What it depends on is not there yet; anything else is for the caller.
                failures += 1
                log.info("waiting to start", component=self._name, reason=str(error))
                await self._stop_groups()
                await asyncio.sleep(RETRY.delay(failures))
