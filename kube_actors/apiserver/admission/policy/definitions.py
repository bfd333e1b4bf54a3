"""Policies and bindings as they are evaluated, compiled again when one of them changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from kube_actors.api import Obj, cel
from kube_actors.api.meta import name_of
from kube_actors.api.resources import Resource
from kube_actors.apiserver.admission.chain import Lookup
from kube_actors.apiserver.admission.conditions import Conditions
from kube_actors.apiserver.admission.expressions import compile_expression
from kube_actors.apiserver.admission.matching import Matcher

T = TypeVar("T")
# An expression that does not compile is kept with its error: the policy fails when it is asked.
Compiled = cel.Program | cel.CompileError


@dataclass(frozen=True, slots=True)
class Binding:
    """`matcher` None: it takes what the policy takes."""

    name: str
    matcher: Matcher | None
    param_ref: Obj | None
    actions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Policy(Generic[T]):
    """`steps` are what the two sorts of policies differ in: validations, or mutations."""

    name: str
    ignores_failure: bool
    matcher: Matcher
    conditions: Conditions
    variables: tuple[tuple[str, Compiled], ...]
    param_kind: Obj | None
    steps: T
    bindings: tuple[Binding, ...]


class Policies(Generic[T]):
    """All policies of one sort that have a binding, in the order of their names."""

    def __init__(self, lookup: Lookup, policies: Resource, bindings: Resource, steps: Callable[[Obj], T]) -> None:
        self._lookup = lookup
        self._resources = (policies, bindings)
        self._steps = steps
        self._changes = lookup.changes(policies, bindings)
        self._policies: tuple[Policy[T], ...] = ()

    def all(self) -> tuple[Policy[T], ...]:
        if self._changes.stale:
            self._changes.stale = False
            self._policies = self._compile()
        return self._policies

    def _compile(self) -> tuple[Policy[T], ...]:
        policies, bindings = (sorted(self._lookup.all(one), key=name_of) for one in self._resources)
        by_policy: dict[str, list[Binding]] = {}
        for binding in bindings:
            by_policy.setdefault(binding["spec"].get("policyName", ""), []).append(_binding(binding))
        return tuple(self._policy(one, tuple(by_policy[name_of(one)])) for one in policies if name_of(one) in by_policy)

    def _policy(self, policy: Obj, bindings: tuple[Binding, ...]) -> Policy[T]:
        spec = policy["spec"]
        ignores = spec.get("failurePolicy") == "Ignore"
        return Policy(
            name_of(policy),
            ignores,
            Matcher.of(spec.get("matchConstraints") or {}),
            Conditions(spec.get("matchConditions") or (), ignores_failure=ignores),
            tuple((one["name"], compiled(one.get("expression", ""))) for one in spec.get("variables") or ()),
            spec.get("paramKind"),
            self._steps(spec),
            bindings,
        )


def _binding(binding: Obj) -> Binding:
    spec = binding["spec"]
    matches = spec.get("matchResources")
    return Binding(
        name_of(binding),
        None if matches is None else Matcher.of(matches),
        spec.get("paramRef"),
        frozenset(spec.get("validationActions") or ()),
    )


def compiled(expression: str, *, constructs: bool = False) -> Compiled:
    try:
        return compile_expression(expression, constructs=constructs)
    except cel.CompileError as error:
        return error
