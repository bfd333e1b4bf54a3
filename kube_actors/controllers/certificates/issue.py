"""A certificate from an approved request. Kubernetes: pkg/controller/certificates/authority."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from kube_actors.controllers.certificates.recognize import Asked

LIFETIME = 365 * 24 * 3600
MINIMUM = 600
BACKDATE = 300
_EXTENDED: dict[str, ObjectIdentifier] = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft sgc": ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": ObjectIdentifier("2.16.840.1.113730.4.1"),
}
_PLAIN = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "data encipherment": "data_encipherment",
    "key agreement": "key_agreement",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA's certificate and key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @classmethod
    def of(cls, certificate: bytes, key: bytes) -> Authority:
        """From PEM. Raises ValueError."""
        loaded = serialization.load_pem_private_key(key, password=None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise ValueError("the key of the authority is neither ECDSA nor RSA")
        return cls(x509.load_pem_x509_certificate(certificate), loaded)


def issue(authority: Authority, asked: Asked, usages: Sequence[str], seconds: int | None, now: float) -> bytes:
    """The certificate, PEM: what was asked for, for `seconds` at most, and no longer than its authority."""
    moment = dt.datetime.fromtimestamp(now, dt.UTC)
    lifetime = LIFETIME if seconds is None else max(MINIMUM, min(seconds, LIFETIME))
    end = min(moment + dt.timedelta(seconds=lifetime), authority.certificate.not_valid_after_utc)
    plain = {_PLAIN[usage] for usage in usages if usage in _PLAIN}
    extended = list(dict.fromkeys(_EXTENDED[usage] for usage in usages if usage in _EXTENDED))
    builder = (
        x509.CertificateBuilder()
        .subject_name(asked.request.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(asked.request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - dt.timedelta(seconds=BACKDATE))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    if plain:
        builder = builder.add_extension(_key_usage(plain), critical=True)
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    if asked.names is not None:
        builder = builder.add_extension(asked.names, critical=False)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _key_usage(plain: set[str]) -> x509.KeyUsage:
    # Whoever only enciphers or deciphers does so in a key agreement; without it the bits have no meaning.
    agreed = "key_agreement" in plain
    return x509.KeyUsage(
        digital_signature="digital_signature" in plain,
        content_commitment="content_commitment" in plain,
        key_encipherment="key_encipherment" in plain,
        data_encipherment="data_encipherment" in plain,
        key_agreement=agreed,
        key_cert_sign="key_cert_sign" in plain,
        crl_sign="crl_sign" in plain,
        encipher_only=agreed and "encipher_only" in plain,
        decipher_only=agreed and "decipher_only" in plain,
    )
