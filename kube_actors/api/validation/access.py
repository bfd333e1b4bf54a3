"""What the kinds of rbac.authorization.k8s.io have in common (pkg/apis/rbac/validation)."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes

GROUP = "rbac.authorization.k8s.io"


def binding_defaults(obj: Obj) -> None:
    """Roles, users and groups are of RBAC's own group."""
    if not obj["roleRef"].get("apiGroup"):
        obj["roleRef"]["apiGroup"] = GROUP
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
            subject["apiGroup"] = GROUP


def policy_rules(causes: Causes, rules: list[Obj], *, namespaced: bool) -> None:
    """What a role allows; a role of a namespace says nothing about URLs."""
    for index, rule in enumerate(rules):
        _policy_rule(causes, rule, namespaced, f"rules[{index}]")


def _policy_rule(causes: Causes, rule: Obj, namespaced: bool, path: str) -> None:
    if not rule.get("verbs"):
        causes.required(f"{path}.verbs", "verbs must contain at least one value")
    urls = rule.get("nonResourceURLs")
    if urls:
        if namespaced:
            causes.invalid(f"{path}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs")
        if any(rule.get(field) for field in ("apiGroups", "resources", "resourceNames")):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            causes.invalid(f"{path}.nonResourceURLs", urls, text)
        return
    if not rule.get("apiGroups"):
        causes.required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        causes.required(f"{path}.resources", "resource rules must supply at least one resource")


def binding(causes: Causes, obj: Obj, *, namespaced: bool) -> None:
    """Who gets which role."""
    role = obj.get("roleRef") or {}
    if role.get("apiGroup") != GROUP:
        causes.unsupported("roleRef.apiGroup", role.get("apiGroup", ""), (GROUP,))
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    if role.get("kind") not in kinds:
        causes.unsupported("roleRef.kind", role.get("kind", ""), kinds)
    references.path_segment(causes, role.get("name", ""), "roleRef.name")
    for index, subject in enumerate(obj.get("subjects") or ()):
        _subject(causes, subject, namespaced, f"subjects[{index}]")


def _subject(causes: Causes, subject: Obj, namespaced: bool, path: str) -> None:
    kind, name, group = (subject.get(field, "") for field in ("kind", "name", "apiGroup"))
    if not name:
        causes.required(f"{path}.name")
    if kind == "ServiceAccount":
        if name:
            causes.each_invalid(f"{path}.name", name, names.dns_subdomain(name))
        if group:
            causes.unsupported(f"{path}.apiGroup", group, ("",))
        if not namespaced and not subject.get("namespace"):
            causes.required(f"{path}.namespace")
    elif kind in ("User", "Group"):
        if group != GROUP:
            causes.unsupported(f"{path}.apiGroup", group, (GROUP,))
    else:
        causes.unsupported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group"))


def binding_update(causes: Causes, new: Obj, old: Obj, *, namespaced: bool) -> None:
    """A binding's role never changes; who gets it may."""
    binding(causes, new, namespaced=namespaced)
    role = new.get("roleRef") or {}
    if role != old.get("roleRef"):
        shown = {"APIGroup": role.get("apiGroup", ""), "Kind": role.get("kind", ""), "Name": role.get("name", "")}
        causes.invalid("roleRef", shown, "cannot change roleRef")
