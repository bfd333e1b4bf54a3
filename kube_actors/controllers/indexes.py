"""Index functions of the shared caches. One function a name, since informers are shared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kube_actors.api import Obj
from kube_actors.api.meta import controller_of, get_path, make_key, namespace_of
from kube_actors.api.volumes import claim_names
from kube_actors.client.indexer import IndexFunction

CONTROLLER = "controller"
NODE = "node"
CLAIM = "claim"


def orphans_of(namespace: str) -> str:
    """The value under which the CONTROLLER index has what nobody controls."""
    return f"orphans/{namespace}"


def by_controller(obj: Obj) -> Iterable[str]:
    ref = controller_of(obj)
    return (str(ref["uid"]) if ref is not None else orphans_of(namespace_of(obj)),)


def by_node(pod: Obj) -> Iterable[str]:
    node = get_path(pod, "spec", "nodeName")
    return (node,) if node else ()


def by_claim(pod: Obj) -> Iterable[str]:
    """The keys of the claims that a pod uses."""
    return [make_key(namespace_of(pod), name) for name in claim_names(pod)]


OWNED: Mapping[str, IndexFunction] = {CONTROLLER: by_controller}
ON_NODE: Mapping[str, IndexFunction] = {NODE: by_node}
USING_CLAIM: Mapping[str, IndexFunction] = {CLAIM: by_claim}
