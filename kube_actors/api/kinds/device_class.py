"""DeviceClass: a name for devices of a sort, and how they are set up."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import devices, names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules


def _create(causes: Causes, obj: Obj) -> None:
    spec = obj.get("spec") or {}
    devices.each(causes, spec.get("selectors") or [], devices.SELECTORS_MAX, devices.selector, "spec.selectors")
    devices.each(causes, spec.get("config") or [], devices.CONFIGS_MAX, devices.configuration, "spec.config")
    name = spec.get("extendedResourceName")
    if name is not None and not _is_extended_resource(name):
        causes.invalid("spec.extendedResourceName", name, "must be a valid extended resource name")


def _is_extended_resource(name: str) -> bool:
    """`example.com/gpu`: with a domain that is not Kubernetes' own."""
    domain, slash, _ = name.partition("/")
    own = domain == "kubernetes.io" or domain.endswith(".kubernetes.io") or name.startswith("requests.")
    return bool(slash) and not own and not names.qualified_name(f"requests.{name}")


KIND = Kind(rules=Rules(create=_create), rest=RestRules(answers_deleted_object=True), counted=("spec",))
