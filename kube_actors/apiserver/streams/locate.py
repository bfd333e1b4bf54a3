"""Which pod and node a request means. Kubernetes: registry/core/pod/strategy.go."""

from __future__ import annotations

from kube_actors.api import Obj, errors
from kube_actors.api.resources import PODS
from kube_actors.apiserver.cache.cache import Cache


async def find_pod(cache: Cache, namespace: str, name: str) -> Obj:
    """The pod as the store has it. Raises NotFound."""
    await cache.fresh()
    entry = cache.bucket(PODS).get(f"{namespace}/{name}")
    if entry is None:
        raise errors.not_found("pods", "", name)
    return entry.decode()


def node_of(pod: Obj) -> str:
    """The pod's node. Raises BadRequest where it has none yet."""
    node = (pod.get("spec") or {}).get("nodeName")
    if not node:
        raise errors.BadRequest(f"pod {pod['metadata']['name']} does not have a host assigned")
    return str(node)
