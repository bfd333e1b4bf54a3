"""The number of pods that the owners of some pods want together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError, NotFound
from kube_actors.api.meta import controller_of, get_path, make_key, name_of, namespace_of, uid_of
from kube_actors.client.informer import Informer
from kube_actors.client.interface import Client
from kube_actors.controllers.kinds import resource_of


class NoScaleError(KubeActorsError):
    """A pod's owner says no number of pods."""


@dataclass(frozen=True, slots=True)
class Scale:
    """`unmanaged`: pods that nobody owns, which no number includes."""

    replicas: int
    unmanaged: tuple[str, ...] = ()


class Scales:
    """`caches`: by (apiVersion, kind), the owners that have a cache; others are asked for their scale."""

    def __init__(self, client: Client, caches: dict[tuple[str, str], Informer]) -> None:
        self._client = client
        self._caches = caches

    async def of(self, pods: Iterable[Obj]) -> Scale:
        """Raises NoScaleError, or what the server says to a question for a scale."""
        sizes: dict[str, int] = {}
        seen: set[str] = set()
        unmanaged: list[str] = []
        for pod in pods:
            ref = controller_of(pod)
            if ref is None:
                unmanaged.append(name_of(pod))
            elif ref["uid"] not in seen:
                seen.add(ref["uid"])
                uid, size = await self._size(namespace_of(pod), ref, name_of(pod))
                sizes[uid] = size
        return Scale(sum(sizes.values()), tuple(unmanaged))

    async def _size(self, namespace: str, ref: Obj, pod: str) -> tuple[str, int]:
        """(uid, replicas) of the owner; of the owner's own owner, for a ReplicaSet that has one."""
        cache = self._caches.get((ref["apiVersion"], ref["kind"]))
        if cache is None:
            return str(ref["uid"]), await self._ask(namespace, ref, pod)
        owner = cache.get(make_key(namespace, ref["name"]))
        if owner is None or uid_of(owner) != ref["uid"]:
            raise NoScaleError(f'found no controllers for pod "{pod}"')
        above = controller_of(owner)
        if above is not None and (above["apiVersion"], above["kind"]) in self._caches:
            return await self._size(namespace, above, pod)
        return uid_of(owner), int(get_path(owner, "spec", "replicas", default=1))

    async def _ask(self, namespace: str, ref: Obj, pod: str) -> int:
        resource = await resource_of(self._client, ref["apiVersion"], ref["kind"])
        if resource is None or "scale" not in resource.subresources:
            name = resource.qualified if resource is not None else str(ref["kind"])
            raise NoScaleError(f"{name} does not implement the scale subresource")
        try:
            scale = await self._client.get(resource, ref["name"], namespace, subresource="scale")
        except NotFound:
            raise NoScaleError(f'found no controllers for pod "{pod}"') from None
        return int(get_path(scale, "spec", "replicas", default=0))
