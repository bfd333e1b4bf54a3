"""The webhooks of all configurations, in the order in which they are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.meta import name_of
from kube_actors.api.resources import Resource, builtin
from kube_actors.apiserver.admission.chain import Lookup
from kube_actors.apiserver.admission.conditions import Conditions
from kube_actors.apiserver.admission.matching import Matcher

MUTATING = builtin("admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations")
VALIDATING = builtin("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations")


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook. `uid` is its own among all, also where two have one name."""

    configuration: str
    name: str
    uid: str
    client_config: Mapping[str, object]
    review_versions: tuple[str, ...]
    timeout: float
    ignores_failure: bool
    side_effects: str
    reinvocable: bool
    matcher: Matcher
    conditions: Conditions


class Hooks:
    """Compiled again when a configuration changes."""

    def __init__(self, lookup: Lookup, resource: Resource) -> None:
        self._lookup = lookup
        self._resource = resource
        self._changes = lookup.changes(resource)
        self._hooks: tuple[Hook, ...] = ()

    def all(self) -> tuple[Hook, ...]:
        """By the name of the configuration, then as it lists them."""
        if self._changes.stale:
            self._changes.stale = False
            configurations = sorted(self._lookup.all(self._resource), key=name_of)
            self._hooks = tuple(hook for one in configurations for hook in hooks_of(one))
        return self._hooks


def hooks_of(configuration: Obj) -> list[Hook]:
    """The webhooks of one configuration."""
    seen: Counter[str] = Counter()
    found = []
    for webhook in configuration.get("webhooks") or ():
        name = webhook["name"]
        uid = f"{name_of(configuration)}/{name}/{seen[name]}"
        seen[name] += 1
        found.append(_hook(name_of(configuration), webhook, uid))
    return found


def _hook(configuration: str, webhook: Obj, uid: str) -> Hook:
    ignores = webhook.get("failurePolicy") == "Ignore"
    return Hook(
        configuration,
        webhook["name"],
        uid,
        webhook.get("clientConfig") or {},
        tuple(webhook.get("admissionReviewVersions") or ()),
        float(webhook.get("timeoutSeconds") or 10),
        ignores,
        webhook.get("sideEffects") or "",
        webhook.get("reinvocationPolicy") == "IfNeeded",
        Matcher.of(webhook, rules="rules"),
        Conditions(webhook.get("matchConditions") or (), ignores_failure=ignores),
    )
