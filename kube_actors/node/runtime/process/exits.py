"""Waits for the end of processes that are not our children."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from kube_actors.aio.tasks import Tasks
from kube_actors.node.runtime.process.procfs import Process

# Where the kernel has no descriptors for processes (before 5.3), they are looked at this often.
POLL_SECONDS = 0.25


class Exits:
    """Calls back once, in the loop, when a process ends. Costs nothing while it runs."""

    def __init__(self) -> None:
        self._tasks = Tasks("process runtime")
        self._descriptors: dict[Process, int] = {}

    def watch(self, process: Process, ended: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            loop.call_soon(ended)
            return
        except (AttributeError, OSError):
            self._tasks.spawn(self._poll(process, ended), f"watch {process.pid}")
            return
        if not process.alive():
            # The pid may have been given to another process before we opened it.
            os.close(descriptor)
            loop.call_soon(ended)
            return

        def readable() -> None:
            self._forget(process)
            ended()

        self._descriptors[process] = descriptor
        loop.add_reader(descriptor, readable)

    async def stop(self) -> None:
        for process in list(self._descriptors):
            self._forget(process)
        await self._tasks.stop()

    def _forget(self, process: Process) -> None:
        descriptor = self._descriptors.pop(process, -1)
        if descriptor >= 0:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)

    async def _poll(self, process: Process, ended: Callable[[], None]) -> None:
        while process.alive():  # noqa: ASYNC110  nobody could set an event
            await asyncio.sleep(POLL_SECONDS)
        ended()
