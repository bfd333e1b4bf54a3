"""A whole embedded cluster for each test: real store, API server, scheduler and simulated nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from kube_actors.api import Obj
from kube_actors.cluster.embedded import Cluster


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(nodes=2) as running:
        yield running


@pytest.fixture
def deployment() -> Callable[..., Obj]:
    def build(name: str = "web", replicas: int = 3, image: str = "one", **spec: object) -> Obj:
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": image}]}}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template, **spec},
        }

    return build


Until = Callable[..., object]


@pytest.fixture
def until() -> Until:
    """`await until(async function that gives something true)`: what it gave, or a failure after a while."""

    async def wait(look: Callable[[], object], seconds: float = 20.0) -> object:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            found = await look()  # type: ignore[misc]
            if found:
                return found
            assert loop.time() < end, f"{look.__name__} did not come true in {seconds} s"
            await asyncio.sleep(0.02)

    return wait
