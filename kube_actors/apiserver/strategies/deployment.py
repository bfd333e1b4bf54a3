"""Deployments: an annotation is part of the generation, for the controller copies it to ReplicaSets."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.apiserver.strategies.workload import WorkloadStrategy


class DeploymentStrategy(WorkloadStrategy):
    def makes_new_generation(self, new: Obj, old: Obj) -> bool:
        return super().makes_new_generation(new, old) or new["metadata"].get("annotations") != old["metadata"].get(
            "annotations"
        )
