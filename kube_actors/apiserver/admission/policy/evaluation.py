"""One evaluation: the variables of a policy, composed, and its expressions' values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kube_actors.api import Obj, cel
from kube_actors.api.meta import labels_of
from kube_actors.api.resources import Registry, Resource
from kube_actors.apiserver.admission import expressions
from kube_actors.apiserver.admission.admission_request import prepared
from kube_actors.apiserver.admission.chain import Attributes, Lookup
from kube_actors.apiserver.admission.conditions import ConditionsFailed
from kube_actors.apiserver.admission.expressions import Asker, variables_of
from kube_actors.apiserver.admission.matching import namespace_of
from kube_actors.apiserver.admission.policy.definitions import Binding, Compiled, Policies, Policy
from kube_actors.apiserver.admission.policy.params import NoParams, params_of
from kube_actors.apiserver.authz import Authorizer
from kube_actors.apiserver.custom.conversion import Conversions

T = TypeVar("T")
_ABSENT = re.compile(r"no such key: (\w+)")


class Failed(Exception):
    """An expression gives no value."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What policies are evaluated with."""

    lookup: Lookup
    authorizer: Authorizer
    resources: Registry
    conversions: Conversions


class Evaluation:
    """The expressions of one policy, with one param, about one request."""

    def __init__(self, variables: dict[str, Any], composed: tuple[tuple[str, Compiled], ...], asker: Asker) -> None:
        self._variables = variables
        self._asker = asker
        self._failures: dict[str, str] = {}
        # One that is not used may fail: Kubernetes evaluates a variable when it is first read.
        for name, program in composed:
            try:
                variables["variables"] = {**variables["variables"], name: self.value(program)}
            except Failed as error:
                self._failures[name] = str(error)

    @property
    def variables(self) -> dict[str, Any]:
        return self._variables

    def value(self, program: Compiled) -> Any:
        """Raises Failed."""
        if isinstance(program, cel.CompileError):
            raise Failed(str(program))
        try:
            return expressions.evaluate(program, self._variables, self._asker)
        except cel.EvaluationError as error:
            raise Failed(self._composed(str(error))) from None

    def _composed(self, text: str) -> str:
        """What is said of a variable that failed, where an expression has read it."""
        match = _ABSENT.fullmatch(text)
        failure = self._failures.get(match[1]) if match else None
        return (
            text
            if match is None or failure is None
            else f'composited variable "{match[1]}" fails to evaluate: {failure}'
        )


@dataclass(frozen=True, slots=True)
class Invocation(Generic[T]):
    """A policy to be evaluated for a binding, with a param; `fault`: it cannot be."""

    policy: Policy[T]
    binding: Binding
    version: Resource
    param: Obj | None = None
    fault: str = ""

    @property
    def uid(self) -> str:
        param = (self.param or {}).get("metadata") or {}
        return f"{self.policy.name}/{self.binding.name}/{param.get('namespace', '')}/{param.get('name', '')}"


def invocations(
    policies: Policies[T], attributes: Attributes, namespace: Obj | None, sources: Sources
) -> Iterator[Invocation[T]]:
    """What concerns the request as it is now, in order."""
    labels = labels_of(namespace) if namespace is not None else None
    for policy in policies.all():
        version = policy.matcher.version_for(attributes)
        if version is None or not policy.matcher.selects(attributes, labels):
            continue
        for binding in policy.bindings:
            taken = binding.matcher
            if taken is not None and (taken.version_for(attributes) is None or not taken.selects(attributes, labels)):
                continue
            place = namespace_of(attributes)
            try:
                params = params_of(sources.lookup, sources.resources, policy.param_kind, binding.param_ref, place)
            except NoParams as error:
                yield Invocation(policy, binding, version, fault=f"failed to configure binding: {error}")
                continue
            for param in params:
                yield Invocation(policy, binding, version, param)


async def begin(
    invocation: Invocation[T], attributes: Attributes, namespace: Obj | None, sources: Sources
) -> Evaluation | None:
    """The evaluation; None where the policy's conditions do not hold. Raises Failed."""
    await prepared(sources.conversions, attributes, invocation.version)
    asker = Asker(sources.authorizer, attributes.user)
    variables = variables_of(attributes, invocation.version, namespace) | {"params": invocation.param}
    evaluation = Evaluation(variables, invocation.policy.variables, asker)
    try:
        holds = invocation.policy.conditions.hold(evaluation.variables, asker)
    except ConditionsFailed as error:
        raise Failed(str(error)) from None
    return evaluation if holds else None
