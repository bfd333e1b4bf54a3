"""Performs the actions of a plan: the one place where controllers write to the API server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError, NotFound
from kube_actors.api.meta import namespace_of
from kube_actors.client.events import Recorder
from kube_actors.client.interface import Client
from kube_actors.controllers.actions import (
    Action,
    AllAtOnce,
    CreateObject,
    DeleteObject,
    PatchObject,
    RecordEvent,
    Requeue,
    SlowStart,
    UpdateObject,
    Write,
)
from kube_actors.controllers.metrics import ControllerCounters

# The field manager of everything that controllers write.
MANAGER = "kube-controller-manager"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one write: the object as the server answered it, or the error."""

    action: Write
    result: Obj | None = None
    error: KubeActorsError | None = None


@dataclass(slots=True)
class Report:
    """What became of a list of actions."""

    outcomes: list[Outcome] = field(default_factory=list)
    # Actions that were not tried, because one before them failed.
    skipped: int = 0
    requeue_after: float | None = None

    @property
    def error(self) -> KubeActorsError | None:
        """The first failure."""
        return next((outcome.error for outcome in self.outcomes if outcome.error is not None), None)

    @property
    def results(self) -> list[Obj]:
        return [outcome.result for outcome in self.outcomes if outcome.result is not None]

    def raise_error(self) -> None:
        if self.error is not None:
            raise self.error


class Executor:
    """Performs actions in order and stops at the first that fails; the rest of the plan was made for a world
    in which it had succeeded. Each plan ends with the status, so a failed step shows as a stale status."""

    def __init__(self, client: Client, recorder: Recorder, counters: ControllerCounters) -> None:
        self._client = client
        self._recorder = recorder
        self._counters = counters

    async def run(self, actions: Iterable[Action]) -> Report:
        """Never raises for a refused write: see `Report.error`."""
        report = Report()
        for action in actions:
            if report.error is not None:
                report.skipped += 1
            elif isinstance(action, RecordEvent):
                recorder = self._recorder.of(action.source) if action.source else self._recorder
                recorder.event(action.obj, action.type, action.reason, action.message)
            elif isinstance(action, Requeue):
                earlier = report.requeue_after
                report.requeue_after = action.after if earlier is None else min(earlier, action.after)
            elif isinstance(action, SlowStart):
                await self._slow_start(action.actions, report)
            elif isinstance(action, AllAtOnce):
                report.outcomes += await asyncio.gather(*map(self._write, action.actions))
            else:
                report.outcomes.append(await self._write(action))
        return report

    async def _slow_start(self, actions: Sequence[CreateObject], report: Report) -> None:
        start, size = 0, 1
        while start < len(actions):
            batch = actions[start : start + size]
            outcomes = await asyncio.gather(*map(self._write, batch))
            report.outcomes += outcomes
            start += len(batch)
            if any(outcome.error is not None for outcome in outcomes):
                report.skipped += len(actions) - start
                return
            size *= 2

    async def _write(self, action: Write) -> Outcome:
        self._counters.writes += 1
        try:
            return Outcome(action, result=await self._send(action))
        except KubeActorsError as error:
            if isinstance(action, DeleteObject) and isinstance(error, NotFound):
                return Outcome(action)
            self._counters.failed_writes += 1
            return Outcome(action, error=error)

    async def _send(self, action: Write) -> Obj:
        if isinstance(action, CreateObject):
            namespace = namespace_of(action.obj) or None
            return await self._client.create(
                action.resource,
                action.obj,
                namespace=namespace,
                name=action.name,
                subresource=action.subresource,
                field_manager=MANAGER,
            )
        if isinstance(action, DeleteObject):
            return await self._client.delete(
                action.resource,
                action.name,
                action.namespace,
                uid=action.uid,
                resource_version=action.resource_version,
                grace_seconds=action.grace_seconds,
                propagation=action.propagation,
            )
        if isinstance(action, PatchObject):
            return await self._client.patch(
                action.resource,
                action.name,
                action.patch,
                action.namespace,
                type=action.type,
                subresource=action.subresource,
                field_manager=MANAGER,
            )
        if isinstance(action, UpdateObject):
            return await self._client.update(
                action.resource, action.obj, subresource=action.subresource, field_manager=MANAGER
            )
        return await self._client.update_status(action.resource, action.obj, field_manager=MANAGER)
