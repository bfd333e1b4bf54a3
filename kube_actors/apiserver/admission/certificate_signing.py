"""CertificateSigning: who writes a request's certificate or conditions has to be allowed to sign for its signer."""

from __future__ import annotations

from kube_actors.api.meta import get_path
from kube_actors.api.resources import Resource
from kube_actors.apiserver.admission.certificates import REQUESTS, may
from kube_actors.apiserver.admission.chain import Attributes, Operation, Plugin
from kube_actors.apiserver.authz import Authorizer


class CertificateSigning(Plugin):
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        return operation is Operation.UPDATE and resource is REQUESTS and subresource == "status"

    async def validate(self, attributes: Attributes) -> None:
        new, old = attributes.obj, attributes.old
        assert old is not None
        if all(get_path(new, "status", key) == get_path(old, "status", key) for key in ("certificate", "conditions")):
            return
        signer = old["spec"].get("signerName", "")
        if not may(self._authorizer, attributes.user, "sign", signer):
            raise attributes.forbidden(f'user not permitted to sign requests with signerName "{signer}"')
