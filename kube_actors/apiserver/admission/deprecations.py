"""Deprecations: writes that Kubernetes accepts and warns of. In kube-apiserver the registries do it, no plugin."""

from __future__ import annotations

from kube_actors.api import warnings
from kube_actors.api.resources import Resource
from kube_actors.apiserver.admission.chain import Attributes, Operation, Plugin


class Deprecations(Plugin):
    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        written = operation in (Operation.CREATE, Operation.UPDATE) and not subresource
        return written and warnings.concerns(resource)

    async def validate(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        for text in warnings.of(attributes.resource, attributes.obj):
            attributes.warn(text)
