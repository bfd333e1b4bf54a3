"""Makes sure that the present template has a revision, and that this one has the highest number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.errors import AlreadyExists
from kube_actors.api.meta import controller_of, get_path, name_of, namespace_of, uid_of
from kube_actors.client.interface import Client
from kube_actors.controllers.actions import CreateObject, PatchObject
from kube_actors.controllers.executor import Executor
from kube_actors.controllers.history.revisions import (
    CONTROLLER_REVISIONS,
    equal_to,
    new_revision,
    next_number,
    number_of,
)


@dataclass(frozen=True, slots=True)
class Present:
    """The revision of the present template, and the collisionCount after it was made."""

    revision: Obj
    collisions: int


async def ensure_revision(
    client: Client, executor: Executor, owner: Obj, revisions: Sequence[Obj], *, hash_label: str
) -> Present:
    """The revision of the owner's template, created where there is none. Raises what the server refuses.

    An old template that came back keeps its revision, with the next number: that is a rollback.
    """
    collisions = int(get_path(owner, "status", "collisionCount", default=0))
    if same := equal_to(owner["spec"]["template"], revisions):
        newest = same[-1]
        number = next_number(each for each in revisions if each not in same)
        if number_of(newest) >= number:
            return Present(newest, collisions)
        patch = {"metadata": {"resourceVersion": newest["metadata"].get("resourceVersion")}, "revision": number}
        action = PatchObject(CONTROLLER_REVISIONS, namespace_of(newest), name_of(newest), patch)
        report = await executor.run([action])
        report.raise_error()
        return Present(report.results[0], collisions)
    return await _create(client, executor, owner, next_number(revisions), collisions, hash_label)


async def _create(
    client: Client, executor: Executor, owner: Obj, number: int, collisions: int, hash_label: str
) -> Present:
    while True:
        wanted = new_revision(owner, number, collisions, hash_label)
        report = await executor.run([CreateObject(CONTROLLER_REVISIONS, wanted)])
        if not isinstance(report.error, AlreadyExists):
            report.raise_error()
            return Present(report.results[0], collisions)
        found = await client.get(CONTROLLER_REVISIONS, name_of(wanted), namespace_of(wanted))
        ref = controller_of(found)
        ours = ref is not None and ref.get("uid") == uid_of(owner)
        if ours and equal_to(owner["spec"]["template"], [found]):
            # Our own, which the cache does not show yet.
            return Present(found, collisions)
        collisions += 1
