"""From messages of the gRPC API to the vocabulary of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping

from kube_actors.api import errors
from kube_actors.api.resources import Registry, Resource
from kube_actors.apiserver.request import ListOptions, Target, WriteOptions
from kube_actors.rpc.pb import api_pb2 as pb

_NO_OPTIONS = WriteOptions()


def target(resources: Registry, ref: pb.Ref) -> Target:
    """What a Ref points to. Raises NotFound for a resource that is not served."""
    resource = resources.find(ref.group, ref.version, ref.resource)
    if resource is None or (ref.subresource and ref.subresource not in resource.subresources):
        raise errors.NotFound("the server could not find the requested resource", group=ref.group, kind=ref.resource)
    if not resource.namespaced and ref.namespace:
        return Target(resource, "", ref.name, ref.subresource)
    return Target(resource, ref.namespace, ref.name, ref.subresource)


def named(found: Target) -> Target:
    """The target of a request that is about one object."""
    if not found.name or (found.resource.namespaced and not found.namespace):
        raise errors.BadRequest("the request names no object: name and, where it has one, namespace are needed")
    return found


def in_namespace(found: Target) -> Target:
    """The target of a create."""
    if found.resource.namespaced and not found.namespace:
        raise errors.BadRequest("an empty namespace may not be set during creation")
    return found


def write(message: pb.WriteOptions) -> WriteOptions:
    if not message.ByteSize():
        return _NO_OPTIONS
    return WriteOptions(message.dry_run, message.field_manager, message.field_validation)


def listing(message: pb.ListRequest) -> ListOptions:
    return ListOptions(
        labels=message.label_selector,
        fields=message.field_selector,
        limit=message.limit,
        continue_token=message.continue_token,
        resource_version=message.resource_version,
        resource_version_match=message.resource_version_match,
    )


def watching(message: pb.WatchRequest) -> ListOptions:
    return ListOptions(
        labels=message.label_selector,
        fields=message.field_selector,
        resource_version=message.resource_version,
        resource_version_match="NotOlderThan" if message.send_initial_events else "",
        allow_bookmarks=message.allow_bookmarks or message.send_initial_events,
        send_initial_events=True if message.send_initial_events else None,
        timeout_seconds=message.timeout_seconds,
    )


def headers(metadata: Mapping[str, str | bytes]) -> list[tuple[str, str]]:
    """The headers of a call that say who asks."""
    return [(name, value) for name, value in metadata.items() if isinstance(value, str)]


def discovered(resource: Resource) -> pb.DiscoveredResource:
    return pb.DiscoveredResource(
        group=resource.group,
        version=resource.version,
        resource=resource.plural,
        kind=resource.kind,
        namespaced=resource.namespaced,
        singular=resource.singular,
        short_names=resource.short_names,
        categories=resource.categories,
        verbs=resource.verbs,
    )
