"""The read-only paths of a kubelet below nodes/NAME/proxy, made from what the node's agent tells.

Kubernetes: kubelet/pkg/server. Node agents speak gRPC, so there is no HTTP server to lead to.
"""

from __future__ import annotations

from kube_actors.api import encoding, errors
from kube_actors.api.resources import PODS
from kube_actors.apiserver import usage
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.operations import method_not_allowed
from kube_actors.apiserver.request import Target
from kube_actors.apiserver.rest.connect.locations import AGENT_PORT, split
from kube_actors.apiserver.rest.exchange import Answer
from kube_actors.apiserver.streams.agents import Agents

TEXT = "text/plain; charset=utf-8"
METRICS = "text/plain; version=0.0.4; charset=utf-8"


class Kubelet:
    """healthz, pods, stats/summary and metrics/resource of a node."""

    def __init__(self, cache: Cache, agents: Agents) -> None:
        self._cache = cache
        self._agents = agents

    def node_of(self, target: Target) -> str:
        """The node, where the name means its agent: without a port, or with a kubelet's own. Raises NotFound."""
        name = split(target.name, "node")
        if name.port not in ("", AGENT_PORT):
            return ""
        self._agents.node(name.name)
        return name.name

    async def answer(self, node: str, method: str, path: str) -> Answer:
        if method not in ("GET", "HEAD"):
            raise method_not_allowed()
        match path.strip("/"):
            case "healthz":
                await usage.summary(self._agents, node)
                return Answer(b"ok", 200, TEXT)
            case "pods" | "runningpods":
                return Answer(self._pods(node))
            case "stats/summary":
                return Answer(encoding.dumps(await usage.summary(self._agents, node)))
            case "metrics/resource":
                return Answer(usage.exposition(await usage.summary(self._agents, node)), content_type=METRICS)
        raise errors.NotFound("the server could not find the requested resource")

    def _pods(self, node: str) -> bytes:
        bucket = self._cache.bucket(PODS)
        found = (entry.decode() for entry in bucket.entries(*bucket.keys()))
        items = [pod for pod in found if pod["spec"].get("nodeName") == node]
        return encoding.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})
