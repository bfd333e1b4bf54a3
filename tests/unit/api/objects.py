"""Objects as a server has them before it validates them, for tests of the rules."""

from __future__ import annotations

import copy
import json
from typing import Any

from kube_actors.api import decode, strategy
from kube_actors.api.defaults import apply_defaults
from kube_actors.api.patch.merge import merge_patch
from kube_actors.api.resources import Resource
from kube_actors.api.validation import validate_create


def made(resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
    """A new object: decoded, with its defaults, prepared."""
    result = _decoded(resource, obj)
    strategy.prepare_create(resource, result)
    return result


def patched(resource: Resource, old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The next state of `old` after a merge patch."""
    result = _decoded(resource, merge_patch(copy.deepcopy(old), patch))
    strategy.prepare_update(resource, result, old)
    return result


def messages(resource: Resource, obj: dict[str, Any]) -> list[str]:
    """What is wrong with a new object."""
    return [f"{cause.field}: {cause.message}" for cause in validate_create(resource, made(resource, obj))]


def _decoded(resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
    obj = copy.deepcopy(obj) | {"kind": resource.kind, "apiVersion": resource.api_version}
    if resource.namespaced:
        obj.setdefault("metadata", {}).setdefault("namespace", "default")
    result: dict[str, Any] = decode.decode(resource, json.dumps(obj).encode()).obj
    apply_defaults(resource, result)
    return result
