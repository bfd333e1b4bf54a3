"""TLS material of gRPC and HTTPS listeners and of their clients, as PEM bytes."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class ServerTLS:
    """A server's certificate, its key, and the CA that client certificates must come from."""

    certificate: bytes
    key: bytes
    client_ca: bytes


@dataclass(frozen=True, slots=True)
class ClientTLS:
    """The CA that a server's certificate must come from, and the client's own certificate if it has one.

    `server_name` is what the certificate has to be valid for, where that is not the host dialled.
    """

    ca: bytes
    certificate: bytes = b""
    key: bytes = b""
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a client certificate says its holder is: common name = user, organisations = groups."""

    user: str
    groups: tuple[str, ...]


@functools.lru_cache(maxsize=1024)
def identity_of(pem: bytes) -> Identity:
    """The identity in a PEM certificate, which TLS has verified already."""
    return _identity(x509.load_pem_x509_certificate(pem))


@functools.lru_cache(maxsize=1024)
def identity_of_der(der: bytes) -> Identity:
    """The same for DER, as Python's ssl module gives it."""
    return _identity(x509.load_der_x509_certificate(der))


def _identity(certificate: x509.Certificate) -> Identity:
    def values(oid: x509.ObjectIdentifier) -> tuple[str, ...]:
        return tuple(str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(oid))

    names = values(NameOID.COMMON_NAME)
    return Identity(names[0] if names else "", values(NameOID.ORGANIZATION_NAME))
