"""pytest fixtures: a whole cluster in the test's process.

    # conftest.py
    pytest_plugins = ["kube_actors.cluster.pytest_plugin"]

    async def test_it(kube_cluster):
        await kube_cluster.client.create(PODS, pod)

Every test gets a cluster of its own, on ports of its own, so tests may run in parallel. A marker chooses
more: `@pytest.mark.kube_cluster(nodes=3, runtime="process")`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from kube_actors.cluster.embedded import Cluster

try:
    import pytest_asyncio
except ImportError as missing:
    raise ImportError("the kube_cluster fixture needs pytest-asyncio: pip install pytest-asyncio") from missing

MARKER = "kube_cluster"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARKER}(nodes=1, runtime='simulated', ...): what the cluster is like")


@pytest_asyncio.fixture
async def kube_cluster(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """A cluster that is ready; it ends with the test."""
    marker = request.node.get_closest_marker(MARKER)
    async with Cluster(**(marker.kwargs if marker else {})) as cluster:
        yield cluster


@pytest_asyncio.fixture
async def kube_cluster_factory() -> AsyncIterator[Callable[..., Any]]:
    """Start clusters of any shape within a test: `cluster = await kube_cluster_factory(nodes=5)`."""
    started: list[Cluster] = []

    async def start(**choices: Any) -> Cluster:
        cluster = Cluster(**choices)
        await cluster.start()
        started.append(cluster)
        return cluster

    yield start
    for cluster in reversed(started):
        await cluster.stop()
