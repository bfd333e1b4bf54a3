"""Our containers as the engine has them, asked for as seldom as can be.

    of_pod(uid)   while events are followed: what is known, without a call where nothing happened to the pod
    all()         the engine's own list, always; what it says otherwise than what is known is asked for again

A container of ours runs once, so that within one state nothing of its record changes. What is known of one is dropped
by every event about it and by every call of ours that changes it. Which containers a pod has changes by our calls and,
if somebody meddles, with an event: then, and when a list differs, the pod is listed again. Without events nothing is
believed but the engine's lists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from kube_actors.node.runtime.docker import names, records
from kube_actors.node.runtime.docker.engine import Engine, failures
from kube_actors.node.runtime.interface import NoSuchContainer

# The exit code of a command that cannot be started.
NOT_FOUND = 127


class Inspects:
    """What is known of the containers of `owner`."""

    def __init__(self, engine: Engine, owner: names.Owner) -> None:
        self._engine = engine
        self._owner = owner
        # By id: the state that Docker named, and the rest.
        self._known: dict[str, tuple[str, records.Inspected]] = {}
        self._never_ran: dict[str, str] = {}
        # The ids of a pod's containers, by uid. Empty while no events are followed.
        self._pods: dict[str, set[str]] = {}
        self._followed = False
        # Of the latest question about an id that is under way: an answer that something has overtaken is not kept.
        self._asked: dict[str, object] = {}

    def follow(self, followed: bool) -> None:
        """Whether events are followed from now on. Before the first of them anything may have happened."""
        self._followed = followed
        self._pods.clear()
        self._known.clear()
        self._asked.clear()

    def changed(self, pod_uid: str, docker_id: str) -> None:
        """An event told of a container."""
        self._drop(docker_id)
        if docker_id not in self._pods.get(pod_uid, ()):
            self._pods.pop(pod_uid, None)

    @contextmanager
    def touching(self, docker_id: str) -> Iterator[None]:
        """A call of ours that changes the container. Where it fails, its pod may be another than was known."""
        try:
            yield
        except BaseException:
            for ids in self._pods.values():
                if docker_id in ids:
                    self._drop(*ids)
            raise
        finally:
            self._drop(docker_id)

    def created(self, pod_uid: str, docker_id: str) -> None:
        """A container of ours that is new."""
        if pod_uid in self._pods:
            self._pods[pod_uid].add(docker_id)

    def gone(self, docker_id: str) -> None:
        """The container is there no more."""
        self._drop(docker_id)
        self._never_ran.pop(docker_id, None)
        for ids in self._pods.values():
            ids.discard(docker_id)

    def never_ran(self, docker_id: str, why: str) -> None:
        """Docker keeps the exit code of a start that failed, Podman keeps nothing."""
        self._never_ran[docker_id] = why

    async def all(self) -> list[records.Inspected]:
        """Everything of the node."""
        listed = await self._list()
        self._known = {key: value for key, value in self._known.items() if key in listed}
        found = [each for id, state in listed.items() if (each := await self._of(id, state)) is not None]
        pods: dict[str, set[str]] = {}
        for each in found:
            pods.setdefault(each.identity.pod_uid, set()).add(each.id)
        # Where the two differ, one of them is late.
        self._pods = {uid: ids for uid, ids in self._pods.items() if ids == pods.get(uid)}
        return found

    async def of_pod(self, uid: str) -> list[records.Inspected]:
        """The containers of a pod."""
        ids = self._pods.get(uid)
        if ids is None:
            found = await self.listed(f"{names.POD_UID}={uid}")
            if self._followed and found:
                self._pods[uid] = {each.id for each in found}
            return found
        asked = [await self.known(id) for id in sorted(ids)]
        return [each for each in asked if each is not None]

    async def listed(self, label: str) -> list[records.Inspected]:
        """Those with the label, as the engine lists them now."""
        listed = await self._list(label)
        return [each for id, state in listed.items() if (each := await self._of(id, state)) is not None]

    async def known(self, docker_id: str) -> records.Inspected | None:
        """As `one`, but what is known already is good enough while events are followed."""
        known = self._known.get(docker_id) if self._followed else None
        return known[1] if known is not None else await self.one(docker_id)

    async def one(self, docker_id: str) -> records.Inspected | None:
        """Freshly inspected; None if it is gone or not ours."""
        question = self._asked[docker_id] = object()
        try:
            async with failures():
                answer = await self._engine.json("GET", f"containers/{docker_id}/json")
        except NoSuchContainer:
            self.gone(docker_id)
            return None
        finally:
            current = self._asked.get(docker_id) is question
            if current:
                del self._asked[docker_id]
        identity = names.Identity.parse(answer["Config"]["Labels"] or {})
        if identity is None:
            return None
        if docker_id in self._never_ran:
            answer["State"] |= {"ExitCode": NOT_FOUND, "Error": self._never_ran[docker_id]}
        container = records.inspected(answer, identity)
        # A created container may fail to start, of which no event tells.
        if current and answer["State"]["Status"] != "created":
            self._known[docker_id] = answer["State"]["Status"], container
        return container

    async def _list(self, *labels: str) -> dict[str, str]:
        """States by id."""
        filters = json.dumps(self._owner.filters(*labels))
        async with failures():
            listed = await self._engine.json("GET", "containers/json", params={"all": "1", "filters": filters})
        return {item["Id"]: item["State"] for item in listed}

    async def _of(self, docker_id: str, state: str) -> records.Inspected | None:
        known = self._known.get(docker_id)
        return known[1] if known is not None and known[0] == state else await self.one(docker_id)

    def _drop(self, *docker_ids: str) -> None:
        for each in docker_ids:
            self._known.pop(each, None)
            self._asked.pop(each, None)
