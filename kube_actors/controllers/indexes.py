"""Index functions of the shared caches. One function a name, since informers are shared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kube_actors.api import Obj
from kube_actors.api.meta import controller_of, get_path, namespace_of
from kube_actors.client.indexer import IndexFunction

CONTROLLER = "controller"
NODE = "node"


def orphans_of(namespace: str) -> str:
    """The value under which the CONTROLLER index has what nobody controls."""
    return f"orphans/{namespace}"


def by_controller(obj: Obj) -> Iterable[str]:
    ref = controller_of(obj)
    return (str(ref["uid"]) if ref is not None else orphans_of(namespace_of(obj)),)


def by_node(pod: Obj) -> Iterable[str]:
    node = get_path(pod, "spec", "nodeName")
    return (node,) if node else ()


OWNED: Mapping[str, IndexFunction] = {CONTROLLER: by_controller}
ON_NODE: Mapping[str, IndexFunction] = {NODE: by_node}
