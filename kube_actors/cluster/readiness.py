"""When the nodes of a cluster take pods."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.meta import is_true, name_of
from kube_actors.api.resources import NODES
from kube_actors.client.interface import Client
from kube_actors.controllers.node_lifecycle.taints import NOT_READY


async def nodes_ready(client: Client, missing: set[str]) -> None:
    """Until every node of that name is Ready and its taint from before is gone. Those left are in `missing`."""
    async for events in client.watch(NODES, send_initial_events=True):
        missing -= {name_of(each.object) for each in events if each.type != "BOOKMARK" and takes_pods(each.object)}
        if not missing:
            return


def takes_pods(node: Obj) -> bool:
    """The node controller takes the taint away a moment after the node has said that it is Ready."""
    taints = (node.get("spec") or {}).get("taints") or ()
    return is_true(node, "Ready") and not any(each["key"] == NOT_READY for each in taints)
