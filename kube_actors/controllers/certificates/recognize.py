"""What a signing request asks for, and the rules of Kubernetes' own signers.

Kubernetes: pkg/apis/certificates/helpers.go, pkg/controller/certificates/{approver,signer}.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from kube_actors.api import Obj

DOMAIN = "kubernetes.io/"
SERVING = f"{DOMAIN}kubelet-serving"
KUBELET_CLIENT = f"{DOMAIN}kube-apiserver-client-kubelet"
CLIENT = f"{DOMAIN}kube-apiserver-client"
LEGACY = f"{DOMAIN}legacy-unknown"
SIGNERS = (SERVING, KUBELET_CLIENT, CLIENT, LEGACY)
NODE_PREFIX, NODES_GROUP = "system:node:", "system:nodes"
_OWN = frozenset(("kube-apiserver-etcd-client", "kube-apiserver-kubelet-client", "front-proxy-client"))
_OWN_DOMAIN = ".kube-actors"
_OPTIONAL = frozenset(("key encipherment",))


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts of a PKCS#10 request that rules are about."""

    request: x509.CertificateSigningRequest
    common_name: str
    organizations: tuple[str, ...]
    names: x509.SubjectAlternativeName | None

    @classmethod
    def of(cls, csr: Obj) -> Asked:
        """Raises ValueError for a body that is no request."""
        request = x509.load_pem_x509_csr(base64.b64decode(csr["spec"].get("request") or ""))
        common = [str(one.value) for one in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        groups = [str(one.value) for one in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        try:
            names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            names = None
        return cls(request, common[0] if common else "", tuple(groups), names)

    def count(self, kind: type[x509.GeneralName]) -> int:
        return sum(1 for name in self.names or () if isinstance(name, kind))


def refusal(signer: str, asked: Asked, usages: Sequence[str]) -> str:
    """Why the signer does not sign this; empty where it does."""
    if _is_ours(asked):
        return "names of the control plane's own parts are not signed"
    if signer == LEGACY:
        return ""
    if signer == CLIENT:
        allowed = {"digital signature", "key encipherment", "client auth"}
        good = "client auth" in usages and set(usages) <= allowed
        return "" if good else f"usages must contain client auth and may contain {', '.join(sorted(allowed))} only"
    if asked.organizations != (NODES_GROUP,):
        return "subject organization is not system:nodes"
    if not asked.common_name.startswith(NODE_PREFIX):
        return "subject common name does not begin with system:node: "
    return _serving(asked, usages) if signer == SERVING else _kubelet_client(asked, usages)


def _is_ours(asked: Asked) -> bool:
    """The store, nodes and others tell by these names that it is the control plane that speaks; one CA signs all."""
    names = [asked.common_name, *(str(name.value) for name in asked.names or () if isinstance(name, x509.DNSName))]
    return any(name in _OWN or name.lower().endswith(_OWN_DOMAIN) for name in names)


def is_node_client(csr: Obj, asked: Asked) -> bool:
    """Whether it asks for a certificate by which a node is a client."""
    spec = csr["spec"]
    return spec.get("signerName") == KUBELET_CLIENT and not refusal(KUBELET_CLIENT, asked, spec.get("usages") or ())


def is_own(csr: Obj, asked: Asked) -> bool:
    """Whether who asks has that name already: a certificate is renewed."""
    return bool(csr["spec"].get("username") == asked.common_name)


def _kubelet_client(asked: Asked, usages: Sequence[str]) -> str:
    for kind, text in (
        (x509.DNSName, "DNS subjectAltNames are not allowed"),
        (x509.RFC822Name, "email subjectAltNames are not allowed"),
        (x509.IPAddress, "IP subjectAltNames are not allowed"),
        (x509.UniformResourceIdentifier, "URI subjectAltNames are not allowed"),
    ):
        if asked.count(kind):
            return text
    return _exact(usages, {"digital signature", "client auth"})


def _serving(asked: Asked, usages: Sequence[str]) -> str:
    if not asked.count(x509.DNSName) and not asked.count(x509.IPAddress):
        return "DNS or IP subjectAltName is required"
    if asked.count(x509.RFC822Name):
        return "email subjectAltNames are not allowed"
    if asked.count(x509.UniformResourceIdentifier):
        return "URI subjectAltNames are not allowed"
    return _exact(usages, {"digital signature", "server auth"})


def _exact(usages: Sequence[str], wanted: set[str]) -> str:
    if set(usages) - _OPTIONAL == wanted:
        return ""
    return f"usages did not match {sorted(wanted)} with key encipherment as an option"


def conditions(csr: Obj) -> set[str]:
    return {str(one.get("type")) for one in (csr.get("status") or {}).get("conditions") or ()}


def certificate(csr: Obj) -> bytes:
    """The issued certificate, PEM; empty where there is none."""
    return base64.b64decode((csr.get("status") or {}).get("certificate") or "")
