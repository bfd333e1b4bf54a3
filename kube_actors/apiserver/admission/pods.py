"""What plugins of pods have in common."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.resources import PODS, Resource
from kube_actors.apiserver.admission.chain import Attributes, Operation, Plugin


class NewPodPlugin(Plugin):
    """One that cares for pods at their creation."""

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        return operation is Operation.CREATE and resource is PODS and not subresource


def spec_of(attributes: Attributes) -> Obj:
    """The spec of the pod at hand."""
    assert attributes.obj is not None
    spec: Obj = attributes.obj.setdefault("spec", {})
    return spec
