"""Signs what is approved, for Kubernetes' own signers. Kubernetes: pkg/controller/certificates/signer/signer.go."""

from __future__ import annotations

import base64

from kube_actors.api import Obj
from kube_actors.controllers.actions import UpdateStatus
from kube_actors.controllers.base import Context, Controller
from kube_actors.controllers.certificates.approver import REQUESTS
from kube_actors.controllers.certificates.issue import Authority, issue
from kube_actors.controllers.certificates.recognize import SIGNERS, Asked, certificate, conditions, refusal


def plan(csr: Obj, authority: Authority, now: float) -> list[UpdateStatus]:
    """The certificate, or a condition Failed that says why there is none."""
    spec, status = csr["spec"], csr.get("status") or {}
    states = conditions(csr)
    if spec.get("signerName") not in SIGNERS or certificate(csr) or "Approved" not in states:
        return []
    if states & {"Denied", "Failed"}:
        return []
    usages = spec.get("usages") or ()
    try:
        asked = Asked.of(csr)
        problem = refusal(spec["signerName"], asked, usages)
    except ValueError as error:
        problem = f"unable to parse csr {csr['metadata']['name']!r}: {error}"
    if problem:
        failed = {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": problem}
        return [UpdateStatus(REQUESTS, {**csr, "status": _with(status, failed)})]
    made = issue(authority, asked, usages, spec.get("expirationSeconds"), now)
    return [UpdateStatus(REQUESTS, {**csr, "status": {**status, "certificate": base64.b64encode(made).decode()}})]


def _with(status: Obj, condition: Obj) -> Obj:
    return {**status, "conditions": [*(status.get("conditions") or ()), condition]}


class CertificateSigner(Controller):
    """Keys are requests. Without the authority's key in the config it signs nothing."""

    name = "certificatesigningrequest-signing-controller"
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        key = context.config.signing_key
        self._authority = Authority.of(context.config.root_ca, key) if key else None
        self.requests = self.informer(REQUESTS)
        self.enqueue_from(self.requests)

    async def sync(self, key: str) -> None:
        csr = self.requests.get(key)
        if csr is not None and self._authority is not None:
            (await self.perform(key, plan(csr, self._authority, self.clock.now()))).raise_error()
