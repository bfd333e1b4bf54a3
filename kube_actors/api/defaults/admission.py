"""Defaults of webhooks and admission policies (k8s.io/kubernetes/pkg/apis/admissionregistration/v1/defaults.go)."""

from __future__ import annotations

from collections.abc import Callable

from kube_actors.api import Obj

_HTTPS = 443


def _rules(rules: list[Obj] | None) -> None:
    for rule in rules or ():
        rule.setdefault("scope", "*")


def _webhooks(obj: Obj) -> None:
    for webhook in obj.get("webhooks") or ():
        webhook.setdefault("failurePolicy", "Fail")
        webhook.setdefault("matchPolicy", "Equivalent")
        webhook.setdefault("namespaceSelector", {})
        webhook.setdefault("objectSelector", {})
        webhook.setdefault("timeoutSeconds", 10)
        _rules(webhook.get("rules"))
        service = webhook.get("clientConfig", {}).get("service")
        if service is not None:
            service.setdefault("port", _HTTPS)


def _mutating_webhooks(obj: Obj) -> None:
    _webhooks(obj)
    for webhook in obj.get("webhooks") or ():
        webhook.setdefault("reinvocationPolicy", "Never")


def _match_resources(match: Obj | None) -> None:
    if match is None:
        return
    match.setdefault("matchPolicy", "Equivalent")
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    _rules(match.get("resourceRules"))
    _rules(match.get("excludeResourceRules"))


def _policy(obj: Obj) -> None:
    obj["spec"].setdefault("failurePolicy", "Fail")
    _match_resources(obj["spec"].get("matchConstraints"))


def _policy_binding(obj: Obj) -> None:
    _match_resources(obj["spec"].get("matchResources"))


DEFAULTS: dict[str, Callable[[Obj], None]] = {
    "MutatingWebhookConfiguration": _mutating_webhooks,
    "ValidatingWebhookConfiguration": _webhooks,
    "MutatingAdmissionPolicy": _policy,
    "ValidatingAdmissionPolicy": _policy,
    "MutatingAdmissionPolicyBinding": _policy_binding,
    "ValidatingAdmissionPolicyBinding": _policy_binding,
}
