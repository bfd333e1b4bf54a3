"""Namespaces: deletion marks them Terminating; they go when spec.finalizers is empty, which the controller sees to."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.apiserver.strategies.base import Strategy


class NamespaceStrategy(Strategy):
    def prepare_status_update(self, new: Obj, old: Obj) -> None:
        super().prepare_status_update(new, old)
        phase = "Terminating" if old["metadata"].get("deletionTimestamp") else "Active"
        new.setdefault("status", {})["phase"] = phase

    def begins_deletion_by_itself(self, obj: Obj) -> bool:
        return not obj["metadata"].get("deletionTimestamp")

    def mark_deleted(self, obj: Obj) -> None:
        obj.setdefault("status", {})["phase"] = "Terminating"

    def may_vanish(self, obj: Obj) -> bool:
        return not (obj.get("spec") or {}).get("finalizers")
