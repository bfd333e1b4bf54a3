"""Which requests are written, and how much of them. Kubernetes: k8s.io/apiserver/pkg/audit/policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kube_actors.api.errors import ConfigError
from kube_actors.apiserver.request import User

LEVELS = ("None", "Metadata", "Request", "RequestResponse")
STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
_VERSIONS = ("audit.k8s.io/v1",)
_RULE = frozenset(
    [
        "level",
        "users",
        "userGroups",
        "verbs",
        "resources",
        "namespaces",
        "nonResourceURLs",
        "omitStages",
        "omitManagedFields",
    ]
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What rules are about. `path` is set for requests that are about no resource."""

    user: User
    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Kinds:
    """A GroupResources of a rule."""

    group: str
    resources: tuple[str, ...]
    names: tuple[str, ...]

    def match(self, asked: Asked) -> bool:
        if self.group != asked.group:
            return False
        return not self.resources or (
            any(_resource(one, asked) for one in self.resources) and (not self.names or asked.name in self.names)
        )


@dataclass(frozen=True, slots=True)
class Rule:
    level: int
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    kinds: tuple[Kinds, ...] = ()
    namespaces: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    omitted: frozenset[str] = frozenset()
    omit_managed_fields: bool | None = None

    def match(self, asked: Asked) -> bool:
        if self.users and asked.user.name not in self.users:
            return False
        if self.groups and not any(group in asked.user.groups for group in self.groups):
            return False
        if self.verbs and asked.verb not in self.verbs:
            return False
        if asked.path:
            return (
                not self.namespaces
                and not self.kinds
                and (not self.urls or any(_url(one, asked.path) for one in self.urls))
            )
        if self.urls:
            return False
        if self.namespaces and asked.namespace not in self.namespaces:
            return False
        return not self.kinds or any(kind.match(asked) for kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Decision:
    """`level` is an index into LEVELS."""

    level: int
    omitted: frozenset[str] = frozenset()
    omit_managed_fields: bool = False


NOTHING = Decision(0)


@dataclass(frozen=True, slots=True)
class Policy:
    rules: tuple[Rule, ...]
    omitted: frozenset[str] = frozenset()
    omit_managed_fields: bool = False

    def decide(self, asked: Asked) -> Decision:
        """By the first rule that matches; nothing is written where none does."""
        for rule in self.rules:
            if rule.match(asked):
                managed = self.omit_managed_fields if rule.omit_managed_fields is None else rule.omit_managed_fields
                return Decision(rule.level, self.omitted | rule.omitted, managed)
        return NOTHING


def load(path: Path) -> Policy:
    """Read a policy file. Raises ConfigError with one line."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read the audit policy {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    return parse(content, str(path))


def parse(content: Any, source: str) -> Policy:
    """Raises ConfigError."""
    if not isinstance(content, dict) or content.get("kind") != "Policy" or content.get("apiVersion") not in _VERSIONS:
        raise ConfigError(f"{source}: must be a Policy of {_VERSIONS[0]}")
    rules = content.get("rules")
    if not isinstance(rules, list) or not rules:
        raise ConfigError(f"{source}: rules: a policy needs at least one rule")
    parsed = tuple(_rule(rule, f"{source}: rules[{number}]") for number, rule in enumerate(rules))
    return Policy(parsed, _stages(content.get("omitStages"), source), bool(content.get("omitManagedFields")))


def _rule(rule: Any, source: str) -> Rule:
    if not isinstance(rule, dict) or rule.get("level") not in LEVELS:
        raise ConfigError(f"{source}.level: must be one of {', '.join(LEVELS)}")
    unknown = sorted(set(rule) - _RULE)
    if unknown:
        raise ConfigError(f"{source}: unknown key {unknown[0]}; allowed: {', '.join(sorted(_RULE))}")
    if rule.get("nonResourceURLs") and (rule.get("resources") or rule.get("namespaces")):
        raise ConfigError(f"{source}: a rule is about resources or about nonResourceURLs, not both")
    managed = rule.get("omitManagedFields")
    return Rule(
        level=LEVELS.index(rule["level"]),
        users=_texts(rule.get("users"), f"{source}.users"),
        groups=_texts(rule.get("userGroups"), f"{source}.userGroups"),
        verbs=_texts(rule.get("verbs"), f"{source}.verbs"),
        kinds=tuple(_kinds(one, source) for one in rule.get("resources") or ()),
        namespaces=_texts(rule.get("namespaces"), f"{source}.namespaces"),
        urls=_texts(rule.get("nonResourceURLs"), f"{source}.nonResourceURLs"),
        omitted=_stages(rule.get("omitStages"), source),
        omit_managed_fields=None if managed is None else bool(managed),
    )


def _kinds(one: Any, source: str) -> Kinds:
    if not isinstance(one, dict):
        raise ConfigError(f"{source}.resources: must be a list of group and resources")
    names = _texts(one.get("resourceNames"), f"{source}.resourceNames")
    return Kinds(str(one.get("group") or ""), _texts(one.get("resources"), f"{source}.resources"), names)


def _stages(stages: Any, source: str) -> frozenset[str]:
    found = frozenset(_texts(stages, f"{source}.omitStages"))
    if not found <= set(STAGES):
        raise ConfigError(f"{source}.omitStages: must be of {', '.join(STAGES)}")
    return found


def _texts(values: Any, source: str) -> tuple[str, ...]:
    if values is None:
        return ()
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise ConfigError(f"{source}: must be a list of texts")
    return tuple(values)


def _resource(pattern: str, asked: Asked) -> bool:
    """`pods` is without subresources, `pods/*` all of them, `*/status` one of all resources, `*` everything."""
    if pattern == "*":
        return True
    whole = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    if pattern == whole:
        return True
    resource, _, subresource = pattern.partition("/")
    if subresource == "*":
        return resource == asked.resource
    return resource == "*" and subresource == asked.subresource


def _url(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))
