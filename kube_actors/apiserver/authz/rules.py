"""The meaning of a role's rules, as pure functions.

Kubernetes: pkg/apis/rbac/v1/evaluation_helpers.go (what a rule allows), k8s.io/component-helpers/auth/rbac/validation
(which rules cover others), pkg/registry/rbac/validation/policy_compact.go (how missing rules are told).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from kube_actors.api import Obj
from kube_actors.api.gotext import go_quote


@dataclass(frozen=True, slots=True)
class Rule:
    """A PolicyRule. `*` stands for all; resources may be `pods`, `pods/log`, `*/scale`."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    @classmethod
    def of(cls, rule: Obj) -> Rule:
        keys = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
        return cls(*(tuple(rule.get(key) or ()) for key in keys))

    def as_json(self) -> Obj:
        """The PolicyRule, without empty lists."""
        found = {
            "verbs": self.verbs,
            "apiGroups": self.groups,
            "resources": self.resources,
            "resourceNames": self.names,
            "nonResourceURLs": self.urls,
        }
        return {key: list(values) for key, values in found.items() if values}

    def allows(self, verb: str, group: str, resource: str, subresource: str) -> bool:
        """Whether it does for some name; `names` says for which."""
        return (
            _has(self.verbs, verb) and _has(self.groups, group) and _has_resource(self.resources, resource, subresource)
        )

    def allows_path(self, verb: str, path: str) -> bool:
        return _has(self.verbs, verb) and any(_url_covers(url, path) for url in self.urls)

    def covers(self, other: Rule) -> bool:
        """Whether everything that `other` allows is allowed by this rule."""
        return (
            _has_all(self.verbs, other.verbs)
            and _has_all(self.groups, other.groups)
            and all(_has_resource(self.resources, *_split(one)) for one in other.resources)
            and all(any(_url_covers(own, url) for own in self.urls) for url in other.urls)
            and (not self.names or (bool(other.names) and set(other.names) <= set(self.names)))
        )


def missing(owned: Sequence[Rule], wanted: Sequence[Rule]) -> list[Rule]:
    """What `wanted` allows and `owned` does not, in rules of one verb, one group, one resource and one name."""
    parts = [part for rule in wanted for part in broken_down(rule)]
    return [part for part in parts if not any(rule.covers(part) for rule in owned)]


def broken_down(rule: Rule) -> Iterator[Rule]:
    names: list[tuple[str, ...]] = [(name,) for name in rule.names] or [()]
    for group, resource, verb, name in product(rule.groups, rule.resources, rule.verbs, names):
        yield Rule((verb,), (group,), (resource,), name)
    for url, verb in product(rule.urls, rule.verbs):
        yield Rule((verb,), urls=(url,))


def compact(rules: Sequence[Rule]) -> list[Rule]:
    """Rules about the same resource joined into one."""
    simple: dict[Rule, Rule] = {}
    others = []
    for rule in rules:
        if rule.urls or len(rule.groups) != 1 or len(rule.resources) != 1 or len(rule.names) > 1:
            others.append(rule)
            continue
        key = replace(rule, verbs=())
        known = simple.get(key)
        simple[key] = rule if known is None else replace(known, verbs=known.verbs + rule.verbs)
    return [*others, *simple.values()]


def described(rule: Rule) -> str:
    """`{APIGroups:[""], Resources:["pods"], Verbs:["list"]}`."""
    parts = (
        ("APIGroups", rule.groups),
        ("Resources", rule.resources),
        ("NonResourceURLs", rule.urls),
        ("ResourceNames", rule.names),
        ("Verbs", rule.verbs),
    )
    return "{" + ", ".join(f"{name}:{quoted(values)}" for name, values in parts if values) + "}"


def quoted(values: Sequence[str]) -> str:
    """A list of strings as Go's %q prints it."""
    return "[" + " ".join(go_quote(value) for value in values) + "]"


def _has(values: tuple[str, ...], wanted: str) -> bool:
    return wanted in values or "*" in values


def _has_all(values: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return "*" in values or all(one in values for one in wanted)


def _has_resource(resources: tuple[str, ...], resource: str, subresource: str) -> bool:
    if "*" in resources:
        return True
    if not subresource:
        return resource in resources
    return f"{resource}/{subresource}" in resources or f"*/{subresource}" in resources


def _url_covers(url: str, path: str) -> bool:
    return url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*")))


def _split(resource: str) -> tuple[str, str]:
    plural, _, subresource = resource.partition("/")
    return plural, subresource
