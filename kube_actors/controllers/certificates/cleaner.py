"""Removes requests that nobody needs any more. Kubernetes: pkg/controller/certificates/cleaner/cleaner.go."""

from __future__ import annotations

from cryptography import x509

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.controllers.actions import DeleteObject
from kube_actors.controllers.base import Context, Controller
from kube_actors.controllers.certificates.approver import REQUESTS
from kube_actors.controllers.certificates.recognize import certificate

HOUR = 3600.0
# How long a request stays: after its approval or its denial, and where nobody decided.
DECIDED, PENDING = HOUR, 24 * HOUR


def is_done(csr: Obj, now: float) -> bool:
    """Whether the certificate has been there to fetch for an hour, was denied or failed, or has expired."""
    issued = certificate(csr)
    if issued and _expired(issued, now):
        return True
    decided = (csr.get("status") or {}).get("conditions") or ()
    for condition in decided:
        if condition.get("type") == "Approved" and not issued:
            continue
        since = condition.get("lastUpdateTime")
        if condition.get("type") in ("Approved", "Denied", "Failed") and since and parse_rfc3339(since) + DECIDED < now:
            return True
    return not issued and parse_rfc3339(csr["metadata"]["creationTimestamp"]) + PENDING < now


def _expired(pem: bytes, now: float) -> bool:
    try:
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp() < now
    except ValueError:
        return False


class CertificateCleaner(Controller):
    """Looks at all requests once an hour; keys are requests that are done."""

    name = "certificatesigningrequest-cleaner-controller"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.requests = self.informer(REQUESTS)

    async def run(self) -> None:
        await self.every(HOUR, self._look)

    async def _look(self) -> None:
        for csr in self.requests.list():
            if is_done(csr, self.clock.now()):
                self.enqueue(csr)

    async def sync(self, key: str) -> None:
        csr = self.requests.get(key)
        if csr is not None and is_done(csr, self.clock.now()):
            meta = csr["metadata"]
            (await self.perform(key, [DeleteObject(REQUESTS, "", meta["name"], meta["uid"])])).raise_error()
