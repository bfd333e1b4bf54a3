"""Signing requests, tokens of secrets, tokens for joining, aggregated roles: what is planned for them."""

from __future__ import annotations

import base64
import datetime as dt
import hmac
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kube_actors.aio.clock import rfc3339
from kube_actors.api.tokens import KeyRing
from kube_actors.controllers import cluster_role_aggregation, service_account_tokens
from kube_actors.controllers.actions import DeleteObject, Requeue, UpdateObject
from kube_actors.controllers.bootstrap import cleaner, tokens
from kube_actors.controllers.bootstrap import signer as bootstrap_signer
from kube_actors.controllers.certificates import signer
from kube_actors.controllers.certificates.cleaner import is_done
from kube_actors.controllers.certificates.issue import Authority
from kube_actors.controllers.certificates.recognize import (
    CLIENT,
    KUBELET_CLIENT,
    LEGACY,
    SERVING,
    Asked,
    is_node_client,
    is_own,
    refusal,
)

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp()
NODE_NAME = ("system:node:n1", "system:nodes")
CLIENT_USAGES, SERVER_USAGES = ["digital signature", "client auth"], ["digital signature", "server auth"]


def private() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def name(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def request(
    signer_name: str, usages: list[str], subject=NODE_NAME, names=(), username="", conditions=("Approved",), **spec
):
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(*subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = builder.sign(private(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    states = [{"type": kind, "status": "True", "lastUpdateTime": rfc3339(NOW)} for kind in conditions]
    return {
        "metadata": {"name": "r", "uid": "u", "creationTimestamp": rfc3339(NOW)},
        "spec": {
            "request": base64.b64encode(pem).decode(), "signerName": signer_name, "usages": usages,
            "username": username, **spec,
        },
        "status": {"conditions": states},
    }  # fmt: skip


@pytest.fixture(scope="module")
def authority() -> Authority:
    key = private()
    moment = dt.datetime.fromtimestamp(NOW, dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name("ca")).issuer_name(name("ca")).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(moment).not_valid_after(moment + dt.timedelta(days=100))
    return Authority(builder.sign(key, hashes.SHA256()), key)


DNS = x509.DNSName("n1")


@pytest.mark.parametrize(
    ("csr", "why"),
    [
        (request(KUBELET_CLIENT, CLIENT_USAGES), ""),
        (request(KUBELET_CLIENT, [*CLIENT_USAGES, "key encipherment"]), ""),
        (request(KUBELET_CLIENT, SERVER_USAGES), "usages did not match"),
        (request(KUBELET_CLIENT, CLIENT_USAGES, names=[DNS]), "DNS subjectAltNames are not allowed"),
        (request(KUBELET_CLIENT, CLIENT_USAGES, ("jane", "system:nodes")), "common name does not begin with"),
        (request(KUBELET_CLIENT, CLIENT_USAGES, ("system:node:n1", "x")), "organization is not system:nodes"),
        (request(SERVING, SERVER_USAGES, names=[DNS]), ""),
        (request(SERVING, SERVER_USAGES), "DNS or IP subjectAltName is required"),
        (request(CLIENT, ["client auth"], ("jane", "dev")), ""),
        (request(CLIENT, ["client auth", "server auth"], ("jane", "dev")), "usages must contain client auth"),
        (request(LEGACY, ["any"], ("x", "")), ""),
        (request(LEGACY, ["any"], ("kube-apiserver-etcd-client", "")), "control plane's own parts"),
        (
            request(CLIENT, ["client auth"], names=[x509.DNSName("store-client.kube-actors")]),
            "control plane's own parts",
        ),
        (request(SERVING, SERVER_USAGES, names=[x509.DNSName("apiserver.kube-actors")]), "control plane's own parts"),
    ],
)
def test_each_signer_has_its_rules(csr, why):
    spec = csr["spec"]
    found = refusal(spec["signerName"], Asked.of(csr), spec["usages"])
    assert why in found
    assert bool(why) == bool(found)


def test_a_node_is_recognized_by_what_it_asks_for_and_who_it_is():
    csr = request(KUBELET_CLIENT, CLIENT_USAGES, username="system:node:n1")
    assert is_node_client(csr, Asked.of(csr))
    assert is_own(csr, Asked.of(csr))
    csr["spec"]["username"] = "system:bootstrap:abcdef"
    assert not is_own(csr, Asked.of(csr))
    csr["spec"]["signerName"] = CLIENT
    assert not is_node_client(csr, Asked.of(csr))


def test_what_is_approved_is_signed_as_it_was_asked_for(authority):
    (action,) = signer.plan(request(SERVING, SERVER_USAGES, names=[DNS], expirationSeconds=3600), authority, NOW)
    made = x509.load_pem_x509_certificate(base64.b64decode(action.obj["status"]["certificate"]))
    made.verify_directly_issued_by(authority.certificate)
    assert made.not_valid_after_utc.timestamp() == NOW + 3600
    assert made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    assert made.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    long = signer.plan(request(CLIENT, ["client auth"], ("jane", "")), authority, NOW)[0].obj["status"]["certificate"]
    ends = x509.load_pem_x509_certificate(base64.b64decode(long)).not_valid_after_utc
    assert ends == authority.certificate.not_valid_after_utc


def test_what_may_not_be_signed_fails_and_what_is_not_approved_waits(authority):
    (failed,) = signer.plan(request(KUBELET_CLIENT, SERVER_USAGES), authority, NOW)
    assert failed.obj["status"]["conditions"][-1]["reason"] == "SignerValidationFailure"
    assert signer.plan(request(KUBELET_CLIENT, CLIENT_USAGES, conditions=()), authority, NOW) == []
    assert signer.plan(request(KUBELET_CLIENT, CLIENT_USAGES, conditions=("Approved", "Denied")), authority, NOW) == []
    assert signer.plan(request("example.com/own", CLIENT_USAGES), authority, NOW) == []


@pytest.mark.parametrize(
    ("conditions", "hours", "done"),
    [((), 23, False), ((), 25, True), (("Denied",), 0.5, False), (("Denied",), 1.5, True), (("Approved",), 2, False)],
)
def test_requests_stay_as_long_as_somebody_may_look_at_them(conditions, hours, done):
    assert is_done(request(CLIENT, ["client auth"], conditions=conditions), NOW + hours * 3600) is done


KEYS = KeyRing([private().private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)])  # fmt: skip
ACCOUNT = {"metadata": {"name": "robot", "namespace": "a", "uid": "1"}}
SECRET = {
    "metadata": {
        "name": "s", "namespace": "a", "uid": "2", "resourceVersion": "3",
        "annotations": {"kubernetes.io/service-account.name": "robot"},
    },
    "type": "kubernetes.io/service-account-token",
}  # fmt: skip


def test_a_secret_gets_its_token_once_and_goes_with_its_account():
    (update,) = service_account_tokens.plan(SECRET, ACCOUNT, KEYS, b"ca")
    assert isinstance(update, UpdateObject)
    filled = update.obj
    claims = KEYS.read(base64.b64decode(filled["data"]["token"]).decode())
    assert (claims.namespace, claims.account.uid, claims.secret.name) == ("a", "1", "s")
    assert base64.b64decode(filled["data"]["namespace"]) == b"a"
    assert service_account_tokens.plan(filled, ACCOUNT, KEYS, b"ca") == []
    another = {"metadata": {**ACCOUNT["metadata"], "uid": "9"}}
    for gone in (None, another):
        assert isinstance(service_account_tokens.plan(filled, gone, KEYS, b"ca")[0], DeleteObject)


def token(**more):
    data = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true", **more}
    return {
        "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system", "uid": "u", "resourceVersion": "1"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


def test_a_token_is_read_from_its_secret_or_is_none():
    assert tokens.of(token()).identifier == "abcdef"
    assert tokens.of(token(expiration="nonsense")).expires == 0.0
    assert tokens.of(token(**{"token-secret": "short"})) is None
    assert tokens.of({**token(), "type": "Opaque"}) is None


def test_the_cluster_info_is_signed_by_every_token_that_signs():
    found = tokens.of(token())
    info = {"metadata": {}, "data": {"kubeconfig": "who we are", "jws-kubeconfig-zzzzzz": "of a token that is gone"}}
    (update,) = bootstrap_signer.plan(info, [found], NOW)
    assert set(update.obj["data"]) == {"kubeconfig", "jws-kubeconfig-abcdef"}
    head, middle, tail = update.obj["data"]["jws-kubeconfig-abcdef"].split(".")
    assert base64.urlsafe_b64decode(head + "==") == b'{"alg":"HS256","kid":"abcdef"}'
    assert middle == ""
    body = base64.urlsafe_b64encode(b"who we are").rstrip(b"=")
    signed = hmac.digest(b"0123456789abcdef", head.encode() + b"." + body, "sha256")
    assert base64.urlsafe_b64decode(tail + "==") == signed
    assert bootstrap_signer.plan(update.obj, [found], NOW) == []
    assert "jws-kubeconfig-abcdef" not in bootstrap_signer.plan(info, [replace(found, expires=NOW)], NOW)[0].obj["data"]


def test_a_token_is_deleted_when_its_time_is_over():
    assert cleaner.plan(token(), NOW) == []
    assert cleaner.plan(token(expiration=rfc3339(NOW + 60)), NOW) == [Requeue(60.0)]
    assert isinstance(cleaner.plan(token(expiration=rfc3339(NOW)), NOW)[0], DeleteObject)


def test_an_aggregated_role_has_the_rules_of_those_it_chooses_once():
    def role(name, verb, **labels):
        return {"metadata": {"name": name, "labels": labels}, "rules": [{"verbs": [verb]}]}

    whole = {
        "metadata": {"name": "whole"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"in": "yes"}}]},
        "rules": None,
    }
    others = [
        role("b", "get", **{"in": "yes"}),
        role("a", "list", **{"in": "yes"}),
        role("c", "get", **{"in": "yes"}),
        role("d", "*"),
    ]
    (update,) = cluster_role_aggregation.plan(whole, [whole, *others])
    assert update.obj["rules"] == [{"verbs": ["list"]}, {"verbs": ["get"]}]
    assert cluster_role_aggregation.plan(update.obj, others) == []
