"""CertificateApproval: who approves or denies a request has to be allowed to for its signer."""

from __future__ import annotations

from kube_actors.api.resources import Resource
from kube_actors.apiserver.admission.certificates import REQUESTS, may
from kube_actors.apiserver.admission.chain import Attributes, Operation, Plugin
from kube_actors.apiserver.authz import Authorizer


class CertificateApproval(Plugin):
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        return operation is Operation.UPDATE and resource is REQUESTS and subresource == "approval"

    async def validate(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        signer = attributes.obj["spec"].get("signerName", "")
        if not may(self._authorizer, attributes.user, "approve", signer):
            raise attributes.forbidden(f'user not permitted to approve requests with signerName "{signer}"')
