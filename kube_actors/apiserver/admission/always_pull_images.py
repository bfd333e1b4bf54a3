"""AlwaysPullImages, off by default: no pod runs an image that its own credentials do not pull."""

from __future__ import annotations

from kube_actors.api import errors
from kube_actors.api.errors import Cause
from kube_actors.api.resources import PODS, Resource
from kube_actors.apiserver.admission.chain import Attributes, Operation, Plugin
from kube_actors.apiserver.admission.pods import spec_of

FIELDS = ("initContainers", "containers", "ephemeralContainers")


class AlwaysPullImages(Plugin):
    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        written = operation in (Operation.CREATE, Operation.UPDATE)
        return written and resource is PODS and subresource in ("", "ephemeralcontainers")

    async def admit(self, attributes: Attributes) -> None:
        spec = spec_of(attributes)
        for field in FIELDS:
            for container in spec.get(field) or ():
                container["imagePullPolicy"] = "Always"

    async def validate(self, attributes: Attributes) -> None:
        spec = spec_of(attributes)
        for field in FIELDS:
            for index, container in enumerate(spec.get(field) or ()):
                policy = container.get("imagePullPolicy")
                if policy != "Always":
                    text = f'Unsupported value: "{policy}": supported values: "Always"'
                    path = f"spec.{field}[{index}].imagePullPolicy"
                    raise errors.invalid("Pod", "", attributes.name, [Cause("FieldValueNotSupported", text, path)])
