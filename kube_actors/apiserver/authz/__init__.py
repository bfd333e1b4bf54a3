"""Who may do what.

    Chain: system:masters -> node authorizer (node.py) -> roles (rbac.py); the first that allows decides

An authorizer answers a `Verdict`; `check` turns a refusal into Kubernetes' Forbidden. Verdicts are made once and
shared, so that the answer to a user who asked before costs microseconds and no allocation.

- `rules.py` is the pure meaning of a rule: what it allows, and which rules cover which others.
- `policy/` is what a cluster begins with: Kubernetes' default roles and bindings; `reconcile.py` keeps them.
- `escalation.py` is admission: nobody grants more than he has.

What it deliberately does not do: webhooks, ABAC, and the deny that Kubernetes keeps for webhooks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kube_actors.api import errors
from kube_actors.api.resources import NAMESPACES
from kube_actors.api.selectors import FieldSelector
from kube_actors.apiserver.authz.rules import Rule
from kube_actors.apiserver.request import Target, User

MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Not allowed means no opinion. `reason` is for the one who asks why; `error` is what could not be resolved."""

    allowed: bool
    reason: str = ""
    error: str = ""


ALLOWED = Verdict(True)
NO_OPINION = Verdict(False)


@dataclass(frozen=True, slots=True)
class UserRules:
    """What a user may do in a namespace, as far as it can be listed."""

    rules: tuple[Rule, ...] = ()
    incomplete: bool = False
    error: str = ""


class Authorizer(Protocol):
    def decide(self, user: User, verb: str, target: Target, fields: str = "") -> Verdict:
        """`fields` is the field selector of a list or a watch."""

    def decide_path(self, user: User, verb: str, path: str) -> Verdict:
        """About a path that is no resource's."""

    def rules_for(self, user: User, namespace: str) -> UserRules: ...


class Masters:
    """Members of system:masters may do everything, whatever roles say: no mistake in a role can lock them out."""

    def decide(self, user: User, verb: str, target: Target, fields: str = "") -> Verdict:
        return ALLOWED if MASTERS in user.groups else NO_OPINION

    def decide_path(self, user: User, verb: str, path: str) -> Verdict:
        return ALLOWED if MASTERS in user.groups else NO_OPINION

    def rules_for(self, user: User, namespace: str) -> UserRules:
        if MASTERS not in user.groups:
            return UserRules()
        return UserRules((Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",))))


class Chain:
    """Several authorizers, asked in order. Kubernetes: k8s.io/apiserver/pkg/authorization/union."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = tuple(authorizers)

    def decide(self, user: User, verb: str, target: Target, fields: str = "") -> Verdict:
        refusals = []
        for authorizer in self._authorizers:
            verdict = authorizer.decide(user, verb, target, fields)
            if verdict.allowed:
                return verdict
            if verdict is not NO_OPINION:
                refusals.append(verdict)
        return _joined(refusals)

    def decide_path(self, user: User, verb: str, path: str) -> Verdict:
        refusals = []
        for authorizer in self._authorizers:
            verdict = authorizer.decide_path(user, verb, path)
            if verdict.allowed:
                return verdict
            if verdict is not NO_OPINION:
                refusals.append(verdict)
        return _joined(refusals)

    def rules_for(self, user: User, namespace: str) -> UserRules:
        found = [authorizer.rules_for(user, namespace) for authorizer in self._authorizers]
        return UserRules(
            tuple(rule for one in found for rule in one.rules),
            any(one.incomplete for one in found),
            "; ".join(one.error for one in found if one.error),
        )


def _joined(refusals: list[Verdict]) -> Verdict:
    if not refusals:
        return NO_OPINION
    reasons = [one.reason for one in refusals if one.reason]
    problems = [one.error for one in refusals if one.error]
    return Verdict(False, "\n".join(reasons), "; ".join(problems))


def check(authorizer: Authorizer, user: User, verb: str, target: Target, fields: str = "") -> None:
    """Whether a request may go on. `fields` is the field selector of a list or watch. Raises Forbidden."""
    target = _asked(target, fields)
    verdict = authorizer.decide(user, verb, target, fields)
    if not verdict.allowed:
        raise forbidden(user, verb, target, verdict.reason)


def check_path(authorizer: Authorizer, user: User, verb: str, path: str) -> None:
    """Raises Forbidden."""
    verdict = authorizer.decide_path(user, verb, path)
    if not verdict.allowed:
        text = f'forbidden: User "{user.name}" cannot {verb} path "{path}"'
        text += f": {verdict.reason}" if verdict.reason else ""
        raise errors.Forbidden(text, status={**errors.Forbidden(text).status(), "details": {}})


def _asked(target: Target, fields: str) -> Target:
    """What a request is about, for authorizers: a Namespace is in itself, and a list may be of one object by name.

    Kubernetes: k8s.io/apiserver/pkg/endpoints/request/requestinfo.go.
    """
    if target.name:
        if target.namespace or target.resource is not NAMESPACES:
            return target
        return Target(target.resource, target.name, target.name, target.subresource)
    if "metadata.name" not in fields:
        return target
    try:
        name = FieldSelector.parse(fields).exact("metadata.name")
    except ValueError:
        return target
    return Target(target.resource, target.namespace, name, target.subresource) if name else target


def forbidden(user: User, verb: str, target: Target, reason: str = "") -> errors.Forbidden:
    """`pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default"`."""
    resource = target.resource
    what = f"{resource.plural}/{target.subresource}" if target.subresource else resource.plural
    where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    subject = errors.qualified(resource.plural, resource.group)
    if target.name:
        subject += f' "{target.name}"'
    text = f'{subject} is forbidden: User "{user.name}" cannot {verb} resource "{what}" '
    text += f'in API group "{resource.group}" {where}'
    text += f": {reason}" if reason else ""
    return errors.Forbidden(text, group=resource.group, kind=resource.plural, name=target.name)
