"""MutatingAdmissionPolicy: expressions that give patches, or configurations to be applied.

Kubernetes: k8s.io/apiserver/pkg/admission/plugin/policy/mutating. A JSON patch whose `test` fails changes nothing.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from kube_actors.api import Obj
from kube_actors.api.managed import typed
from kube_actors.api.patch import PatchError, json_patch
from kube_actors.api.resources import Resource, builtin
from kube_actors.apiserver.admission.admission_request import as_version, taken_back
from kube_actors.apiserver.admission.chain import Attributes, Lookup, Operation, Plugin
from kube_actors.apiserver.admission.matching import is_exempt, namespace_object
from kube_actors.apiserver.admission.policy.definitions import Compiled, Policies, compiled
from kube_actors.apiserver.admission.policy.denial import denial
from kube_actors.apiserver.admission.policy.evaluation import Failed, Invocation, Sources, begin, invocations
from kube_actors.apiserver.ownership import shape_of

POLICIES = builtin("admissionregistration.k8s.io/v1", "mutatingadmissionpolicies")
BINDINGS = builtin("admissionregistration.k8s.io/v1", "mutatingadmissionpolicybindings")
NAME = "MutatingAdmissionPolicy"
# What a configuration to be applied may not say: an object stays what it is.
IDENTITY = ("apiVersion", "kind")
IDENTITY_METADATA = ("name", "namespace", "uid", "generateName", "resourceVersion", "managedFields")


@dataclass(frozen=True, slots=True)
class Mutation:
    """`applies`: the expression gives a configuration, else a list of JSONPatch."""

    applies: bool
    program: Compiled


@dataclass(frozen=True, slots=True)
class Mutations:
    steps: tuple[Mutation, ...]
    reinvocable: bool


def mutations_of(spec: Obj) -> Mutations:
    steps = []
    for one in spec.get("mutations") or ():
        applies = one.get("patchType") == "ApplyConfiguration"
        expression = (one.get("applyConfiguration" if applies else "jsonPatch") or {}).get("expression", "")
        steps.append(Mutation(applies, compiled(expression, constructs=True)))
    return Mutations(tuple(steps), spec.get("reinvocationPolicy") == "IfNeeded")


class MutatingAdmissionPolicy(Plugin):
    def __init__(self, lookup: Lookup, sources: Sources) -> None:
        self._policies = Policies(lookup, POLICIES, BINDINGS, mutations_of)
        self._sources = sources

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        return operation is not Operation.DELETE and not is_exempt(resource)

    async def admit(self, attributes: Attributes) -> None:
        if not self._policies.all():
            return
        rounds = attributes.rounds.of(NAME)
        rounds.begin(attributes)
        namespace = await namespace_object(self._sources.lookup, attributes)
        for invocation in invocations(self._policies, attributes, namespace, self._sources):
            if invocation.fault:
                _fail(invocation, attributes, invocation.fault)
                continue
            if not rounds.wants(invocation.uid):
                continue
            for mutation in invocation.policy.steps.steps:
                if await self._mutate(invocation, mutation, attributes, namespace):
                    rounds.changed()
                if invocation.policy.steps.reinvocable:
                    rounds.called(invocation.uid)
        rounds.end(attributes)

    async def _mutate(
        self, invocation: Invocation[Mutations], mutation: Mutation, attributes: Attributes, namespace: Obj | None
    ) -> bool:
        """Do one mutation on the object as it is now; whether it changed."""
        before = copy.deepcopy(attributes.obj)
        try:
            evaluation = await begin(invocation, attributes, namespace, self._sources)
            if evaluation is None:
                return False
            current = as_version(attributes, attributes.obj, invocation.version)
            value = evaluation.value(mutation.program)
            resource = attributes.kind or invocation.version
            changed = _applied(resource, current, value) if mutation.applies else _patched(current, value)
        except Failed as error:
            _fail(invocation, attributes, str(error))
            return False
        if changed is None:
            return False
        attributes.obj = await taken_back(self._sources.conversions, attributes, changed, invocation.version)
        return attributes.obj != before


def _fail(invocation: Invocation[Mutations], attributes: Attributes, text: str) -> None:
    if invocation.policy.ignores_failure:
        return
    who = f"policy '{invocation.policy.name}' with binding '{invocation.binding.name}'"
    raise denial(attributes, f"{who} denied request: {text}", "Invalid")


def _patched(current: Any, operations: Any) -> Any:
    """None where a `test` of the patch fails. Raises Failed."""
    if not isinstance(operations, list):
        raise Failed("the expression gives no list of JSONPatch")
    try:
        return json_patch(current, operations)
    except PatchError as error:
        if error.message.startswith("testing value"):
            return None
        raise Failed(f"failed to apply JSON Patch: {error.message}") from None


def _applied(resource: Resource, current: Any, configuration: Any) -> Any:
    """The configuration merged into the object, as server-side apply merges. Raises Failed."""
    if not isinstance(configuration, dict):
        raise Failed("the expression gives no Object")
    metadata = configuration.get("metadata") or {}
    stated = [key for key in IDENTITY if key in configuration]
    stated += [f"metadata.{key}" for key in IDENTITY_METADATA if key in metadata]
    if stated:
        raise Failed(f"invalid ApplyConfiguration: may not mutate {stated[0]}")
    try:
        return typed.merge(shape_of(resource), current, configuration)
    except typed.TypedError as error:
        raise Failed(f"invalid ApplyConfiguration: {error}") from None
