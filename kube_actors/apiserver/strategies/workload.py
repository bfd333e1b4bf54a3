"""Kinds that run pods by a template: a status of their own, labels not changeable through it."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.apiserver.strategies.base import Strategy


class WorkloadStrategy(Strategy):
    def prepare_status_update(self, new: Obj, old: Obj) -> None:
        super().prepare_status_update(new, old)
        labels = old["metadata"].get("labels")
        if labels is None:
            new["metadata"].pop("labels", None)
        else:
            new["metadata"]["labels"] = labels
