"""EndpointSlices: labels are part of the generation, for they name the service."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.apiserver.strategies.base import Strategy


class EndpointSliceStrategy(Strategy):
    def makes_new_generation(self, new: Obj, old: Obj) -> bool:
        return super().makes_new_generation(new, old) or new["metadata"].get("labels") != old["metadata"].get("labels")
