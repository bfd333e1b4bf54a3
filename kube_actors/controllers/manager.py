"""The controller manager: stands for election, and while it leads runs every controller.

    start -> stand for the Lease kube-system/kube-controller-manager -> lead:
        informers and controllers are built anew, started, and run until the lease is lost or stop() is called
        then: controllers stop in reverse order, informers stop, the lease is given back

What is durable is in the API server alone. A manager that dies is replaced within the lease's duration, and
its successor rebuilds everything from lists.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import structlog

from kube_actors.aio.clock import Clock, SystemClock
from kube_actors.aio.tasks import Tasks
from kube_actors.client.events import EventRecorder
from kube_actors.client.informer import InformerFactory
from kube_actors.client.interface import Client
from kube_actors.client.leader import LeaderElector
from kube_actors.controllers.base import Context, Controller
from kube_actors.controllers.config import ControllerConfig
from kube_actors.controllers.metrics import Counters
from kube_actors.controllers.registry import CONTROLLERS

log = structlog.get_logger(__name__)

NAME = "kube-controller-manager"
# Controllers of a manager that crashed on an unexpected error start again after this time.
RESTART_SECONDS = 5.0


class ControllerManager:
    """All controllers of a cluster. Any number may run; one leads.

    `start()` returns at once: leading may have to wait for another's lease to run out.
    """

    def __init__(
        self,
        client: Client,
        config: ControllerConfig,
        clock: Clock | None = None,
        controllers: Sequence[type[Controller]] = CONTROLLERS,
    ) -> None:
        self._client = client
        self._config = config
        self._clock = clock or SystemClock()
        self._controllers = tuple(each for each in controllers if each.name not in config.disabled)
        self._recorder = EventRecorder(client, NAME, clock=self._clock)
        self._tasks = Tasks("controller-manager")
        self._leading = asyncio.Event()
        self.counters = Counters()
        self._elector = LeaderElector(
            client,
            NAME,
            config.identity,
            lease_seconds=config.lease_seconds,
            renew_deadline=config.renew_deadline,
            retry=config.retry_period,
            clock=self._clock,
            recorder=self._recorder,
        )

    @property
    def is_leading(self) -> bool:
        """Whether the controllers of this manager are running."""
        return self._leading.is_set()

    async def leading(self) -> None:
        """Wait until the controllers of this manager run."""
        await self._leading.wait()

    async def start(self) -> None:
        await self._recorder.start()
        self._tasks.spawn_forever(self._run(), "run")

    async def stop(self) -> None:
        """Step down: stop the controllers, give the lease back, write the events that wait."""
        await self._tasks.stop()
        await self._recorder.stop()

    async def _run(self) -> None:
        while True:
            try:
                if self._config.leader_elect:
                    await self._elector.run(self._lead)
                else:
                    await self._lead()
            except Exception as error:
                log.error("controllers ended", exc_info=error)
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    # It came up while stopping, in the place of the cancellation.
                    raise
            await self._clock.sleep(RESTART_SECONDS)

    async def _lead(self) -> None:
        """Run all controllers until cancelled."""
        informers = InformerFactory(self._client, self._clock)
        context = Context(self._client, informers, self._recorder, self._clock, self.counters, self._config)
        # Closed in reverse order, each step whatever became of the others.
        async with AsyncExitStack() as stack:
            stack.push_async_callback(informers.stop_all)
            running: list[Controller] = []
            for each in self._controllers:
                if (controller := self._build(each, context)) is not None:
                    running.append(controller)
                    stack.push_async_callback(controller.stop)
            stack.callback(self._leading.clear)
            await informers.start_all()
            for controller in running:
                await controller.start()
            self._leading.set()
            await asyncio.Event().wait()

    def _build(self, controller: type[Controller], context: Context) -> Controller | None:
        source = controller.event_source or f"{controller.name}-controller"
        try:
            return controller(replace(context, recorder=self._recorder.of(source)))
        except Exception as error:
            self.counters.of(controller.name).errors += 1
            log.error("controller does not start", controller=controller.name, exc_info=error)
            return None
