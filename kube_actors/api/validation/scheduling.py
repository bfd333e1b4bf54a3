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
                causes.invalid(f"{here}.operator", value, text)
        else:
            causes.unsupported(f"{here}.operator", operator, ("Equal", "Exists"))
        if effect and effect not in EFFECTS:
            causes.unsupported(f"{here}.effect", effect, EFFECTS)


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
            _node_term(causes, term.get("preference", {}), f"{preferred}[{index}].preference", check_values=False)
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
        _node_term(causes, term, f"{path}.nodeSelectorTerms[{index}]", check_values=True)


def _node_term(causes: Causes, term: Obj, path: str, *, check_values: bool) -> None:
    """`check_values`: in a preference, values that no label can have only never match."""
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
        for place, value in enumerate(values if check_values else ()):
            causes.each_invalid(f"{here}.values[{place}]", value, names.label_value(value))
    for index, expression in enumerate(term.get("matchFields") or ()):
        here = f"{path}.matchFields[{index}]"
        key, values = expression.get("key", ""), expression.get("values") or ()
        if expression.get("operator") not in ("In", "NotIn"):
            causes.invalid(f"{here}.operator", expression.get("operator", ""), "not a valid selector operator")
        elif len(values) != 1:
            text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            causes.required(f"{here}.values", text)
        if key != "metadata.name":
            causes.invalid(f"{here}.key", key, "not a valid field selector key")
            continue
        for place, value in enumerate(values):
            causes.each_invalid(f"{here}.values[{place}]", value, names.dns_subdomain(value))


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
    _label_keys(causes, term, path)
    key = term.get("topologyKey", "")
    if not key:
        causes.required(f"{path}.topologyKey", "can not be empty")
    causes.each_invalid(f"{path}.topologyKey", key, names.qualified_name(key))


def _label_keys(causes: Causes, term: Obj, path: str) -> None:
    """Keys whose values are taken from the pod itself (validateMatchLabelKeysAndMismatchLabelKeys)."""
    match, mismatch = term.get("matchLabelKeys") or (), term.get("mismatchLabelKeys") or ()
    for field, keys in (("matchLabelKeys", match), ("mismatchLabelKeys", mismatch)):
        if keys and "labelSelector" not in term:
            causes.forbidden(f"{path}.{field}", "must not be specified when labelSelector is not set")
            continue
        for index, key in enumerate(keys):
            causes.each_invalid(f"{path}.{field}[{index}]", key, names.qualified_name(key))
    selector = term.get("labelSelector") or {}
    seen = set(selector.get("matchLabels") or ())
    for expression in selector.get("matchExpressions") or ():
        key = expression.get("key", "")
        # Admission has put the pod's own value in for each key: a second one is the user's.
        if key in match and key in seen:
            text = "exists in both matchLabelKeys and labelSelector"
            causes.invalid(f"{path}[{match.index(key)}]", key, text)
        seen.add(key)
    for index, key in enumerate(match):
        if key in mismatch:
            text = "exists in both matchLabelKeys and mismatchLabelKeys"
            causes.invalid(f"{path}.matchLabelKeys[{index}]", key, text)


def spread_constraints(causes: Causes, items: list[Obj], path: str) -> None:
    """How evenly pods spread over topology domains."""
    kinds = [(one.get("topologyKey", ""), one.get("whenUnsatisfiable", "")) for one in items]
    for index, constraint in enumerate(items):
        here = f"{path}[{index}]"
        skew = constraint.get("maxSkew", 0)
        if skew <= 0:
            causes.invalid(f"{here}.maxSkew", skew, "must be greater than zero")
        key, when = kinds[index]
        if not key:
            causes.required(f"{here}.topologyKey", "can not be empty")
        if when not in _UNSATISFIABLE:
            causes.unsupported(f"{here}.whenUnsatisfiable", when, _UNSATISFIABLE)
        if kinds[index] in kinds[index + 1 :]:
            causes.duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {when}}}")
        domains = constraint.get("minDomains")
        if domains is not None:
            if domains <= 0:
                causes.invalid(f"{here}.minDomains", domains, "must be greater than zero")
            if when != "DoNotSchedule":
                text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}"
                causes.invalid(f"{here}.minDomains", domains, text)
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if field in constraint and constraint[field] not in _INCLUSION:
                causes.unsupported(f"{here}.{field}", constraint[field], _INCLUSION)
        _spread_keys(causes, constraint, f"{here}.matchLabelKeys")
        if "labelSelector" in constraint:
            label_selector(causes, constraint["labelSelector"], f"{here}.labelSelector")


def _spread_keys(causes: Causes, constraint: Obj, path: str) -> None:
    keys, selector = constraint.get("matchLabelKeys") or (), constraint.get("labelSelector")
    if keys and selector is None:
        causes.forbidden(path, "must not be specified when labelSelector is not set")
    selector = selector or {}
    known = {*(selector.get("matchLabels") or ())}
    known |= {expression.get("key") for expression in selector.get("matchExpressions") or ()}
    for index, key in enumerate(keys):
        causes.each_invalid(f"{path}[{index}]", key, names.qualified_name(key))
        if key in known:
            causes.invalid(f"{path}[{index}]", key, "exists in both matchLabelKeys and labelSelector")


def node_labels(causes: Causes, selector: dict[str, str], path: str) -> None:
    """A nodeSelector."""
    labels(causes, selector, path)
