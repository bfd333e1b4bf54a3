"""PodTopologyLabels: a pod carries the zone and the region of the node that it is given."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, labels_of
from kube_actors.api.resources import NODES, PODS, Resource
from kube_actors.apiserver.admission.chain import Attributes, Lookup, Operation, Plugin

LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class PodTopologyLabels(Plugin):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        return operation is Operation.CREATE and resource is PODS and subresource in ("", "binding")

    async def admit(self, attributes: Attributes) -> None:
        obj = attributes.obj
        assert obj is not None
        node = self._lookup.cached(NODES, "", name) if (name := _node_of(obj)) else None
        if node is None:
            return
        found = labels_of(node)
        wanted = {key: found[key] for key in LABELS if key in found}
        if wanted:
            obj["metadata"]["labels"] = {**wanted, **labels_of(obj)}


def _node_of(obj: Obj) -> str:
    if obj.get("kind") == "Binding":
        return str(obj["target"]["name"]) if obj["target"].get("kind") == "Node" else ""
    return str(get_path(obj, "spec", "nodeName", default=""))
