"""What a client is: `KubeClient` talks to an API server, `testing.FakeKubeClient` is one in memory.

Every method raises the `ApiError` that the server answers (NotFound, Conflict, Invalid ...), or
`RpcError` where none came; `RpcError.transient` says that the same call may work later. A write that
raised a transient RpcError may or may not have happened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from kube_actors.api import Obj
from kube_actors.api.errors import ApiError
from kube_actors.api.resources import Resource
from kube_actors.client.types import MERGE_PATCH, Binding, Events, ObjList


class Client(Protocol):
    """Reads and writes of Kubernetes objects."""

    async def get(self, resource: Resource, name: str, namespace: str = "", *, subresource: str = "") -> Obj:
        """One object."""

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> ObjList:
        """A consistent list; an empty namespace means all. `limit` 0 is everything."""

    def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        send_initial_events: bool = False,
        timeout_seconds: int = 0,
    ) -> AsyncIterator[Events]:
        """Changes after `resource_version`, in batches of what is ready together, bookmarks among them.

        With `send_initial_events` the present objects come first as ADDED, then a bookmark annotated
        `k8s.io/initial-events-end`. Ends when the server ends it; raises Expired where the
        resourceVersion is too old. Close the iterator to end the watch.
        """

    async def create(
        self,
        resource: Resource,
        obj: Obj,
        *,
        namespace: str | None = None,
        name: str = "",
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: str = "",
    ) -> Obj:
        """The object as created. `namespace`: the object's own by default. `name` goes with a subresource."""

    async def update(
        self,
        resource: Resource,
        obj: Obj,
        *,
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: str = "",
    ) -> Obj:
        """Replace; Conflict where the object's resourceVersion (if it has one) is not the present one."""

    async def update_status(self, resource: Resource, obj: Obj, *, field_manager: str = "") -> Obj:
        """Replace the status alone."""

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Obj | Sequence[Any] | bytes,
        namespace: str = "",
        *,
        type: str = MERGE_PATCH,
        subresource: str = "",
        force: bool = False,
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: str = "",
    ) -> Obj:
        """The object as patched."""

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
        grace_seconds: int | None = None,
        propagation: str = "",
        dry_run: bool = False,
    ) -> Obj:
        """The object where it stays (finalizers, graceful deletion), else a Status."""

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        grace_seconds: int | None = None,
        propagation: str = "",
        dry_run: bool = False,
    ) -> Obj:
        """Delete what the selectors choose, each object on its own."""

    async def bind(self, bindings: Sequence[Binding]) -> Sequence[ApiError | None]:
        """Bind pods to nodes: one result a binding, in order, None for success."""
