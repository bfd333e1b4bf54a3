"""Performing claims: adopt and release, after a look at the live owner."""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.errors import Invalid, NotFound
from kube_actors.api.meta import is_deleting, name_of, namespace_of, uid_of
from kube_actors.api.resources import Resource
from kube_actors.client.interface import Client
from kube_actors.controllers.actions import AllAtOnce
from kube_actors.controllers.base import NotYet
from kube_actors.controllers.executor import Executor
from kube_actors.controllers.ownership import Matches, claim


async def claim_all(
    client: Client,
    executor: Executor,
    owner: Obj,
    owner_resource: Resource,
    matches: Matches,
    candidates: Iterable[Obj],
    resource: Resource,
    *,
    finalizer: str = "",
) -> list[Obj]:
    """What `owner` controls of `candidates`, orphans adopted and strangers released by now.

    Raises the first ApiError that is no race: an object that vanished or changed hands meanwhile is skipped.
    """
    claims = claim(owner, matches, candidates, resource, finalizer=finalizer)
    if claims.adopt:
        # The cache may show an owner that is gone or going: nothing is adopted in its name.
        live = await client.get(owner_resource, name_of(owner), namespace_of(owner))
        if uid_of(live) != uid_of(owner):
            raise NotYet(f"{owner_resource.qualified} {name_of(owner)} is another object now")
        if is_deleting(live):
            raise NotYet(f"{owner_resource.qualified} {name_of(owner)} is being deleted")
    patches = [patch for _, patch in claims.adopt] + list(claims.release)
    if not patches:
        return list(claims.owned)
    report = await executor.run([AllAtOnce(tuple(patches))])
    failures = [outcome.error for outcome in report.outcomes if outcome.error is not None]
    for error in failures:
        # Gone, or of another uid by now: its own event comes.
        if not isinstance(error, NotFound | Invalid):
            raise error
    adopted = [outcome.result for outcome in report.outcomes[: len(claims.adopt)] if outcome.result is not None]
    return [*claims.owned, *adopted]
