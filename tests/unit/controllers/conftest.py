"""A server in memory and a manager that runs chosen controllers against it, in virtual time."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest
import structlog.testing

from kube_actors.aio.clock import LoopClock, rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import key_of, name_of, uid_of
from kube_actors.api.resources import BUILTIN, NAMESPACES, PODS, Resource
from kube_actors.client.testing import FakeKubeClient
from kube_actors.controllers.base import Controller
from kube_actors.controllers.config import ControllerConfig
from kube_actors.controllers.manager import ControllerManager

NEVER_COUNTED = ("events", "leases.coordination.k8s.io")


class Server(FakeKubeClient):
    """What controllers rely on beyond the fake client: discovery, deletion policies, namespaces that end."""

    def __init__(self, objects: Iterable[Obj] = ()) -> None:
        super().__init__(objects, clock=LoopClock())
        # How late watches hear of a change.
        self.lag = 0.0

    async def discover(self) -> Sequence[Resource]:
        return list(BUILTIN)

    async def watch(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async for events in super().watch(*args, **kwargs):
            if self.lag:
                await asyncio.sleep(self.lag)
            yield events

    async def update(self, resource: Resource, obj: Obj, *, subresource: str = "", **options: Any) -> Obj:
        updated = await super().update(resource, obj, subresource=subresource, **options)
        if resource is NAMESPACES and subresource == "finalize" and not updated["spec"].get("finalizers"):
            self.remove(NAMESPACES, name_of(obj))
        return updated

    async def delete(
        self, resource: Resource, name: str, namespace: str = "", *, propagation: str = "", **options: Any
    ) -> Obj:
        finalizer = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(propagation)
        obj = self.peek(resource, f"{namespace}/{name}" if namespace else name)
        if obj is not None and finalizer and not obj["metadata"].get("deletionTimestamp"):
            present = obj["metadata"].setdefault("finalizers", [])
            if finalizer not in present:
                present.append(finalizer)
                self.put(obj)
        return await super().delete(resource, name, namespace, **options)

    def changes(self, *verbs: str) -> list[tuple[str, str, str]]:
        """The writes, without events and leases."""
        return [each for each in self.writes if each[1] not in NEVER_COUNTED and (not verbs or each[0] in verbs)]

    def make_ready(self, *pods: Obj, ip: bool = True) -> None:
        """What a node agent would report."""
        for number, pod in enumerate(pods or self.objects(PODS)):
            new = copy.deepcopy(pod)
            new["spec"].setdefault("nodeName", "node")
            condition = {"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(self._clock.now())}
            new["status"] = {"phase": "Running", "conditions": [condition]}
            if ip:
                address = f"10.0.0.{number + 1}"
                new["status"] |= {"podIP": address, "podIPs": [{"ip": address}]}
            self.put(new)


Run = Callable[..., Awaitable[ControllerManager]]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Failures are what some tests are about; rendering their tracebacks would take most of the time.

    A manager that ended says so in the log alone, also that an object of a shared cache was changed.
    """
    monkeypatch.setenv("KUBE_CACHE_MUTATION_DETECTOR", "true")
    with structlog.testing.capture_logs() as logs:
        yield
    assert [each for each in logs if each["event"] == "controllers ended"] == []


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def run(server: Server) -> AsyncIterator[Run]:
    """`await run(Some, Controllers, option=...)`: they run until the test ends."""
    managers: list[ControllerManager] = []

    async def start(*controllers: type[Controller], **options: Any) -> ControllerManager:
        settings = {"root_ca": b"CA", "identity": f"m{len(managers)}", "leader_elect": False} | options
        manager = ControllerManager(server, ControllerConfig(**settings), LoopClock(), controllers)
        managers.append(manager)
        await manager.start()
        await asyncio.sleep(1)
        return manager

    yield start
    for manager in managers:
        await manager.stop()


@pytest.fixture
def of() -> Callable[..., Obj]:
    """Builds objects: `of("Pod", "a", labels={...}, owner=rs, spec={...})`."""
    return build


API_VERSIONS = {
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "ControllerRevision": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "PodDisruptionBudget": "policy/v1",
    "EndpointSlice": "discovery.k8s.io/v1",
    "Lease": "coordination.k8s.io/v1",
}
CLUSTER_SCOPED = ("Namespace", "Node")


def build(kind: str, name: str, *, owner: Obj | None = None, block: bool = True, **fields: Any) -> Obj:
    metadata: Obj = {"name": name, "uid": f"uid-{name}"}
    if kind not in CLUSTER_SCOPED:
        metadata["namespace"] = fields.pop("namespace", "default")
    for field in ("labels", "annotations", "finalizers", "deletionTimestamp", "creationTimestamp", "ownerReferences"):
        if field in fields:
            metadata[field] = fields.pop(field)
    if owner is not None:
        metadata["ownerReferences"] = [reference(owner, block=block)]
    body = {"apiVersion": API_VERSIONS.get(kind, "v1"), "kind": kind, "metadata": metadata} | fields
    if kind in ("Pod", "Node", "Service", "Deployment", "ReplicaSet", "Namespace"):
        body.setdefault("spec", {})
    return body


def reference(owner: Obj, *, block: bool = True, controller: bool = True) -> Obj:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": controller,
        "blockOwnerDeletion": block,
    }


def keys(objects: Iterable[Obj]) -> set[str]:
    return {key_of(obj) for obj in objects}
