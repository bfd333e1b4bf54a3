"""Structural schemas: pruning, defaults, values, rules, and what of a schema is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kube_actors.api import decode
from kube_actors.api.crd import checks, defaulting, jsonpath, naming
from kube_actors.api.crd.definition import definition_of, resources_of
from kube_actors.api.crd.pruning import pruned
from kube_actors.api.crd.schema_checks import check_schema
from kube_actors.api.crd.structural import structural
from kube_actors.api.resources import builtin
from kube_actors.api.validation.causes import Causes


def spec_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


def found(schema: dict[str, Any], spec: Any, old: Any = None) -> list[tuple[str, str]]:
    node = structural(schema)
    causes = (
        checks.check_update(node, {"spec": spec}, {"spec": old}) if old else checks.check_create(node, {"spec": spec})
    )
    return [(cause.field, cause.message) for cause in causes]


def refused(schema: dict[str, Any]) -> list[tuple[str, str]]:
    causes = Causes()
    check_schema(causes, schema, "s")
    return [(cause.field, cause.message) for cause in causes]


def test_pruning_drops_what_is_not_named_and_says_where() -> None:
    node = structural(
        {
            "type": "object",
            "properties": {
                "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
                "free": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "properties": {"closed": {"type": "object", "properties": {}}},
                },
                "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {}}},
            },
        }
    )
    unknown: list[str] = []
    value = {
        "kind": "Thing",
        "metadata": {"name": "a"},
        "list": [{"a": "x", "b": 1}],
        "free": {"any": {"thing": 1}, "closed": {"x": 1}},
        "map": {"key": {"y": 2}},
        "other": 1,
    }
    kept = pruned(node, value, unknown, root=True)
    assert kept == {
        "kind": "Thing",
        "metadata": {"name": "a"},
        "list": [{"a": "x"}],
        "free": {"any": {"thing": 1}, "closed": {}},
        "map": {"key": {}},
    }
    assert unknown == ["list[0].b", "free.closed.x", "map.key.y", "other"]


def test_defaults_fill_what_is_absent_and_never_share_values() -> None:
    node = structural(
        spec_of(
            replicas={"type": "integer", "default": 1},
            ports={"type": "array", "default": [{"port": 80}], "items": {"type": "object"}},
            nested={"type": "object", "default": {}, "properties": {"x": {"type": "string", "default": "y"}}},
            nothing={"type": "string", "nullable": True, "default": "z"},
        )
    )
    first, second = {"spec": {"nothing": None}}, {"spec": {"replicas": None}}
    for obj in (first, second):
        defaulting.apply_defaults(node, obj, root=True)
    first["spec"]["ports"][0]["port"] = 1
    assert second["spec"] == {"replicas": 1, "ports": [{"port": 80}], "nested": {"x": "y"}, "nothing": "z"}
    assert first["spec"]["nothing"] is None
    again = copy.deepcopy(second)
    defaulting.apply_defaults(node, again, root=True)
    assert again == second


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "integer"}, "3", 'Invalid value: "string": spec.a in body must be of type integer: "string"'),
        ({"type": "integer"}, True, 'Invalid value: "boolean": spec.a in body must be of type integer: "boolean"'),
        ({"type": "string", "maxLength": 2}, "abc", "Too long: may not be more than 2 bytes"),
        ({"type": "string", "enum": ["x"]}, "y", 'Unsupported value: "y": supported values: "x"'),
        (
            {"type": "string", "format": "ipv4"},
            "1.2",
            'Invalid value: "1.2": spec.a in body must be of type ipv4: "1.2"',
        ),
        (
            {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            0,
            "Invalid value: 0: spec.a in body should be greater than 0",
        ),
        (
            {"type": "array", "items": {"type": "string"}, "maxItems": 1},
            ["a", "b"],
            "Too many: 2: must have at most 1 items",
        ),
    ],
)
def test_a_value_is_refused_in_the_words_of_kubernetes(schema: dict[str, Any], value: Any, message: str) -> None:
    assert found(spec_of(a=schema), {"a": value}) == [("spec.a", message)]


@pytest.mark.parametrize("value", [None, 4.0, 5])
def test_a_number_may_be_written_in_several_ways(value: Any) -> None:
    assert found(spec_of(a={"type": "integer", "nullable": True}), {"a": value}) == []


def test_a_hostile_pattern_takes_no_time() -> None:
    schema = spec_of(a={"type": "string", "pattern": "^(a+)+$"})
    assert len(found(schema, {"a": "a" * 5000 + "!"})) == 1


def test_lists_of_type_set_and_map_hold_nothing_twice() -> None:
    items = {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}}
    schema = spec_of(
        s={"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        m={"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": items},
    )
    assert found(schema, {"s": ["a", "b", "a"], "m": [{"k": "x"}, {"k": "y"}, {"k": "x", "v": 1}]}) == [
        ("spec.s[2]", 'Duplicate value: "a"'),
        ("spec.m[2]", 'Duplicate value: {"k":"x"}'),
    ]


def test_what_has_not_changed_is_not_checked_again() -> None:
    schema = spec_of(a={"type": "string", "maxLength": 2}, b={"type": "string"})
    assert found(schema, {"a": "long", "b": "new"}, old={"a": "long", "b": "old"}) == []
    assert found(schema, {"a": "longer"}, old={"a": "long"}) == [("spec.a", "Too long: may not be more than 2 bytes")]


def test_rules_see_the_item_of_before_in_a_list_of_type_map() -> None:
    items = {
        "type": "object",
        "required": ["k"],
        "properties": {"k": {"type": "string"}, "fixed": {"type": "string"}},
        "x-kubernetes-validations": [{"rule": "self.fixed == oldSelf.fixed", "message": "fixed"}],
    }
    schema = spec_of(
        l={"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": items}
    )
    before = {"l": [{"k": "a", "fixed": "1"}, {"k": "b", "fixed": "2"}]}
    assert found(schema, {"l": [{"k": "b", "fixed": "2"}, {"k": "c", "fixed": "3"}]}, old=before) == []
    assert found(schema, {"l": [{"k": "b", "fixed": "x"}]}, old=before) == [
        ("spec.l[0]", 'Invalid value: "object": fixed')
    ]


def test_rules_name_fields_that_are_no_identifiers() -> None:
    schema = spec_of(**{"x-y": {"type": "integer"}, "namespace": {"type": "integer"}, "a.b/c": {"type": "integer"}})
    schema["properties"]["spec"]["x-kubernetes-validations"] = [
        {"rule": "self.x__dash__y + self.__namespace__ + self.a__dot__b__slash__c == 6", "fieldPath": ".namespace"}
    ]
    assert found(schema, {"x-y": 1, "namespace": 2, "a.b/c": 3}) == []
    assert found(schema, {"x-y": 1, "namespace": 2, "a.b/c": 4})[0][0] == "spec.namespace"


def test_a_rule_that_cannot_run_is_a_refusal_that_says_why() -> None:
    schema = spec_of(a={"type": "integer"})
    schema["properties"]["spec"]["x-kubernetes-validations"] = [{"rule": "self.a > 1"}]
    assert found(schema, {}) == [
        ("spec", 'Invalid value: "object": no such key: a evaluating rule: failed rule: self.a > 1')
    ]


@pytest.mark.parametrize(
    ("schema", "field", "message"),
    [
        ({"type": "string"}, "s.type", 'Invalid value: "string": must be object at the root'),
        (
            spec_of(a={"type": "string", "default": 5}),
            "s.properties[spec].properties[a].default",
            "must be of type string",
        ),
        (
            spec_of(a={"type": "string", "pattern": "("}),
            "s.properties[spec].properties[a].pattern",
            "missing closing ): `(`",
        ),
        (
            spec_of(a={"type": "string", "$ref": "#/x"}),
            "s.properties[spec].properties[a].$ref",
            "$ref is not supported",
        ),
        (spec_of(a={"type": "array"}), "s.properties[spec].properties[a].items", "must be specified"),
    ],
)
def test_a_schema_is_refused(schema: dict[str, Any], field: str, message: str) -> None:
    causes = refused(schema)
    assert [one for one, _ in causes] == [field]
    assert message in causes[0][1]


def test_rules_without_bounds_cost_too_much_and_with_bounds_do_not() -> None:
    rule = {"x-kubernetes-validations": [{"rule": "self.all(x, self.exists_one(y, x == y))"}]}
    unbounded = spec_of(l={"type": "array", "items": {"type": "string"}, **rule})
    assert any("exceeds budget by factor of more than 100x" in message for _, message in refused(unbounded))
    item = {"type": "string", "maxLength": 10}
    assert refused(spec_of(l={"type": "array", "maxItems": 10, "items": item, **rule})) == []


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (".spec.replicas", [3]),
        ("{.spec.list[0].name}", ["a"]),
        (".spec.list[*].name", ["a", "b"]),
        ('.spec.list[?(@.name=="b")].value', [2]),
        (".spec.list[?(@.value>1)].name", ["b"]),
        (".metadata.annotations.example\\.com/x", ["y"]),
        (".metadata.annotations['example.com/x']", ["y"]),
        (".spec.list[-1:].name", ["b"]),
        ("..name", ["n", "a", "b"]),
        (".spec.nothing.here", []),
    ],
)
def test_json_paths_lead_where_kubectl_goes(path: str, values: list[Any]) -> None:
    obj = {
        "metadata": {"name": "n", "annotations": {"example.com/x": "y"}},
        "spec": {"replicas": 3, "list": [{"name": "a", "value": 1}, {"name": "b", "value": 2}]},
    }
    assert jsonpath.parse(path).find(obj) == values


def crd(name: str, kind: str, *versions: str, **names: Any) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object"}}
    return {
        "metadata": {"name": f"{name}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": name, "kind": kind, "singular": kind.lower(), "listKind": f"{kind}List", **names},
            "versions": [
                {"name": one, "served": True, "storage": one == versions[0], "schema": schema} for one in versions
            ],
        },
    }


def test_versions_are_served_in_the_order_of_kubernetes() -> None:
    made = resources_of(definition_of(crd("things", "Thing", "v1alpha1", "v2", "v1beta2", "v1", "foo", "v1beta10")))
    assert [one.version for one in made] == ["v2", "v1", "v1beta10", "v1beta2", "v1alpha1", "foo"]


def test_a_name_that_is_taken_is_not_given_again() -> None:
    first = naming.with_names(crd("things", "Thing", "v1", shortNames=["th"]), [], [], 0.0)
    assert naming.is_established(first)
    second = naming.with_names(crd("others", "Other", "v1", shortNames=["th", "ot"]), [first], [], 0.0)
    assert not naming.is_established(second)
    accepted = naming.condition(second, naming.NAMES_ACCEPTED)
    assert accepted is not None
    assert (accepted["reason"], accepted["message"]) == ("ShortNamesConflict", '"th" is already in use')
    third = naming.with_names(crd("free", "Free", "v1"), [first, second], [], 0.0)
    assert naming.is_established(third)


def test_a_number_beyond_all_doubles_is_no_multiple_of_anything() -> None:
    assert len(found(spec_of(a={"type": "number", "multipleOf": 2.5}), {"a": 2**2000})) == 1


def test_schemas_within_lists_are_read_as_strictly_as_those_of_fields() -> None:
    crds = builtin("apiextensions.k8s.io/v1", "customresourcedefinitions")
    made = crd("things", "Thing", "v1")
    made["spec"]["versions"][0]["schema"] = {
        "openAPIV3Schema": {"type": "object", "properties": {"l": {"type": "array", "items": {"maxLength": "long"}}}}
    }
    with pytest.raises(decode.DecodeError, match="cannot unmarshal string"):
        decode.convert(crds, made)


def test_a_schema_nested_without_end_is_refused() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(400):
        schema = {"type": "object", "properties": {"a": schema}}
    assert "deeper than" in refused(schema)[0][1]


def test_a_deprecated_version_says_what_to_use() -> None:
    made = crd("things", "Thing", "v1", "v1beta1", "v1alpha1")
    made["spec"]["versions"][1]["deprecated"] = True
    made["spec"]["versions"][2] |= {"deprecated": True, "deprecationWarning": "gone soon"}
    warnings = [one.definition.deprecation for one in resources_of(definition_of(made)) if one.definition]
    assert warnings == ["", "example.com/v1beta1 Thing is deprecated; use example.com/v1 Thing", "gone soon"]


def test_rules_of_a_huge_object_are_given_up() -> None:
    item = {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= 0"}]}
    causes = found(spec_of(l={"type": "array", "items": item}), {"l": [1] * 30_000})
    assert causes == [
        (
            "<nil>",
            "Forbidden: validation failed due to running out of cost budget, no further validation rules will be run",
        )
    ]
