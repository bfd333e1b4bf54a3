"""A HorizontalPodAutoscaler over pods that really use the processor, measured by their node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kube_actors.api import Obj
from kube_actors.api.meta import condition, get_path
from kube_actors.api.resources import DEPLOYMENTS
from kube_actors.cluster.embedded import Cluster
from kube_actors.controllers.podautoscaler.controller import AUTOSCALERS

# Busy half of the time, so that the machine is left something.
BUSY = "import time\nwhile True:\n    sum(range(200000)); time.sleep(0.005)"


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(nodes=1, runtime="process", data_dir=tmp_path / "data") as running:
        yield running


@pytest.mark.timeout(180)
async def test_busy_pods_are_given_company(processes: Cluster, deployment: Any, until: Any) -> None:
    client = processes.client
    web = deployment(replicas=1)
    web["spec"]["template"]["spec"]["containers"][0] |= {
        "command": ["python3", "-c", BUSY],
        "resources": {"requests": {"cpu": "20m"}},
    }
    await client.create(DEPLOYMENTS, web)
    target = {"type": "Utilization", "averageUtilization": 50}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 1,
        "maxReplicas": 2,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    metadata = {"name": "web", "namespace": "default"}
    autoscaler = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}
    await client.create(AUTOSCALERS, autoscaler)

    async def scaled() -> Obj | None:
        told = await client.get(AUTOSCALERS, "web", "default")
        return told if get_path(told, "status", "desiredReplicas") == 2 else None

    told = await until(scaled, 150)
    assert (await client.get(DEPLOYMENTS, "web", "default"))["spec"]["replicas"] == 2
    assert condition(told, "ScalingActive")["reason"] == "ValidMetricFound"  # type: ignore[index]
    current = get_path(told, "status", "currentMetrics")[0]["resource"]["current"]
    assert current["averageUtilization"] > 50
