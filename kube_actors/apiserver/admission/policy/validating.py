"""ValidatingAdmissionPolicy: expressions that have to be true; what is not is denied, warned of or noted.

Kubernetes: k8s.io/apiserver/pkg/admission/plugin/policy/validating.
"""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.api import Obj, encoding
from kube_actors.api.resources import Resource, builtin
from kube_actors.apiserver.admission.chain import Attributes, Lookup, Operation, Plugin
from kube_actors.apiserver.admission.matching import is_exempt, namespace_object
from kube_actors.apiserver.admission.policy.definitions import Compiled, Policies, compiled
from kube_actors.apiserver.admission.policy.denial import denial
from kube_actors.apiserver.admission.policy.evaluation import (
    Evaluation,
    Failed,
    Invocation,
    Sources,
    begin,
    invocations,
)

POLICIES = builtin("admissionregistration.k8s.io/v1", "validatingadmissionpolicies")
BINDINGS = builtin("admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings")
NOTED = "validation.policy.admission.k8s.io/validation_failure"
MAX_MESSAGE = 5 * 1024
DEFAULT_REASON = "Invalid"


@dataclass(frozen=True, slots=True)
class Validation:
    expression: str
    program: Compiled
    message: str
    message_program: Compiled | None
    reason: str


@dataclass(frozen=True, slots=True)
class Annotation:
    key: str
    program: Compiled


@dataclass(frozen=True, slots=True)
class Checks:
    """What a policy asks of a request."""

    validations: tuple[Validation, ...]
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """A validation that does not hold; `index` is its place in the policy."""

    message: str
    reason: str = DEFAULT_REASON
    index: int = 0


def checks_of(spec: Obj) -> Checks:
    return Checks(
        tuple(_validation(one) for one in spec.get("validations") or ()),
        tuple(
            Annotation(one.get("key", ""), compiled(one.get("valueExpression", "")))
            for one in spec.get("auditAnnotations") or ()
        ),
    )


def _validation(validation: Obj) -> Validation:
    text, said = validation.get("expression", ""), validation.get("messageExpression")
    return Validation(
        text,
        compiled(text),
        (validation.get("message") or "").strip(),
        compiled(said) if said else None,
        validation.get("reason") or DEFAULT_REASON,
    )


class ValidatingAdmissionPolicy(Plugin):
    def __init__(self, lookup: Lookup, sources: Sources) -> None:
        self._policies = Policies(lookup, POLICIES, BINDINGS, checks_of)
        self._sources = sources

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        return not is_exempt(resource)

    async def validate(self, attributes: Attributes) -> None:
        if not self._policies.all():
            return
        namespace = await namespace_object(self._sources.lookup, attributes)
        denied: list[tuple[str, str]] = []
        values: dict[str, list[str]] = {}
        for invocation in invocations(self._policies, attributes, namespace, self._sources):
            for failure in await self._failures(invocation, attributes, namespace, values):
                text = _report(invocation, attributes, failure)
                if text:
                    denied.append((text, failure.reason))
        for key, found in values.items():
            attributes.annotate(key, ", ".join(dict.fromkeys(found)))
        if denied:
            raise denial(attributes, *denied[0])

    async def _failures(
        self,
        invocation: Invocation[Checks],
        attributes: Attributes,
        namespace: Obj | None,
        values: dict[str, list[str]],
    ) -> list[Failure]:
        """What does not hold; the values of the policy's audit annotations go to `values`."""
        policy = invocation.policy
        unless_ignored = [] if policy.ignores_failure else [Failure(invocation.fault)]
        if invocation.fault:
            return unless_ignored
        try:
            evaluation = await begin(invocation, attributes, namespace, self._sources)
        except Failed as error:
            return [] if policy.ignores_failure else [Failure(str(error))]
        if evaluation is None:
            return []
        failures = [
            failure
            for index, one in enumerate(policy.steps.validations)
            if (failure := _check(evaluation, one, index, ignores_failure=policy.ignores_failure)) is not None
        ]
        for annotation in policy.steps.annotations:
            try:
                value = evaluation.value(annotation.program)
            except Failed as error:
                if not policy.ignores_failure:
                    failures.append(Failure(f"failed to evaluate audit annotation {annotation.key}: {error}"))
                continue
            if isinstance(value, str) and value.strip():
                values.setdefault(f"{policy.name}/{annotation.key}", []).append(value.strip())
        return failures


def _check(evaluation: Evaluation, validation: Validation, index: int, *, ignores_failure: bool) -> Failure | None:
    try:
        value = evaluation.value(validation.program)
    except Failed as error:
        if ignores_failure:
            return None
        return Failure(f"expression '{validation.expression}' resulted in error: {error}", index=index)
    if value is True:
        return None
    return Failure(_message(evaluation, validation), validation.reason, index)


def _message(evaluation: Evaluation, validation: Validation) -> str:
    if validation.message_program is not None:
        try:
            said = evaluation.value(validation.message_program)
        except Failed:
            said = None
        text = said.strip() if isinstance(said, str) else ""
        if text and len(text) <= MAX_MESSAGE and "\n" not in text:
            return text
    return validation.message or f"failed expression: {validation.expression.strip()}"


def _report(invocation: Invocation[Checks], attributes: Attributes, failure: Failure) -> str:
    """Do what the binding wants done with a failure; the text of a denial, if it is one."""
    policy, binding = invocation.policy.name, invocation.binding
    if "Audit" in binding.actions:
        noted = {
            "message": failure.message,
            "policy": policy,
            "binding": binding.name,
            "expressionIndex": failure.index,
            "validationActions": sorted(binding.actions),
        }
        attributes.annotate(NOTED, encoding.dumps([noted]).decode())
    if "Warn" in binding.actions:
        who = f"ValidatingAdmissionPolicy '{policy}' with binding '{binding.name}'"
        attributes.warn(f"Validation failed for {who}: {failure.message}")
    if "Deny" not in binding.actions:
        return ""
    return f"ValidatingAdmissionPolicy '{policy}' with binding '{binding.name}' denied request: {failure.message}"
