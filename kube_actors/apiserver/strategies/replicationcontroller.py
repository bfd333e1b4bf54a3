"""ReplicationControllers: as the workloads of apps/v1."""

from __future__ import annotations

from kube_actors.apiserver.strategies.workload import WorkloadStrategy


class ReplicationControllerStrategy(WorkloadStrategy):
    pass
