"""CEL expressions about a request: their variables, and how they are evaluated.

Expressions are compiled without types: those that the types refuse were refused when they were written, or are
reported as what goes wrong when they run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kube_actors.api import cel
from kube_actors.api.cel.library.authorizer import authorizer_value, authorizing
from kube_actors.api.resources import Resource
from kube_actors.apiserver.admission.admission_request import as_version, describe
from kube_actors.apiserver.admission.chain import Attributes
from kube_actors.apiserver.authz import Authorizer
from kube_actors.apiserver.request import Target, User

NAMES = ("object", "oldObject", "request", "authorizer", "namespaceObject", "params", "variables")
_TYPES = dict.fromkeys(NAMES, cel.DYN)


def compile_expression(expression: str, *, constructs: bool = False) -> cel.Program:
    """Raises CompileError."""
    return cel.compile(expression, _TYPES, constructs=constructs)


@dataclass(frozen=True, slots=True)
class Asker:
    """Answers what an expression asks of `authorizer`, for the request's user or a service account."""

    authorizer: Authorizer
    user: User

    def __call__(self, check: Mapping[str, Any], verb: str) -> tuple[bool, str]:
        user = self.user
        if account := check.get("serviceAccount"):
            namespace, name = account
            groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
            user = User(f"system:serviceaccount:{namespace}:{name}", groups)
        if "path" in check:
            verdict = self.authorizer.decide_path(user, verb, check["path"])
            return verdict.allowed, verdict.reason
        namespace = check.get("namespace", "")
        resource = Resource(check["group"], "*", check["resource"], "", bool(namespace))
        target = Target(resource, namespace, check.get("name", ""), check.get("subresource", ""))
        verdict = self.authorizer.decide(user, verb, target)
        return verdict.allowed, verdict.reason


def variables_of(attributes: Attributes, version: Resource, namespace: Mapping[str, Any] | None) -> dict[str, Any]:
    """What every expression about the request may speak of; `params` and `variables` are the policy's to add."""
    target = attributes.target
    own = {
        "group": version.group,
        "resource": version.plural,
        "subresource": target.subresource,
        "namespace": target.namespace,
        "name": target.name or attributes.name,
    }
    return {
        "object": as_version(attributes, attributes.obj, version),
        "oldObject": as_version(attributes, attributes.old, version),
        "request": describe(attributes, version),
        "authorizer": authorizer_value(own),
        "namespaceObject": namespace,
        "params": None,
        "variables": {},
    }


def evaluate(program: cel.Program, variables: Mapping[str, Any], asker: Asker) -> Any:
    """Raises EvaluationError."""
    with authorizing(asker):
        return program.evaluate(variables)
