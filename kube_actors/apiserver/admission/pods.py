"""What a plugin of pods has in common."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.resources import PODS
from kube_actors.apiserver.admission.chain import Attributes, Operation


def new_pod_spec(attributes: Attributes) -> Obj | None:
    """The spec of a pod that is being created, else None."""
    if attributes.operation is not Operation.CREATE or attributes.resource is not PODS or attributes.target.subresource:
        return None
    assert attributes.obj is not None
    spec = attributes.obj.setdefault("spec", {})
    return spec if isinstance(spec, dict) else None
