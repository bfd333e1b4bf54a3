"""A request as webhooks and expressions see it: the AdmissionRequest of admission.k8s.io.

Objects are in the version that was asked for; what a webhook made of one comes back in that version.
"""

from __future__ import annotations

import copy
from typing import Any

from kube_actors.api import Obj, decode, defaults, encoding, errors
from kube_actors.api.decode import DecodeError
from kube_actors.api.resources import Resource
from kube_actors.apiserver import versions
from kube_actors.apiserver.admission.chain import Attributes, Operation
from kube_actors.apiserver.admission.matching import namespace_of
from kube_actors.apiserver.custom.conversion import Conversions
from kube_actors.apiserver.request import DeleteOptions, User


def describe(attributes: Attributes, version: Resource) -> Obj:
    """The AdmissionRequest without uid and objects; `version` is the resource as the rule names it."""
    target = attributes.target
    name = target.name or str(((attributes.obj or {}).get("metadata") or {}).get("name") or "")
    optional = {
        "subResource": target.subresource,
        "requestSubResource": target.subresource,
        "name": name,
        "namespace": namespace_of(attributes),
    }
    return {
        "kind": _kind(attributes, version),
        "resource": _resource(version),
        "requestKind": _kind(attributes, target.resource),
        "requestResource": _resource(target.resource),
        **{key: value for key, value in optional.items() if value},
        "operation": attributes.operation.value,
        "userInfo": user_info(attributes.user),
        "dryRun": attributes.dry_run,
        "options": options_of(attributes),
    }


def _kind(attributes: Attributes, version: Resource) -> Obj:
    kind = attributes.kind or version
    body = attributes.obj if attributes.operation is Operation.CONNECT else None
    if body is not None:  # PodExecOptions and the like are no resources
        group, _, short = str(body.get("apiVersion", "v1")).rpartition("/")
        return {"group": group, "version": short, "kind": body.get("kind", "")}
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _resource(resource: Resource) -> Obj:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}


def user_info(user: User) -> Obj:
    info: Obj = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    extra = getattr(user, "extra", None)
    if extra:
        info["extra"] = {key: list(values) for key, values in dict(extra).items()}
    return info


def options_of(attributes: Attributes) -> Obj | None:
    """The CreateOptions, UpdateOptions or DeleteOptions of the request; a stream has none."""
    if attributes.operation is Operation.CONNECT:
        return None
    options = attributes.options
    kind = {Operation.CREATE: "CreateOptions", Operation.UPDATE: "UpdateOptions"}.get(
        attributes.operation, "DeleteOptions"
    )
    made: Obj = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
    if options.dry_run:
        made["dryRun"] = ["All"]
    if isinstance(options, DeleteOptions):
        preconditions = {"uid": options.uid, "resourceVersion": options.resource_version}
        given = {key: value for key, value in preconditions.items() if value}
        fields = {
            "gracePeriodSeconds": options.grace_seconds,
            "propagationPolicy": options.propagation or None,
            "preconditions": given or None,
        }
    else:
        fields = {
            "fieldManager": options.field_manager or None,
            "fieldValidation": options.field_validation or None,
        }
    return made | {key: value for key, value in fields.items() if value is not None}


def as_version(attributes: Attributes, obj: Obj | None, version: Resource) -> Obj | None:
    """An object of the request in an equivalent version; `prepared` has seen to what a conversion webhook says."""
    if obj is None or version is attributes.resource or attributes.kind is not None:
        return obj
    if version.definition is not None:
        return versions.from_stored(version, copy.deepcopy(obj))
    return versions.from_stored(version, versions.to_stored(attributes.resource, obj))


async def prepared(conversions: Conversions, attributes: Attributes, version: Resource) -> None:
    """Ask the conversion webhook of a custom resource for the request's objects in another version."""
    if version.definition is not None and version is not attributes.resource and attributes.kind is None:
        objects = (one for one in (attributes.obj, attributes.old) if one is not None)
        await conversions.prepare_bytes(version, [encoding.dumps(one) for one in objects])


async def taken_back(conversions: Conversions, attributes: Attributes, changed: Any, version: Resource) -> Obj:
    """What became of the request's object, decoded anew, with defaults. Raises InternalError for what is none."""
    resource = attributes.kind or version
    try:
        obj = decode.convert(resource, changed).obj
    except DecodeError as error:
        raise errors.InternalError(f"Internal error occurred: {error}") from None
    obj.setdefault("metadata", {})
    defaults.apply_defaults(resource, obj)
    if version is attributes.resource or attributes.kind is not None:
        return obj
    if version.definition is not None:
        await conversions.prepare_bytes(attributes.resource, [encoding.dumps(obj)])
        return versions.from_stored(attributes.resource, obj)
    return versions.from_stored(attributes.resource, versions.to_stored(version, obj))
