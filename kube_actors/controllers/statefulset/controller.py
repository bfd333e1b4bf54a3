"""The StatefulSet controller: claims pods and revisions, performs the plan, writes the status."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kube_actors.api import Obj
from kube_actors.api.errors import AlreadyExists
from kube_actors.api.meta import get_path, is_deleting, labels_of, make_key, name_of, namespace_of, uid_of
from kube_actors.api.resources import PODS, Resource, builtin
from kube_actors.api.selectors import LabelSelector
from kube_actors.client.informer import Informer
from kube_actors.controllers.actions import UpdateStatus
from kube_actors.controllers.base import Context, Controller, NotYet, is_namespace_terminating
from kube_actors.controllers.claiming import claim_all
from kube_actors.controllers.dependents import DependentHandler
from kube_actors.controllers.executor import Report
from kube_actors.controllers.history.ensure import ensure_revision
from kube_actors.controllers.history.revisions import CONTROLLER_REVISIONS, HASH_LABEL, equal_to, surplus
from kube_actors.controllers.indexes import CONTROLLER, OWNED, orphans_of
from kube_actors.controllers.statefulset.claims import CLAIMS
from kube_actors.controllers.statefulset.identity import is_member, revision_of
from kube_actors.controllers.statefulset.plan import View, plan
from kube_actors.controllers.statefulset.refusals import refusal_events
from kube_actors.controllers.statefulset.status import Revisions, plan_status
from kube_actors.controllers.statuses import same_status

STATEFUL_SETS = builtin("apps/v1", "statefulsets")


def _selects(owner: Obj, pod: Obj) -> bool:
    selector = LabelSelector.from_object(owner["spec"].get("selector"))
    return not selector.is_everything and selector.matches(labels_of(pod)) and is_member(owner, pod)


class StatefulSetController(Controller):
    """Keeps one pod an ordinal; see `plan.plan`."""

    name = "statefulset"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.owners = self.informer(STATEFUL_SETS)
        self.pods = self.informer(PODS, OWNED)
        self.revisions = self.informer(CONTROLLER_REVISIONS, OWNED)
        self.claims = self.informer(CLAIMS)
        self.enqueue_from(self.owners)
        self.pods.add_handler(DependentHandler(STATEFUL_SETS, self.owners, _selects, self.queue.add))

    async def sync(self, key: str) -> None:
        owner = self.owners.get(key)
        if owner is None:
            return
        selector = LabelSelector.from_object(owner["spec"].get("selector"))
        if selector.is_everything:
            return
        history = await self._claim(
            owner, self.revisions, CONTROLLER_REVISIONS, lambda obj: selector.matches(labels_of(obj))
        )
        pods = await self._claim(owner, self.pods, PODS, lambda pod: _selects(owner, pod))
        revisions = await self._revisions(owner, history)
        if revisions is None:
            return

        def find(name: str) -> Obj | None:
            return self.claims.get(make_key(namespace_of(owner), name))

        planned = plan(View(owner, tuple(pods), revisions, find, self.clock.now()))
        report = await self.perform(key, planned.actions)
        await self._report_refusals(owner, report)
        given_up = planned.given_up if report.error is None else 0
        await self._write_status(owner, pods, revisions, given_up)
        await self._trim(owner, history, pods, revisions)
        if isinstance(report.error, AlreadyExists):
            raise NotYet(str(report.error))
        if not is_namespace_terminating(report.error):
            report.raise_error()

    async def _claim(
        self, owner: Obj, informer: Informer, resource: Resource, matches: Callable[[Obj], Any]
    ) -> list[Obj]:
        mine = informer.by_index(CONTROLLER, uid_of(owner))
        orphans = informer.by_index(CONTROLLER, orphans_of(namespace_of(owner)))
        return await claim_all(self.client, self.executor, owner, STATEFUL_SETS, matches, [*mine, *orphans], resource)

    async def _revisions(self, owner: Obj, history: Sequence[Obj]) -> Revisions | None:
        """None where the owner is going and never had a revision: there is nothing to count."""
        collisions = get_path(owner, "status", "collisionCount", default=0)
        if is_deleting(owner):
            if not (same := equal_to(owner["spec"]["template"], history)):
                return None
            update = same[-1]
        else:
            present = await ensure_revision(self.client, self.executor, owner, history, hash_label=HASH_LABEL)
            update, collisions = present.revision, present.collisions
        current = get_path(owner, "status", "currentRevision")
        found = next((each for each in history if name_of(each) == current), update)
        return Revisions(found, update, collisions)

    async def _report_refusals(self, owner: Obj, report: Report) -> None:
        for each in report.outcomes:
            error = each.error
            if error is not None and not isinstance(error, AlreadyExists) and not is_namespace_terminating(error):
                await self.executor.run(refusal_events(owner, each.action, error))

    async def _write_status(self, owner: Obj, pods: Sequence[Obj], revisions: Revisions, given_up: int) -> None:
        status = plan_status(owner, pods, revisions, self.clock.now(), given_up=given_up)
        if not same_status(owner.get("status") or {}, status):
            update = UpdateStatus(STATEFUL_SETS, owner | {"status": status})
            (await self.executor.run([update])).raise_error()

    async def _trim(self, owner: Obj, history: Sequence[Obj], pods: Sequence[Obj], revisions: Revisions) -> None:
        limit = owner["spec"].get("revisionHistoryLimit", 10)
        live = {name_of(revisions.current), name_of(revisions.update), *map(revision_of, pods)}
        if not is_deleting(owner):
            (await self.executor.run(surplus(history, live, limit, count_live=False))).raise_error()
