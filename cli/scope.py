"""What a command works on: namespaces, and the objects that its words and selectors choose."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.errors import NotFound
from kube_actors.api.meta import name_of, namespace_of
from kube_actors.api.resources import Resource
from kube_actors.client.client import KubeClient

from .failure import usage
from .manifests import Manifest, load
from .names import Names, Target

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class Chosen:
    """One object, present or not: which one a command is about."""

    resource: Resource
    name: str
    namespace: str
    obj: Obj | None = None


def namespace(arguments: argparse.Namespace, resource: Resource) -> str:
    """The namespace of a request; empty for cluster-scoped resources and for all namespaces."""
    if not resource.namespaced or getattr(arguments, "all_namespaces", False):
        return ""
    return arguments.namespace or DEFAULT_NAMESPACE


def manifest_namespace(arguments: argparse.Namespace, resource: Resource, manifest: Manifest) -> str:
    """The namespace that an object of a file goes to. Raises Failure where file and flag disagree."""
    if not resource.namespaced:
        return ""
    own = (manifest.obj.get("metadata") or {}).get("namespace") or ""
    if own and arguments.namespace and own != arguments.namespace:
        raise usage(
            f'the namespace from the provided object "{own}" does not match the namespace "{arguments.namespace}". '
            f"You must pass '--namespace={own}' to perform this operation."
        )
    return own or arguments.namespace or DEFAULT_NAMESPACE


async def choose(arguments: argparse.Namespace, client: KubeClient, names: Names) -> list[Chosen]:
    """The objects of `words`, `-f`, `-l` and `--all`; those by name may not exist."""
    if arguments.filename:
        return [_of_manifest(arguments, names, manifest) for manifest in load(arguments.filename)]
    chosen: list[Chosen] = []
    for target in names.targets(arguments.words):
        if target.name:
            chosen.append(Chosen(target.resource, target.name, _named_namespace(arguments, target)))
            continue
        if not arguments.selector and not getattr(arguments, "all", True):
            raise usage("resource(s) were provided, but no name was specified")
        chosen += await _listed(arguments, client, target.resource)
    return chosen


def _of_manifest(arguments: argparse.Namespace, names: Names, manifest: Manifest) -> Chosen:
    resource = names.of_object(manifest.obj, manifest.source)
    where = manifest_namespace(arguments, resource, manifest)
    return Chosen(resource, name_of(manifest.obj), where)


def _named_namespace(arguments: argparse.Namespace, target: Target) -> str:
    if getattr(arguments, "all_namespaces", False) and target.resource.namespaced:
        raise usage("a resource cannot be retrieved by name across all namespaces")
    return namespace(arguments, target.resource)


async def _listed(arguments: argparse.Namespace, client: KubeClient, resource: Resource) -> Sequence[Chosen]:
    where = namespace(arguments, resource)
    found = await client.list(resource, where, labels=arguments.selector)
    return [Chosen(resource, name_of(obj), namespace_of(obj), obj) for obj in found.items]


async def fetch(client: KubeClient, chosen: Chosen) -> Obj | None:
    """The object as it is now, None where there is none."""
    try:
        return await client.get(chosen.resource, chosen.name, chosen.namespace)
    except NotFound:
        return None
