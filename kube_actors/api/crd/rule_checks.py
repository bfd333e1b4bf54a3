"""Whether the x-kubernetes-validations of a schema can be used: texts, CEL that compiles, a cost that can be paid.

Kubernetes: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation (validateXValidations and cost estimates).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kube_actors.api import cel
from kube_actors.api.cel import cost
from kube_actors.api.crd import go_structs, jsonpath
from kube_actors.api.crd.rules import uses_old_self, variables
from kube_actors.api.crd.sizes import bounds, item_count
from kube_actors.api.crd.structural import Raw, Structural
from kube_actors.api.validation.causes import Causes

REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
RULE_LIMIT, TOTAL_LIMIT = 10_000_000, 100_000_000
_ADVICE = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)
_TOTAL = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"


@dataclass(slots=True)
class _Total:
    """What all rules of a schema may cost together, and which of them cost most."""

    cost: float = 0
    expensive: list[tuple[float, str]] = field(default_factory=list)

    def add(self, price: float, path: str) -> None:
        self.cost += price
        if price > TOTAL_LIMIT / 100:
            self.expensive.append((price, path))


def check_rules(causes: Causes, root: Structural, path: str) -> None:
    """All rules of a schema, then what they cost together."""
    total = _Total()
    _check_node(causes, root, path, 1.0, "", total, root=True)
    if total.cost > TOTAL_LIMIT:
        for _, where in sorted(total.expensive, key=lambda one: -one[0])[:4]:
            causes.forbidden(where, _TOTAL)
        what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        causes.forbidden(path, _exceeded(what, total.cost / TOTAL_LIMIT))


def _check_node(
    causes: Causes, node: Structural, path: str, count: float, uncorrelated: str, total: _Total, *, root: bool = False
) -> None:
    """`count`: how often the node can occur in an object; `uncorrelated`: the list whose items have no known past."""
    if not node.has_rules:
        return
    for index, rule in enumerate(node.rules):
        where = f"{path}.x-kubernetes-validations[{index}]"
        if _check_texts(causes, node, rule, where):
            _check_rule(causes, node, rule, where, count, uncorrelated, total, root)
    if node.items is not None:
        lost = uncorrelated or ("" if node.list_type == "map" else path)
        _check_node(causes, node.items, f"{path}.items", count * item_count(node), lost, total)
    if node.additional is not None:
        below = f"{path}.additionalProperties"
        _check_node(causes, node.additional, below, count * item_count(node), uncorrelated, total)
    for name, below_node in node.properties.items():
        _check_node(causes, below_node, f"{path}.properties[{name}]", count, uncorrelated, total)


def _check_texts(causes: Causes, node: Structural, rule: Raw, path: str) -> bool:
    """Whether there is a rule that can be compiled."""
    expression, message = rule.get("rule") or "", rule.get("message") or ""
    if not expression.strip():
        causes.required(f"{path}.rule", "rule is not specified")
        return False
    if message and not message.strip():
        causes.invalid(f"{path}.message", message, "message must be non-empty if specified")
    elif "\n" in message.strip():
        causes.invalid(f"{path}.message", message, "must not contain line breaks")
    elif "\n" in expression.strip() and not message:
        causes.required(f"{path}.message", "message must be specified if rule contains line breaks")
    reason = rule.get("reason")
    if reason is not None and reason not in REASONS:
        causes.unsupported(f"{path}.reason", reason, REASONS)
    if rule.get("fieldPath") and not _leads_somewhere(node, rule["fieldPath"]):
        causes.invalid(f"{path}.fieldPath", rule["fieldPath"], "must be a valid path")
    return True


def _leads_somewhere(node: Structural, text: str) -> bool:
    try:
        steps = jsonpath.parse(text).steps
    except ValueError:
        return False
    below: Structural | None = node
    for kind, name in steps:
        if kind != "name" or below is None:
            return False
        below = below.properties.get(name) or below.additional
    return below is not None


def _check_rule(
    causes: Causes, node: Structural, rule: Raw, path: str, count: float, uncorrelated: str, total: _Total, root: bool
) -> None:
    types, shown = variables(node, rule, root=root), go_structs.rule(rule)
    sizes = {name: bounds(node) for name in types}
    try:
        program = cel.compile(rule["rule"], types)
        if program.type not in ("bool", "dyn"):
            causes.invalid(f"{path}.rule", shown, "cel expression must evaluate to a bool")
        else:
            _check_cost(causes, program, sizes, "rule", f"{path}.rule", count, total)
    except cel.CompileError as error:
        causes.invalid(f"{path}.rule", shown, str(error))
    if uncorrelated and (uses_old_self(rule["rule"]) and not rule.get("optionalOldSelf")):
        text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelated}"
        causes.invalid(f"{path}.rule", rule["rule"], text)
    if not rule.get("messageExpression"):
        return
    try:
        program = cel.compile(rule["messageExpression"], types)
        if program.type not in ("string", "dyn"):
            causes.invalid(f"{path}.messageExpression", shown, "messageExpression must evaluate to a string")
        else:
            _check_cost(causes, program, sizes, "messageExpression", f"{path}.messageExpression", count, total)
    except cel.CompileError as error:
        causes.invalid(f"{path}.messageExpression", shown, str(error))


def _check_cost(
    causes: Causes,
    program: cel.Program,
    sizes: dict[str, cost.Bound],
    what: str,
    path: str,
    count: float,
    total: _Total,
) -> None:
    price = cost.estimate(program, sizes) * count
    if price > RULE_LIMIT:
        causes.forbidden(path, _exceeded(f"estimated {what} cost", price / RULE_LIMIT))
    total.add(price, path)


def _exceeded(what: str, factor: float) -> str:
    times = "more than 100x" if factor > 100 else f"{factor:.1f}x"
    return f"{what} exceeds budget by factor of {times} {_ADVICE}"
