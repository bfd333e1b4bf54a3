"""ComponentStatuses: objects that nobody writes, made of what the components say when they are asked for.

The store alone is asked: who schedules and who controls is seen by Leases.
Kubernetes: pkg/registry/core/componentstatus.
"""

from __future__ import annotations

from kube_actors.api import Obj, encoding, errors
from kube_actors.api.errors import StoreError
from kube_actors.api.resources import COMPONENT_STATUSES
from kube_actors.apiserver.cache.entry import Entry
from kube_actors.apiserver.listing import Page
from kube_actors.apiserver.storage import Storage

STORE = "etcd-0"


class ComponentStatuses:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def get(self, name: str) -> bytes:
        """Raises NotFound."""
        if name != STORE:
            text = f'componentstatus "{name}" not found'
            raise errors.NotFound(text, kind=COMPONENT_STATUSES.singular, name=name)
        return encoding.dumps(await self._store())

    async def page(self) -> Page:
        """All of them; no revision is that of such a list."""
        return Page([Entry(STORE, 0, await self.get(STORE))], 0)

    async def _store(self) -> Obj:
        condition = {"type": "Healthy", "status": "True", "message": "ok"}
        try:
            await self._storage.revision()
        except StoreError as error:
            condition = {"type": "Healthy", "status": "False", "error": str(error)}
        kind = {"kind": COMPONENT_STATUSES.kind, "apiVersion": COMPONENT_STATUSES.api_version}
        return {**kind, "metadata": {"name": STORE}, "conditions": [condition]}
