"""Pods: deleted gracefully once they have a node."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.meta import get_path
from kube_actors.apiserver.request import DeleteOptions
from kube_actors.apiserver.strategies.base import Strategy


class PodStrategy(Strategy):
    def grace_seconds(self, obj: Obj, options: DeleteOptions) -> int | None:
        """Kubernetes: podStrategy.CheckGracefulDelete."""
        spec = obj.get("spec") or {}
        period = options.grace_seconds
        if period is None:
            period = spec.get("terminationGracePeriodSeconds") or 0
        if not spec.get("nodeName") or get_path(obj, "status", "phase") in ("Succeeded", "Failed"):
            return 0
        return 1 if period < 0 else period
