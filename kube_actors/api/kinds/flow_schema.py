"""FlowSchema: which requests belong to which priority level."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import fairness, names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules

_PRECEDENCE_MAX, _PRECEDENCE_DEFAULT = 10_000, 1000
_METHODS = ("ByNamespace", "ByUser")
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_SUBJECT_FIELDS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
_NAMESPACE_TEXT = "each member of this list must be '*' or a DNS-1123 label; "
_ANYBODY = [{"kind": "Group", "group": {"name": name}} for name in ("system:unauthenticated", "system:authenticated")]
_EVERYTHING = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
_EVERY_URL = {"verbs": ["*"], "nonResourceURLs": ["*"]}
# The schemas that must be as they are.
MANDATORY: dict[str, Obj] = {
    fairness.EXEMPT: {
        "priorityLevelConfiguration": {"name": fairness.EXEMPT},
        "matchingPrecedence": 1,
        "rules": [
            {
                "subjects": [{"kind": "Group", "group": {"name": "system:masters"}}],
                "resourceRules": [_EVERYTHING],
                "nonResourceRules": [_EVERY_URL],
            }
        ],
    },
    fairness.CATCH_ALL: {
        "priorityLevelConfiguration": {"name": fairness.CATCH_ALL},
        "matchingPrecedence": _PRECEDENCE_MAX,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [{"subjects": _ANYBODY, "resourceRules": [_EVERYTHING], "nonResourceRules": [_EVERY_URL]}],
    },
}


def _defaults(obj: Obj) -> None:
    if not obj["spec"].get("matchingPrecedence"):
        obj["spec"]["matchingPrecedence"] = _PRECEDENCE_DEFAULT


def _create(causes: Causes, obj: Obj) -> None:
    name, spec = obj["metadata"].get("name", ""), obj["spec"]
    _spec(causes, name, spec)
    if name in MANDATORY and spec != MANDATORY[name]:
        causes.invalid("spec", spec, f"spec of '{name}' must equal the fixed value")
    fairness.status(causes, obj)


def _spec(causes: Causes, name: str, spec: Obj) -> None:
    precedence, path = spec.get("matchingPrecedence", 0), "spec.matchingPrecedence"
    if precedence <= 0:
        causes.invalid(path, precedence, "must be a positive value")
    if precedence > _PRECEDENCE_MAX:
        causes.invalid(path, precedence, f"must not be greater than {_PRECEDENCE_MAX}")
    if precedence == 1 and name != fairness.EXEMPT:
        causes.invalid(path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1")
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in _METHODS:
        causes.unsupported("spec.distinguisherMethod.type", {"Type": method.get("type", "")}, _METHODS)
    level = (spec.get("priorityLevelConfiguration") or {}).get("name", "")
    if level:
        causes.each_invalid("spec.priorityLevelConfiguration.name", level, names.dns_subdomain(level))
    else:
        causes.required("spec.priorityLevelConfiguration.name", "must reference a priority level")
    for index, rule in enumerate(spec.get("rules") or ()):
        _rule(causes, rule, f"spec.rules[{index}]")


def _rule(causes: Causes, rule: Obj, path: str) -> None:
    subjects, resources, urls = (rule.get(field) or () for field in ("subjects", "resourceRules", "nonResourceRules"))
    for index, subject in enumerate(subjects):
        _subject(causes, subject, f"{path}.subjects[{index}]")
    if not subjects:
        causes.required(f"{path}.subjects", "subjects must contain at least one value")
    if not resources and not urls:
        causes.required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for index, one in enumerate(resources):
        _resource_rule(causes, one, f"{path}.resourceRules[{index}]")
    for index, one in enumerate(urls):
        _url_rule(causes, one, f"{path}.nonResourceRules[{index}]")


def _subject(causes: Causes, subject: Obj, path: str) -> None:
    kind = subject.get("kind", "")
    own = _SUBJECT_FIELDS.get(kind)
    if own is None:
        causes.unsupported(f"{path}.kind", kind, sorted(_SUBJECT_FIELDS))
        return
    if own not in subject:
        causes.required(f"{path}.{own}", f"{own} is required when subject kind is '{kind}'")
    elif own == "serviceAccount":
        _service_account(causes, subject[own], f"{path}.{own}")
    elif not subject[own].get("name"):
        causes.required(f"{path}.{own}.name")
    for other, field in (("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")):
        if other != kind and field in subject:
            causes.forbidden(f"{path}.{field}", f"{field} is forbidden when subject kind is not '{other}'")


def _service_account(causes: Causes, account: Obj, path: str) -> None:
    name, namespace = account.get("name", ""), account.get("namespace", "")
    if not name:
        causes.required(f"{path}.name")
    elif name != "*":
        causes.each_invalid(f"{path}.name", name, names.dns_subdomain(name))
    if namespace:
        causes.each_invalid(f"{path}.namespace", namespace, names.dns_label(namespace))
    else:
        causes.required(f"{path}.namespace", "must specify namespace for service account")


def _resource_rule(causes: Causes, rule: Obj, path: str) -> None:
    groups, resources, namespaces = (rule.get(field) or [] for field in ("apiGroups", "resources", "namespaces"))
    fairness.verbs(causes, rule.get("verbs") or [], f"{path}.verbs", _VERBS)
    missing = "resource rules must supply at least one api group"
    fairness.names_or_all(causes, groups, f"{path}.apiGroups", noun="api groups", missing=missing)
    missing = "resource rules must supply at least one resource"
    fairness.names_or_all(causes, resources, f"{path}.resources", noun="resources", missing=missing)
    if not namespaces and not rule.get("clusterScope"):
        text = "resource rules that are not cluster scoped must supply at least one namespace"
        causes.required(f"{path}.namespaces", text)
    elif "*" in namespaces:
        if len(namespaces) > 1:
            causes.invalid(f"{path}.namespaces", namespaces, "if '*' is present, must not specify other namespaces")
    else:
        for index, one in enumerate(namespaces):
            faults = (_NAMESPACE_TEXT + fault for fault in names.dns_label(one))
            causes.each_invalid(f"{path}.namespaces[{index}]", one, faults)


def _url_rule(causes: Causes, rule: Obj, path: str) -> None:
    fairness.verbs(causes, rule.get("verbs") or [], f"{path}.verbs", _VERBS)
    urls, field = rule.get("nonResourceURLs") or [], f"{path}.nonResourceURLs"
    missing = "nonResourceURLs must contain at least one value"
    fairness.names_or_all(causes, urls, field, noun="non-resource URLs", missing=missing)
    if "*" not in urls:
        for index, url in enumerate(urls):
            fault = _url_fault(url)
            if fault:
                causes.invalid(f"{field}[{index}]", url, fault)


def _url_fault(url: str) -> str:
    if not url:
        return "must not be empty"
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    if url.count("*") > 1 or ("*" in url and not url.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _create(causes, new)


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    fairness.status(causes, new)


KIND = Kind(
    rules=Rules(create=_create, update=_update, status=_status),
    defaults=_defaults,
    counted=("spec",),
    status_takes_metadata=False,
)
