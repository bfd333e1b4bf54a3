"""Whatever a body holds: rules refuse or take it, and never fall over it."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from kube_actors.api import decode, kinds, schema, strategy
from kube_actors.api.decode import DecodeError
from kube_actors.api.defaults import apply_defaults
from kube_actors.api.kinds.kind import Writer
from kube_actors.api.resources import BUILTIN, Resource
from kube_actors.api.schema import SchemaNode
from kube_actors.api.tables.engine import table_row
from kube_actors.api.validation import validate_create, validate_status_update, validate_update, validate_view_update

WRITER = Writer("2026-01-01T00:00:00Z", "ann")
DEPTH = 10
BODIES = 60
TEXTS = (
    "", "a", "a.example.com", "a.example.com/b", "a/b/c", "/", "a b", "*", "*/*", "1", "-1", "5%", "1.2.3.0/24",
    "1.2.3.4", "::1", "https://x:0/y?z#f", "https://[", "é", "true", "1 +", "object.a == 1", "Limited", "Queue",
    "Exempt", "Resource", "Pods", "ServiceAccount", "User", "Exists", "In", "Equal", "JSONPatch", "ExactCount",
    "Prefix", "IPv4", "x" * 300,
)  # fmt: skip
NUMBERS = (0, 1, -1, 7, 65536, 2**31 - 1, -(2**31))
QUANTITIES = ("0", "1", "-1", "100m", "1Gi", "1e3", "0.5")
PEM = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="


def body(node: SchemaNode, dice: random.Random, depth: int = DEPTH) -> Any:
    """JSON in the shape of a schema, with fields left out at random."""
    if node.is_quantity:
        return dice.choice(QUANTITIES)
    if node.is_int_or_string:
        return dice.choice((*NUMBERS, *TEXTS))
    if node.format == "date-time":
        return "2026-01-01T00:00:00.000001Z" if node.name == "MicroTime" else "2026-01-01T00:00:00Z"
    if node.format == "byte":
        return dice.choice(("", "eA==", PEM))
    if node.type == "array" and node.items is not None:
        return [body(node.items, dice, depth - 1) for _ in range(dice.randrange(3) if depth else 0)]
    if node.additional is not None:
        names = dice.sample(TEXTS, dice.randrange(3) if depth else 0)
        return {name: body(node.additional, dice, depth - 1) for name in names}
    if node.type == "object" and node.properties:
        chosen = [name for name in node.properties if depth and dice.random() < 0.6]
        return {name: body(node.properties[name], dice, depth - 1) for name in chosen}
    plain: dict[str, tuple[Any, ...]] = {
        "string": TEXTS,
        "integer": NUMBERS,
        "boolean": (True, False),
        "number": (0.5,),
    }
    return copy.deepcopy(dice.choice(plain.get(node.type, ({}, {"a": 1}, [], "x", 1, None))))


def settled(resource: Resource, given: Any, old: Any = None) -> Any:
    """The object that a body makes; None where it cannot become one."""
    metadata = {"name": "a", **({"namespace": "default"} if resource.namespaced else {})}
    given = {**given, "kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    try:
        obj = decode.convert(resource, given).obj
    except DecodeError:
        return None
    apply_defaults(resource, obj)
    stamp = kinds.of(resource).stamp
    if stamp is not None:
        stamp(obj, old, WRITER)
    return obj


KINDS = [one for one in BUILTIN if kinds.of(one).rules.create is not None]


@pytest.mark.parametrize("resource", KINDS, ids=lambda one: f"{one.kind}-{one.version}")
def test_no_body_makes_a_rule_fall_over(resource: Resource) -> None:
    dice = random.Random(resource.kind)
    node = schema.of(resource)
    for _ in range(BODIES):
        old = settled(resource, body(node, dice))
        new = settled(resource, body(node, dice), old)
        if old is None or new is None:
            continue
        strategy.prepare_create(resource, old)
        validate_create(resource, old)
        table_row(resource, old, 0.0)
        through_status = copy.deepcopy(new)
        strategy.prepare_status(resource, through_status, old)
        validate_status_update(resource, through_status, old)
        for name, view in kinds.of(resource).views.items():
            through_view = copy.deepcopy(new)
            view.prepare(through_view, old)
            validate_view_update(resource, name, through_view, old)
        strategy.prepare_update(resource, new, old)
        validate_update(resource, new, old)
