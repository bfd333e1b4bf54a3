"""Which requests a webhook or a policy is about: rules, resources, match conditions."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.validation import expressions, names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.metadata import label_selector

FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_CONDITIONS_MAX = 64


def match_defaults(match: Obj | None) -> None:
    """Of the resources that a policy or binding is about."""
    if match is None:
        return
    match.setdefault("matchPolicy", "Equivalent")
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    for field in ("resourceRules", "excludeResourceRules"):
        for one in match.get(field) or ():
            one.setdefault("scope", "*")


def match_resources(causes: Causes, match: Obj, path: str) -> None:
    """Resources by selectors and rules, with exceptions."""
    policy = match.get("matchPolicy")
    if policy is None:
        causes.required(f"{path}.matchPolicy")
    elif policy not in MATCH_POLICIES:
        causes.unsupported(f"{path}.matchPolicy", policy, MATCH_POLICIES)
    for field in ("namespaceSelector", "objectSelector"):
        label_selector(causes, match.get(field) or {}, f"{path}.{field}")
    for field in ("resourceRules", "excludeResourceRules"):
        for index, one in enumerate(match.get(field) or ()):
            _named_rule(causes, one, f"{path}.{field}[{index}]")


def _named_rule(causes: Causes, one: Obj, path: str) -> None:
    resource_names = one.get("resourceNames") or []
    for index, name in enumerate(resource_names):
        causes.each_invalid(f"{path}.resourceNames[{index}]", name, names.path_segment(name))
        if name in resource_names[:index]:
            causes.duplicate(f"{path}.resourceNames[{index}]", name)
    rule(causes, one, path)


def rule(causes: Causes, one: Obj, path: str) -> None:
    """Operations on resources of API groups and versions."""
    operations, versions = one.get("operations") or [], one.get("apiVersions") or []
    _wildcard_alone(causes, operations, f"{path}.operations", "operations")
    for index, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            causes.unsupported(f"{path}.operations[{index}]", operation, _OPERATIONS)
    _wildcard_alone(causes, one.get("apiGroups") or [], f"{path}.apiGroups", "API groups")
    _wildcard_alone(causes, versions, f"{path}.apiVersions", "API versions")
    for index, version in enumerate(versions):
        if not version:
            causes.required(f"{path}.apiVersions[{index}]")
    _resources(causes, one.get("resources") or [], f"{path}.resources")
    scope = one.get("scope")
    if scope is not None and scope not in _SCOPES:
        causes.unsupported(f"{path}.scope", scope, _SCOPES)


def _wildcard_alone(causes: Causes, values: list[str], path: str, noun: str) -> None:
    if not values:
        causes.required(path)
    if len(values) > 1 and "*" in values:
        causes.invalid(path, values, f"if '*' is present, must not specify other {noun}")


def _resources(causes: Causes, values: list[str], path: str) -> None:
    """`pods`, `pods/log`, `*`, `pods/*`, `*/scale`, `*/*`; none within another."""
    if not values:
        causes.required(path)
    whole, everywhere = set[str](), set[str]()
    plain = False
    for index, value in enumerate(values):
        resource, slash, sub = value.partition("/")
        if not value:
            causes.required(f"{path}[{index}]")
        elif not slash:
            plain = value != "*"  # of several the last one counts, as in Kubernetes
        else:
            if resource in whole:
                causes.invalid(f"{path}[{index}]", value, f"if '{resource}/*' is present, must not specify {value}")
            if sub in everywhere:
                causes.invalid(f"{path}[{index}]", value, f"if '*/{sub}' is present, must not specify {value}")
            whole.update((resource,) if sub == "*" else ())
            everywhere.update((sub,) if resource == "*" else ())
    if len(values) > 1 and "*/*" in values:
        causes.invalid(path, values, "if '*/*' is present, must not specify other resources")
    if "*" in values and plain:
        causes.invalid(path, values, "if '*' is present, must not specify other resources without subresources")


def match_conditions(causes: Causes, items: list[Obj], path: str, *, params: bool) -> None:
    """Expressions of which all have to be true. `params`: they may speak of the policy's parameters."""
    seen: set[str] = set()
    variables = expressions.admission(params=params)
    if len(items) > _CONDITIONS_MAX:
        causes.too_many(path, len(items), _CONDITIONS_MAX)
    for index, condition in enumerate(items):
        here, name, expression = f"{path}[{index}]", condition.get("name", ""), condition.get("expression", "").strip()
        if not expression:
            causes.required(f"{here}.expression")
        else:
            expressions.expression(causes, expression, f"{here}.expression", variables, ("bool",))
        if not name:
            causes.required(f"{here}.name")
            continue
        causes.each_invalid(f"{here}.name", name, names.qualified_name(name))
        if name in seen:
            causes.duplicate(f"{here}.name", name)
        seen.add(name)
