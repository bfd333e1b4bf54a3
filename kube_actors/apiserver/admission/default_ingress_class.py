"""DefaultIngressClass: an Ingress that names no class gets the default one."""

from __future__ import annotations

from kube_actors.api.default_class import default_class
from kube_actors.api.meta import annotations_of
from kube_actors.api.resources import Resource, builtin
from kube_actors.apiserver.admission.chain import Attributes, Lookup, Operation, Plugin

INGRESSES = builtin("networking.k8s.io/v1", "ingresses")
INGRESS_CLASSES = builtin("networking.k8s.io/v1", "ingressclasses")
MARK = "ingressclass.kubernetes.io/is-default-class"
CLASS_ANNOTATION = "kubernetes.io/ingress.class"


class DefaultIngressClass(Plugin):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        return operation is Operation.CREATE and resource is INGRESSES and not subresource

    async def admit(self, attributes: Attributes) -> None:
        ingress = attributes.obj
        assert ingress is not None
        spec = ingress.setdefault("spec", {})
        if spec.get("ingressClassName") is not None or CLASS_ANNOTATION in annotations_of(ingress):
            return
        if name := default_class(self._lookup.all(INGRESS_CLASSES), MARK):
            spec["ingressClassName"] = name
