"""What the scheduler knows of claims, volumes and storage classes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from kube_actors.aio.clock import Clock
from kube_actors.api import Obj
from kube_actors.api.volumes import (
    CLAIMS,
    NO_PROVISIONER,
    STORAGE_CLASSES,
    VOLUMES,
    class_of,
    find_match,
    is_fully_bound,
)
from kube_actors.client.informer import Informer
from kube_actors.client.interface import Client
from kube_actors.scheduler.shape import Shape


class Volumes:
    """Caches; `changed` is called on every change of any of them. Objects given out are read-only."""

    def __init__(self, client: Client, clock: Clock, changed: Callable[[], None]) -> None:
        self._claims = Informer(client, CLAIMS, clock=clock)
        self._volumes = Informer(client, VOLUMES, clock=clock)
        self._classes = Informer(client, STORAGE_CLASSES, clock=clock)
        self._changed = changed
        self._news = asyncio.Event()
        for informer in self._informers:
            informer.add_handler(self)

    @property
    def _informers(self) -> tuple[Informer, ...]:
        return (self._claims, self._volumes, self._classes)

    async def start(self) -> None:
        for informer in self._informers:
            await informer.start()

    async def stop(self) -> None:
        for informer in self._informers:
            await informer.stop()

    async def synced(self) -> None:
        for informer in self._informers:
            await informer.synced()

    async def news(self) -> None:
        """Wait for the next change."""
        await self._news.wait()

    def claim(self, key: str) -> Obj | None:
        return self._claims.get(key)

    def volume(self, name: str) -> Obj | None:
        return self._volumes.get(name)

    def storage_class(self, claim: Obj) -> Obj | None:
        return self._classes.get(class_of(claim))

    def unbound(self, shape: Shape) -> list[str]:
        """The claims of a shape that have no volume yet."""
        found = ((key, self.claim(key)) for key in shape.claims)
        return [key for key, claim in found if claim is None or not is_fully_bound(claim)]

    def candidates(self, claim: Obj) -> Iterable[Obj]:
        """The volumes that could serve a claim that waits for its consumer, wherever they are."""
        for volume in self._volumes.list():
            if find_match(claim, (volume,)) is not None:
                yield volume

    def match(self, claim: Obj, node: Obj) -> Obj | None:
        """The volume to bind for a pod on that node; None where one has to be made."""
        return find_match(claim, self._volumes.list(), node=node)

    def can_provision(self, claim: Obj) -> bool:
        """Whether somebody makes volumes for the claim's class."""
        found = self.storage_class(claim)
        return found is not None and found.get("provisioner") not in (None, "", NO_PROVISIONER)

    # The informers' handler

    def on_add(self, obj: Obj, is_initial: bool) -> None:
        self._tell()

    def on_update(self, old: Obj, new: Obj) -> None:
        self._tell()

    def on_delete(self, obj: Obj) -> None:
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
        self._changed()
