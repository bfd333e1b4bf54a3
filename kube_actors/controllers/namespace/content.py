"""What a namespace still holds, and deleting it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError, MethodNotAllowed, NotFound
from kube_actors.api.meta import get_path
from kube_actors.api.resources import Resource
from kube_actors.client.interface import Client
from kube_actors.controllers.pods import is_terminal

# How long something with a finalizer is given before it is looked at again (twice this).
FINALIZER_ESTIMATE = 15


@dataclass(slots=True)
class Content:
    """What is left: objects by resource, how many each finalizer holds, what failed, how long it may take."""

    remaining: dict[Resource, int] = field(default_factory=dict)
    finalizers: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    estimate: int = 0

    @property
    def empty(self) -> bool:
        return not self.remaining and not self.errors

    def add(self, other: Content) -> None:
        self.remaining |= other.remaining
        self.finalizers += other.finalizers
        self.errors += other.errors
        self.estimate = max(self.estimate, other.estimate)


def deletable(resources: Iterable[Resource]) -> list[Resource]:
    """The namespaced resources whose objects can be listed and deleted, each in one version."""
    chosen: dict[tuple[str, str], Resource] = {}
    for resource in resources:
        if resource.namespaced and {"list", "delete"} <= set(resource.verbs):
            chosen.setdefault((resource.group, resource.plural), resource)
    return list(chosen.values())


async def delete_all(client: Client, namespace: str, resources: Sequence[Resource]) -> Content:
    """Delete the objects of all these resources; what is left afterwards."""
    whole = Content()
    for part in await asyncio.gather(*(_delete(client, namespace, resource) for resource in resources)):
        whole.add(part)
    return whole


async def _delete(client: Client, namespace: str, resource: Resource) -> Content:
    try:
        # Most resources have no object here: one list tells, and nothing new is admitted any more.
        if not (await client.list(resource, namespace)).items:
            return Content()
        await client.delete_collection(resource, namespace)
        left = (await client.list(resource, namespace)).items
    except (NotFound, MethodNotAllowed):
        # A resource that went away meanwhile has no objects.
        return Content()
    except KubeActorsError as error:
        return Content(errors=[str(error)])
    return _left(namespace, resource, left)


def _left(namespace: str, resource: Resource, left: Sequence[Obj]) -> Content:
    if not left:
        return Content()
    finalizers = Counter(name for obj in left for name in obj["metadata"].get("finalizers") or ())
    content = Content({resource: len(left)}, finalizers, estimate=FINALIZER_ESTIMATE if finalizers else 0)
    if resource.plural == "pods" and not resource.group:
        content.estimate = max(content.estimate, _grace(left))
    if not content.estimate:
        where = f"{resource.group}/{resource.version}, Resource={resource.plural}"
        content.errors.append(f"unexpected items still remain in namespace: {namespace} for gvr: {where}")
    return content


def _grace(pods: Iterable[Obj]) -> int:
    """The longest time that a pod may take to end."""
    running = (pod for pod in pods if not is_terminal(pod))
    return max((get_path(pod, "spec", "terminationGracePeriodSeconds", default=30) for pod in running), default=0)
