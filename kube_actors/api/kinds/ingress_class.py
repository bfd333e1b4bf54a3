"""IngressClass: which controller serves Ingresses of this class, with which parameters."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import names, paths, references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules

_CONTROLLER_MAX = 250
_SCOPES = ("Cluster", "Namespace")


def _defaults(obj: Obj) -> None:
    parameters = obj["spec"].get("parameters")
    if parameters is not None:
        parameters.setdefault("scope", "Cluster")


def _create(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    controller = spec.get("controller", "")
    if len(controller) > _CONTROLLER_MAX:
        causes.too_long("spec.controller", _CONTROLLER_MAX)
    paths.domain_prefixed_path(causes, "spec.controller", controller)
    if "parameters" in spec:
        _parameters(causes, spec["parameters"], "spec.parameters")


def _parameters(causes: Causes, parameters: Obj, path: str) -> None:
    references.typed_local_reference(causes, parameters, path)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope is None:
        causes.required(f"{path}.scope")
    elif scope not in _SCOPES:
        causes.unsupported(f"{path}.scope", scope, _SCOPES)
    elif scope == "Cluster":
        if namespace is not None:
            causes.forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")
    elif namespace is None:
        causes.required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")
    else:
        causes.each_invalid(f"{path}.namespace", namespace, names.dns_label(namespace))


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    causes.immutable("spec.controller", new["spec"].get("controller", ""), old["spec"].get("controller", ""))
    _create(causes, new)


KIND = Kind(rules=Rules(create=_create, update=_update), defaults=_defaults, counted=("spec",))
