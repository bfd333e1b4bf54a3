"""Nodes: a creator may state the status, for the node agent registers itself with it."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.apiserver.strategies.base import Strategy


class NodeStrategy(Strategy):
    def prepare_create(self, obj: Obj) -> None:
        status = obj.get("status")
        super().prepare_create(obj)
        if status is not None:
            obj["status"] = status
