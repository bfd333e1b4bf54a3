"""What of a pod's spec says where it may run: selectors, affinity, tolerations, spreading."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.gotext import go_json
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.metadata import label_selector, labels

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_NODE_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")
_INCLUSION = ("Honor", "Ignore")


def tolerations(causes: Causes, items: list[Obj], path: str) -> None:
    """Each tolerates a taint, all of a key, or all."""
    for index, toleration in enumerate(items):
        here = f"{path}[{index}]"
        key, operator = toleration.get("key", ""), toleration.get("operator", "")
        effect, value = toleration.get("effect", ""), toleration.get("value", "")
        if key:
            causes.each_invalid(f"{here}.key", key, names.qualified_name(key))
        elif operator != "Exists":
            text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            causes.invalid(f"{here}.operator", operator, text)
        if "tolerationSeconds" in toleration and effect != "NoExecute":
            text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            causes.invalid(f"{here}.effect", effect, text)
        if operator in ("", "Equal"):
            wrong = names.label_value(value)
            if wrong:
                causes.invalid(f"{here}.operator", value, ";".join(wrong))
        elif operator == "Exists":
            if value:
                text = "value must be empty when `operator` is 'Exists'"
                causes.invalid(f"{here}.operator", _internal(toleration), text)
        else:
            causes.unsupported(f"{here}.operator", operator, ("Equal", "Exists"))
        if effect and effect not in EFFECTS:
            causes.unsupported(f"{here}.effect", effect, EFFECTS)


def _internal(toleration: Obj) -> Raw:
    fields = ("key", "operator", "value", "effect")
    shown = {field.capitalize(): toleration.get(field, "") for field in fields}
    return Raw(go_json({**shown, "TolerationSeconds": toleration.get("tolerationSeconds")}))


def taints(causes: Causes, items: list[Obj], path: str) -> None:
    """Taints of a node: unique by key and effect."""
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(items):
        here = f"{path}[{index}]"
        key, value, effect = taint.get("key", ""), taint.get("value", ""), taint.get("effect", "")
        causes.each_invalid(f"{here}.key", key, names.qualified_name(key))
        wrong = names.label_value(value)
        if wrong:
            causes.invalid(f"{here}.value", value, ";".join(wrong))
        if not effect:
            causes.required(f"{here}.effect")
        elif effect not in EFFECTS:
            causes.unsupported(f"{here}.effect", effect, EFFECTS)
        if (key, effect) in seen:
            shown = {"Key": key, "Value": value, "Effect": effect, "TimeAdded": taint.get("timeAdded")}
            causes.duplicate(here, Raw(go_json(shown)), "taints must be unique by key and effect pair")
        seen.add((key, effect))


def affinity(causes: Causes, value: Obj, path: str) -> None:
    """Node affinity, pod affinity and pod anti-affinity."""
    node = value.get("nodeAffinity")
    if node is not None:
        where = f"{path}.nodeAffinity"
        required = node.get("requiredDuringSchedulingIgnoredDuringExecution")
        if required is not None:
            node_selector(causes, required, f"{where}.requiredDuringSchedulingIgnoredDuringExecution")
        preferred = f"{where}.preferredDuringSchedulingIgnoredDuringExecution"
        for index, term in enumerate(node.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
            _weight(causes, term, f"{preferred}[{index}]")
            _node_term(causes, term.get("preference", {}), f"{preferred}[{index}].preference")
    for name in ("podAffinity", "podAntiAffinity"):
        if name in value:
            _pod_affinity(causes, value[name], f"{path}.{name}")


def _weight(causes: Causes, term: Obj, path: str) -> None:
    if not 1 <= term.get("weight", 0) <= 100:
        causes.invalid(f"{path}.weight", term.get("weight", 0), "must be in the range 1-100")


def node_selector(causes: Causes, selector: Obj, path: str) -> None:
    """Terms of which one has to match a node."""
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        causes.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(terms):
        _node_term(causes, term, f"{path}.nodeSelectorTerms[{index}]")


def _node_term(causes: Causes, term: Obj, path: str) -> None:
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{index}]"
        operator, values = expression.get("operator", ""), expression.get("values") or ()
        if operator in ("In", "NotIn"):
            if not values:
                causes.required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                causes.forbidden(f"{here}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
        elif operator in ("Gt", "Lt"):
            if len(values) != 1:
                text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                causes.required(f"{here}.values", text)
        else:
            causes.invalid(f"{here}.operator", operator, "not a valid selector operator")
        key = expression.get("key", "")
        causes.each_invalid(f"{here}.key", key, names.qualified_name(key))
        if operator in ("In", "NotIn"):
            for place, value in enumerate(values):
                causes.each_invalid(f"{here}.values[{place}]", value, names.label_value(value))
    for index, expression in enumerate(term.get("matchFields") or ()):
        here = f"{path}.matchFields[{index}]"
        key = expression.get("key", "")
        if key != "metadata.name":
            causes.invalid(f"{here}.key", key, "not a valid field selector key")
        if expression.get("operator") not in ("In", "NotIn"):
            causes.invalid(f"{here}.operator", expression.get("operator", ""), "not a valid selector operator")
        elif len(expression.get("values") or ()) != 1:
            text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            causes.required(f"{here}.values", text)


def _pod_affinity(causes: Causes, value: Obj, path: str) -> None:
    required = f"{path}.requiredDuringSchedulingIgnoredDuringExecution"
    for index, term in enumerate(value.get("requiredDuringSchedulingIgnoredDuringExecution") or ()):
        _pod_term(causes, term, f"{required}[{index}]")
    preferred = f"{path}.preferredDuringSchedulingIgnoredDuringExecution"
    for index, term in enumerate(value.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
        _weight(causes, term, f"{preferred}[{index}]")
        _pod_term(causes, term.get("podAffinityTerm", {}), f"{preferred}[{index}].podAffinityTerm")


def _pod_term(causes: Causes, term: Obj, path: str) -> None:
    for field in ("labelSelector", "namespaceSelector"):
        if field in term:
            label_selector(causes, term[field], f"{path}.{field}")
    for name in term.get("namespaces") or ():
        causes.each_invalid(f"{path}.namespace", name, names.dns_label(name))
    key = term.get("topologyKey", "")
    if not key:
        causes.required(f"{path}.topologyKey", "can not be empty")
    causes.each_invalid(f"{path}.topologyKey", key, names.qualified_name(key))


def spread_constraints(causes: Causes, items: list[Obj], path: str) -> None:
    """How evenly pods spread over topology domains."""
    seen: set[tuple[str, str]] = set()
    for index, constraint in enumerate(items):
        here = f"{path}[{index}]"
        skew = constraint.get("maxSkew", 0)
        if skew <= 0:
            causes.invalid(f"{here}.maxSkew", skew, "must be greater than zero")
        key = constraint.get("topologyKey", "")
        if not key:
            causes.required(f"{here}.topologyKey", "can not be empty")
        when = constraint.get("whenUnsatisfiable", "")
        if when not in _UNSATISFIABLE:
            causes.unsupported(f"{here}.whenUnsatisfiable", when, _UNSATISFIABLE)
        if (key, when) in seen:
            shown = f"{{{key}, {when}}}"
            causes.duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", shown)
        seen.add((key, when))
        domains = constraint.get("minDomains")
        if domains is not None:
            if domains <= 0:
                causes.invalid(f"{here}.minDomains", domains, "must be greater than zero")
            if when == "ScheduleAnyway":
                text = "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway"
                causes.invalid(f"{here}.minDomains", domains, text)
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if field in constraint and constraint[field] not in _INCLUSION:
                causes.unsupported(f"{here}.{field}", constraint[field], _INCLUSION)
        if "labelSelector" in constraint:
            label_selector(causes, constraint["labelSelector"], f"{here}.labelSelector")


def node_labels(causes: Causes, selector: dict[str, str], path: str) -> None:
    """A nodeSelector."""
    labels(causes, selector, path)
