"""Custom resources: what their definition says beside the schema."""

from __future__ import annotations

from kube_actors.api import Obj, errors
from kube_actors.api.kinds.kind import RestRules
from kube_actors.apiserver.registry.allocation import Allocators
from kube_actors.apiserver.strategies.base import Reservation, Strategy

RULES = RestRules(unconditional_update=False)


class CustomStrategy(Strategy):
    async def begin_create(self, obj: Obj, allocators: Allocators) -> Reservation | None:
        """Raises Forbidden while the definition is being deleted: what comes now would be deleted with it."""
        served, resource = self.resource.definition, self.resource
        if served is not None and served.definition.terminating:
            name = obj["metadata"].get("name", "")
            raise errors.Forbidden(
                f'{resource.qualified} "{name}" is forbidden: '
                "create not allowed while custom resource definition is terminating",
                group=resource.group,
                kind=resource.plural,
                name=name,
            )
        return None
