"""An object of a kind as a server would have it before it validates, and what is wrong with it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from kube_actors.api import decode, kinds, strategy
from kube_actors.api.defaults import apply_defaults
from kube_actors.api.kinds.kind import Writer
from kube_actors.api.resources import BUILTIN, Resource
from kube_actors.api.validation import validate_create, validate_status_update, validate_update, validate_view_update

Obj = dict[str, Any]
WRITER = Writer("2026-01-01T00:00:00Z", "ann", "7", ("dev",), {"scope": ["a"]})


def resource_of(kind: str, version: str = "") -> Resource:
    return next(one for one in BUILTIN if one.kind == kind and version in ("", one.version))


def made(kind: str, body: Obj, version: str = "") -> Obj:
    resource = resource_of(kind, version)
    obj: Obj = {"kind": kind, "apiVersion": resource.api_version, "metadata": {"name": "a"}, **copy.deepcopy(body)}
    if resource.namespaced:
        obj["metadata"].setdefault("namespace", "default")
    result = decode.decode(resource, json.dumps(obj).encode()).obj
    apply_defaults(resource, result)
    stamp = kinds.of(resource).stamp
    if stamp is not None:
        stamp(result, None, WRITER)
    strategy.prepare_create(resource, result)
    return result


def texts(causes: list[Any]) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in causes]


def merged(obj: Any, change: Any) -> Any:
    """A merge patch; None deletes."""
    if not isinstance(change, dict):
        return change
    base = dict(obj) if isinstance(obj, dict) else {}
    for key, value in change.items():
        if value is None:
            base.pop(key, None)
        else:
            base[key] = merged(base.get(key), value)
    return base


@pytest.fixture
def make() -> Callable[..., Obj]:
    return made


@pytest.fixture
def faults() -> Callable[..., list[str]]:
    """What is wrong with a new object of a kind."""

    def of(kind: str, body: Obj, version: str = "") -> list[str]:
        return texts(validate_create(resource_of(kind, version), made(kind, body, version)))

    return of


@pytest.fixture
def change() -> Callable[..., tuple[Obj, list[str]]]:
    """The next state of an object that a merge patch makes, through a subresource or not, and what is wrong with it."""

    def of(old: Obj, patch: Obj, view: str = "") -> tuple[Obj, list[str]]:
        resource = resource_of(old["kind"], old["apiVersion"].rpartition("/")[2])
        new = decode.convert(resource, merged(old, patch)).obj
        apply_defaults(resource, new)
        kind = kinds.of(resource)
        if kind.stamp is not None:
            kind.stamp(new, old, WRITER)
        if not view:
            strategy.prepare_update(resource, new, old)
            return new, texts(validate_update(resource, new, old))
        if view == "status":
            strategy.prepare_status(resource, new, old)
            return new, texts(validate_status_update(resource, new, old))
        kind.views[view].prepare(new, old)
        return new, texts(validate_view_update(resource, view, new, old))

    return of
