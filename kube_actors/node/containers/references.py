"""What pods refer to: ConfigMaps and Secrets, remembered for a short time; claims and their volumes, never."""

from __future__ import annotations

from kube_actors.aio.clock import Clock
from kube_actors.api import Obj
from kube_actors.api.errors import NotFound
from kube_actors.api.resources import CONFIGMAPS, SECRETS, Resource
from kube_actors.api.volumes import CLAIMS, VOLUMES
from kube_actors.client.interface import Client

# Long enough that the pods of one rollout share a read, short against the promise of 60 s for updates.
TTL_SECONDS = 10.0
LIMIT = 4096


class References:
    """Reads with a memory of `TTL_SECONDS`. Objects given out are shared and must not be changed.

    `since`: when the asking pod came to the node. A pod never gets what was read before that, so that a
    pod made after a change of a ConfigMap sees the change.
    """

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[tuple[str, str, str], tuple[float, Obj]] = {}

    async def config_map(self, namespace: str, name: str, since: float = 0.0) -> Obj | None:
        """None where it does not exist. Raises ApiError or RpcError where that cannot be known."""
        return await self._get(CONFIGMAPS, namespace, name, since)

    async def secret(self, namespace: str, name: str, since: float = 0.0) -> Obj | None:
        return await self._get(SECRETS, namespace, name, since)

    async def claim(self, namespace: str, name: str) -> Obj:
        """A claim as it is now. Raises NotFound, ApiError or RpcError."""
        return await self._client.get(CLAIMS, name, namespace)

    async def volume(self, name: str) -> Obj:
        """A PersistentVolume as it is now. Raises as `claim` does."""
        return await self._client.get(VOLUMES, name)

    async def _get(self, resource: Resource, namespace: str, name: str, since: float) -> Obj | None:
        key = (resource.plural, namespace, name)
        now = self._clock.now()
        known = self._known.get(key)
        if known is not None and known[0] >= since and now - known[0] < TTL_SECONDS:
            return known[1]
        self._known.pop(key, None)
        try:
            found = await self._client.get(resource, name, namespace)
        except NotFound:
            # That something is missing is never remembered: its creation must be seen at once.
            return None
        if len(self._known) >= LIMIT:
            self._known = {each: entry for each, entry in self._known.items() if now - entry[0] < TTL_SECONDS}
        self._known[key] = (now, {"kind": resource.kind} | found)
        return self._known[key][1]
