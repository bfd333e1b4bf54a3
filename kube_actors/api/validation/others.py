"""Kinds with few rules: access, disruption budgets, signing requests."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules

_RBAC = "rbac.authorization.k8s.io"


def _role(causes: Causes, obj: Obj) -> None:
    for index, rule in enumerate(obj.get("rules") or ()):
        _policy_rule(causes, rule, "nonResourceURLs" in rule and obj["kind"] == "Role", f"rules[{index}]")


def _policy_rule(causes: Causes, rule: Obj, forbid_urls: bool, path: str) -> None:
    if not rule.get("verbs"):
        causes.required(f"{path}.verbs", "verbs must contain at least one value")
    if rule.get("nonResourceURLs"):
        if forbid_urls:
            text = "namespaced rules cannot apply to non-resource URLs"
            causes.invalid(f"{path}.nonResourceURLs", rule["nonResourceURLs"], text)
        if any(rule.get(field) for field in ("apiGroups", "resources", "resourceNames")):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            causes.invalid(f"{path}.nonResourceURLs", rule["nonResourceURLs"], text)
        return
    if not rule.get("apiGroups"):
        causes.required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        causes.required(f"{path}.resources", "resource rules must supply at least one resource")


def _binding(causes: Causes, obj: Obj) -> None:
    role = obj.get("roleRef") or {}
    if role.get("apiGroup") != _RBAC:
        causes.unsupported("roleRef.apiGroup", role.get("apiGroup", ""), (_RBAC,))
    kinds = ("Role", "ClusterRole") if obj["kind"] == "RoleBinding" else ("ClusterRole",)
    if role.get("kind") not in kinds:
        causes.unsupported("roleRef.kind", role.get("kind", ""), kinds)
    if not role.get("name"):
        causes.required("roleRef.name")
    else:
        causes.each_invalid("roleRef.name", role["name"], names.path_segment(role["name"]))
    for index, subject in enumerate(obj.get("subjects") or ()):
        _subject(causes, subject, obj["kind"] == "RoleBinding", f"subjects[{index}]")


def _subject(causes: Causes, subject: Obj, namespaced: bool, path: str) -> None:
    kind, group = subject.get("kind", ""), subject.get("apiGroup", "")
    if not subject.get("name"):
        causes.required(f"{path}.name")
    if kind == "ServiceAccount":
        if subject.get("name"):
            causes.each_invalid(f"{path}.name", subject["name"], names.dns_subdomain(subject["name"]))
        if group:
            causes.unsupported(f"{path}.apiGroup", group, ("",))
        if not namespaced and not subject.get("namespace"):
            causes.required(f"{path}.namespace")
    elif kind in ("User", "Group"):
        if group != _RBAC:
            causes.unsupported(f"{path}.apiGroup", group, (_RBAC,))
    else:
        causes.unsupported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group"))


def _binding_update(causes: Causes, new: Obj, old: Obj) -> None:
    _binding(causes, new)
    if new.get("roleRef") != old.get("roleRef"):
        role = new.get("roleRef") or {}
        shown = {"APIGroup": role.get("apiGroup", ""), "Kind": role.get("kind", ""), "Name": role.get("name", "")}
        causes.invalid("roleRef", shown, "cannot change roleRef")


RULES = {
    "CertificateSigningRequest": Rules(checks_metadata=False),
    "ClusterRole": Rules(create=_role, name=names.path_segment),
    "ClusterRoleBinding": Rules(create=_binding, update=_binding_update, name=names.path_segment),
    "PodDisruptionBudget": Rules(checks_metadata=False),
    "Role": Rules(create=_role, name=names.path_segment),
    "RoleBinding": Rules(create=_binding, update=_binding_update, name=names.path_segment),
}
