"""Requests of the gRPC API from the arguments of a client's methods. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kube_actors.api import Obj, encoding
from kube_actors.api.meta import name_of, namespace_of
from kube_actors.api.resources import Resource
from kube_actors.rpc.pb import api_pb2 as pb


def ref(resource: Resource, namespace: str = "", name: str = "", subresource: str = "") -> pb.Ref:
    return pb.Ref(
        group=resource.group,
        version=resource.version,
        resource=resource.plural,
        namespace=namespace if resource.namespaced else "",
        name=name,
        subresource=subresource,
    )


def object_ref(resource: Resource, obj: Obj, subresource: str = "") -> pb.Ref:
    """The path of an object that has a name."""
    return ref(resource, namespace_of(obj), name_of(obj), subresource)


def write_options(dry_run: bool, field_manager: str, field_validation: str) -> pb.WriteOptions:
    return pb.WriteOptions(dry_run=dry_run, field_manager=field_manager, field_validation=field_validation)


def patch_body(patch: Obj | Sequence[Any] | bytes) -> bytes:
    """A patch as bytes; bytes are taken as they are (YAML of an apply patch)."""
    return patch if isinstance(patch, bytes) else encoding.dumps(patch)


def delete_options(
    *, uid: str, resource_version: str, grace_seconds: int | None, propagation: str, dry_run: bool
) -> bytes:
    """A meta.k8s.io/v1 DeleteOptions as JSON, empty where nothing is asked for."""
    options: Obj = {}
    preconditions = {key: value for key, value in (("uid", uid), ("resourceVersion", resource_version)) if value}
    if preconditions:
        options["preconditions"] = preconditions
    if grace_seconds is not None:
        options["gracePeriodSeconds"] = grace_seconds
    if propagation:
        options["propagationPolicy"] = propagation
    if dry_run:
        options["dryRun"] = ["All"]
    if not options:
        return b""
    return encoding.dumps({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"} | options)
