"""Approves the client certificates of nodes, for whom authorization lets it.

Kubernetes: pkg/controller/certificates/approver/sarapprove.go. All other requests wait for a person.
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.resources import builtin
from kube_actors.controllers.actions import UpdateObject
from kube_actors.controllers.base import Context, Controller, NotYet
from kube_actors.controllers.certificates.recognize import Asked, certificate, conditions, is_node_client, is_own

REQUESTS = builtin("certificates.k8s.io/v1", "certificatesigningrequests")
REVIEWS = builtin("authorization.k8s.io/v1", "subjectaccessreviews")
OWN = ("selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview.")
NEW = ("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.")


def approved(csr: Obj, message: str) -> UpdateObject:
    condition = {"type": "Approved", "status": "True", "reason": "AutoApproved", "message": message}
    status = csr.get("status") or {}
    written = {**csr, "status": {**status, "conditions": [*(status.get("conditions") or ()), condition]}}
    return UpdateObject(REQUESTS, written, subresource="approval")


def review(csr: Obj, subresource: str) -> Obj:
    """May who asks have this kind of certificate?"""
    spec = csr["spec"]
    what = {"group": REQUESTS.group, "resource": REQUESTS.plural, "subresource": subresource, "verb": "create"}
    who = {key: spec[key] for key in ("uid", "groups", "extra") if spec.get(key)}
    return {
        "apiVersion": REVIEWS.api_version,
        "kind": REVIEWS.kind,
        "metadata": {},
        "spec": {"user": spec.get("username", ""), **who, "resourceAttributes": {"version": "*", **what}},
    }


class CertificateApprover(Controller):
    """Keys are requests."""

    name = "certificatesigningrequest-approving-controller"
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.requests = self.informer(REQUESTS)
        self.enqueue_from(self.requests)

    async def sync(self, key: str) -> None:
        csr = self.requests.get(key)
        if csr is None or certificate(csr) or conditions(csr) & {"Approved", "Denied"}:
            return
        try:
            asked = Asked.of(csr)
        except ValueError:
            return
        if not is_node_client(csr, asked):
            return
        for subresource, message in (OWN, NEW) if is_own(csr, asked) else (NEW,):
            answer = await self.client.create(REVIEWS, review(csr, subresource))
            if (answer.get("status") or {}).get("allowed"):
                (await self.perform(key, [approved(csr, message)])).raise_error()
                return
        raise NotYet(f"{csr['spec'].get('username')} may not have a node's certificate")
