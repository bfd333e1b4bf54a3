"""When a container is started again, where it differs from its pod: restartPolicy and restartPolicyRules."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.validation.causes import Causes

_POLICIES = ("Always", "OnFailure", "Never")
_ACTIONS, _OPERATORS = ("Restart",), ("In", "NotIn")
_RULES_MAX, _CODES_MAX = 20, 255


def restart_rules(causes: Causes, container: Obj, path: str) -> None:
    """A policy, and rules by exit code that go before it."""
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is not None:
        causes.one_of(f"{path}.restartPolicy", policy, _POLICIES)
    elif rules:
        causes.required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
    where = f"{path}.restartPolicyRules"
    if len(rules) > _RULES_MAX:
        causes.too_many(where, len(rules), _RULES_MAX)
    for index, rule in enumerate(rules):
        here = f"{where}[{index}]"
        causes.one_of(f"{here}.action", rule.get("action", ""), _ACTIONS)
        if "exitCodes" not in rule:
            causes.required(f"{here}.exitCodes", "must be specified")
        else:
            _exit_codes(causes, rule["exitCodes"], f"{here}.exitCodes")


def _exit_codes(causes: Causes, codes: Obj, path: str) -> None:
    causes.one_of(f"{path}.operator", codes.get("operator", ""), _OPERATORS)
    values = codes.get("values") or []
    if not values:
        causes.required(f"{path}.values", "must specify at least one value")
    elif len(values) > _CODES_MAX:
        causes.too_many(f"{path}.values", len(values), _CODES_MAX)
    for index, value in enumerate(values):
        if value in values[:index]:
            causes.duplicate(f"{path}.values[{index}]", value)
