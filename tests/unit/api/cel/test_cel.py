"""CEL expressions: Kubernetes' texts of errors, its functions, and what an evaluation may cost."""

from typing import Any

import pytest

from kube_actors.api import cel
from kube_actors.api.cel import DYN, INT, STRING, TIMESTAMP, list_of, map_of, object_of, optional_of

THING = object_of(
    {
        "name": STRING,
        "count": INT,
        "labels": map_of(STRING),
        "when": TIMESTAMP,
        "history": list_of(object_of({"at": TIMESTAMP})),
        "table": map_of(list_of(STRING)),
        "any": DYN,
    }
)


def evaluate(expression: str, types: dict[str, cel.Type] | None = None, **variables: Any) -> Any:
    return cel.compile(expression, types or dict.fromkeys(variables, DYN)).evaluate(variables)


def refusal(expression: str, types: dict[str, cel.Type]) -> str:
    with pytest.raises(cel.CompileError) as caught:
        cel.compile(expression, types)
    return str(caught.value)


def test_a_syntax_error_is_worded_and_marked_as_by_kubernetes() -> None:
    assert refusal("self >", {"self": INT}) == (
        "compilation failed: ERROR: <input>:1:7: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', "
        "'-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n"
        " | self >\n"
        " | ......^"
    )


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("self.b == 'x'", "ERROR: <input>:1:5: undefined field 'b'\n | self.b == 'x'\n | ....^"),
        ("self.count > 'x'", "found no matching overload for '_>_' applied to '(int, string)'"),
        ("nosuch(self)", "ERROR: <input>:1:7: undeclared reference to 'nosuch' (in container '')"),
        ("a.b.c", "undeclared reference to 'a' (in container '')"),
        ("quantity(self.count)", "found no matching overload for 'quantity' applied to '(int)'"),
        ("self.history.all(x, x.no == 1)", "undefined field 'no'"),
    ],
)
def test_a_type_error_is_worded_as_by_kubernetes(expression: str, text: str) -> None:
    assert text in refusal(expression, {"self": THING})


@pytest.mark.parametrize(
    ("expression", "kind"),
    [("self.name.size()", "int"), ("has(self.any)", "bool"), ("self.any.x.y", "dyn"), ("[self.name]", "list")],
)
def test_the_type_of_a_result_is_known(expression: str, kind: str) -> None:
    assert cel.compile(expression, {"self": THING}).type == kind


def test_text_of_declared_times_is_compared_as_time() -> None:
    thing = {"when": "2021-01-01T01:00:00+01:00", "history": [{"at": "2024-01-01T00:00:00Z"}], "labels": {"a": "b"}}
    rule = "self.when == timestamp('2021-01-01T00:00:00Z') && self.history.all(h, h.at > self.when) && !has(self.any)"
    assert evaluate(rule, {"self": THING}, self=thing)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("self.b", "no such key: b"),
        ("1 / self.zero", "division by zero"),
        ("self.zero > 'x'", "no such overload"),
        ("[1][self.three]", "index out of bounds: 3"),
        ("quantity(self.text)", "quantities must match the regular expression"),
    ],
)
def test_an_evaluation_error_is_worded_as_by_kubernetes(expression: str, text: str) -> None:
    with pytest.raises(cel.EvaluationError, match="^" + text):
        evaluate(expression, self={"zero": 0, "three": 3, "text": "lots"})


@pytest.mark.parametrize("old", ["before", None])
def test_an_optional_variable_may_be_absent(old: str | None) -> None:
    types = {"self": STRING, "oldSelf": optional_of(STRING)}
    program = cel.compile("oldSelf.hasValue() ? oldSelf.value() : self", types)
    assert program.evaluate({"self": "now", "oldSelf": old}) == (old or "now")
    assert refusal("oldSelf.value() > 1", types).endswith(" | oldSelf.value() > 1\n | ................^")


@pytest.mark.parametrize(
    "expression",
    [
        "quantity('1Gi').add(quantity('1')).asInteger() == 1073741825",
        "quantity('3Gi').isGreaterThan(quantity('2Gi')) && !isQuantity('lots')",
        "isSemver('1.2.3') && semver('1.2.3').isGreaterThan(semver('1.2.3-rc.1'))",
        "isIP('1.2.3.4') && ip('1.2.3.4').family() == 4 && string(ip('::1')) == '::1' && !ip.isCanonical('::01')",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsCIDR('11.0.0.0/16')",
        "url('https://user@host:8080/a%20b?x=1').getHostname() == 'host' && !isURL('no url')",
        "'a1b22'.find('[0-9]+') == '1' && 'a1b22'.findAll('[0-9]+') == ['1', '22']",
        "[1, 2].isSorted() && [1, 2].sum() == 3 && [3, 1].min() == 1 && ['a', 'b', 'a'].lastIndexOf('a') == 2",
        "sets.contains([1, 2], [2]) && 'a,b'.split(',').size() == 2 && 'Ab'.lowerAscii() == 'ab' && 1 < 2.5",
        "cel.bind(x, {'a': 1}, x.?b.orValue(3) == 3) && [1, 2, 3].exists_one(i, i > 2)",
    ],
)
def test_the_functions_of_kubernetes_are_there(expression: str) -> None:
    assert evaluate(expression, {}) is True


def test_objects_and_patches_are_constructed_without_declared_types() -> None:
    types = {"object": DYN}
    apply = "Object{spec: Object.spec{replicas: object.replicas + 1, ?paused: optional.none(), text: 'Object{a: 1}'}}"
    assert cel.compile(apply, types, constructs=True).evaluate({"object": {"replicas": 2}}) == {
        "spec": {"replicas": 3, "text": "Object{a: 1}"}
    }
    patch = '[JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("a/b"), value: {"x": 1}}]'
    assert cel.compile(patch, types, constructs=True).evaluate({}) == [
        {"op": "add", "path": "/metadata/labels/a~1b", "value": {"x": 1}}
    ]
    with pytest.raises(cel.CompileError, match=r"1:15: Syntax error: mismatched input '<EOF>' expecting \{'\}', ','\}"):
        cel.compile("Object{spec: 1", types, constructs=True)


def test_loops_within_loops_are_given_up() -> None:
    with pytest.raises(cel.CostExceeded):
        evaluate("self.all(x, self.all(y, self.all(z, x + y + z >= 0)))", self=list(range(100)))


def test_doubling_text_over_and_over_is_refused() -> None:
    doubled = "self"
    for level in range(40):
        doubled = f"cel.bind(v{level}, {doubled}, v{level} + v{level})"
    with pytest.raises((cel.CompileError, cel.CostExceeded)):
        evaluate(doubled, self="xx")


@pytest.mark.parametrize(
    "expression", ["true // a comment", "self == 'x' /* no comment in CEL", "\ud800", "Object{qé: 1}"]
)
def test_odd_text_is_compiled_or_refused(expression: str) -> None:
    types = {"self": TIMESTAMP, "oldSelf": optional_of(TIMESTAMP)}
    try:
        program = cel.compile(expression, types, constructs="Object" in expression)
    except cel.CompileError:
        return
    assert program.evaluate({"self": "2020-01-01T00:00:00Z"}) is True


def test_a_syntax_error_beside_an_optional_variable_is_marked_where_it_is() -> None:
    text = refusal("self >", {"self": INT, "oldSelf": optional_of(INT)})
    assert text.startswith("compilation failed: ERROR: <input>:1:7: Syntax error: mismatched input '<EOF>'")
