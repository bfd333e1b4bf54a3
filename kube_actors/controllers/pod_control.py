"""Creating and deleting pods for an owner: expectations kept, events told. One user a controller."""

from __future__ import annotations

from collections.abc import Sequence

from kube_actors.api import Obj
from kube_actors.api.meta import name_of
from kube_actors.controllers.actions import (
    NORMAL,
    WARNING,
    Action,
    AllAtOnce,
    CreateObject,
    DeleteObject,
    RecordEvent,
    SlowStart,
)
from kube_actors.controllers.base import is_namespace_terminating
from kube_actors.controllers.executor import Executor, Report
from kube_actors.controllers.expectations import Expectations


class PodControl:
    """Raises nothing: see `Report.error` of the answer."""

    def __init__(self, executor: Executor, expectations: Expectations) -> None:
        self._executor = executor
        self._expectations = expectations

    async def create(self, key: str, owner: Obj, pods: Sequence[CreateObject]) -> Report:
        """In batches that grow; the first failure is the end."""
        if not pods:
            return Report()
        self._expectations.expect_creations(key, len(pods))
        return await self._create(key, owner, pods)

    async def delete(self, key: str, owner: Obj, pods: Sequence[DeleteObject]) -> Report:
        """All at once, each tried whatever becomes of the others."""
        if not pods:
            return Report()
        self._expectations.expect_deletions(key, (action.uid for action in pods))
        return await self._delete(key, owner, pods)

    async def change(
        self, key: str, owner: Obj, create: Sequence[CreateObject], delete: Sequence[DeleteObject]
    ) -> tuple[Report, Report]:
        """Both under one expectation: the reports of the creations and of the deletions."""
        if not create and not delete:
            return Report(), Report()
        self._expectations.expect(key, len(create), (action.uid for action in delete))
        created = await self._create(key, owner, create)
        return created, await self._delete(key, owner, delete)

    async def _create(self, key: str, owner: Obj, pods: Sequence[CreateObject]) -> Report:
        report = await self._executor.run([SlowStart(tuple(pods))])
        failed = sum(1 for outcome in report.outcomes if outcome.error is not None)
        self._expectations.creation_observed(key, failed + report.skipped)
        await self._executor.run(self._creation_events(owner, report))
        return report

    async def _delete(self, key: str, owner: Obj, pods: Sequence[DeleteObject]) -> Report:
        report = await self._executor.run([AllAtOnce(tuple(pods))])
        for action, outcome in zip(pods, report.outcomes, strict=True):
            # No result: it was gone already, so no event will come for it.
            if outcome.result is None:
                self._expectations.deletion_observed(key, action.uid)
        await self._executor.run(deletion_events(owner, pods, report))
        return report

    def _creation_events(self, owner: Obj, report: Report) -> list[Action]:
        events: list[Action] = []
        for outcome in report.outcomes:
            if outcome.result is not None:
                text = f"Created pod: {name_of(outcome.result)}"
                events.append(RecordEvent(owner, NORMAL, "SuccessfulCreate", text))
            elif not is_namespace_terminating(outcome.error):
                events.append(RecordEvent(owner, WARNING, "FailedCreate", f"Error creating: {outcome.error}"))
        return events


def deletion_events(owner: Obj, pods: Sequence[DeleteObject], report: Report) -> list[Action]:
    """What to tell of deletions; nothing of a pod that was gone already."""
    events: list[Action] = []
    for action, outcome in zip(pods, report.outcomes, strict=True):
        if outcome.error is not None:
            events.append(RecordEvent(owner, WARNING, "FailedDelete", f"Error deleting: {outcome.error}"))
        elif outcome.result is not None:
            events.append(RecordEvent(owner, NORMAL, "SuccessfulDelete", f"Deleted pod: {action.name}"))
    return events
