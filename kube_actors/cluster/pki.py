"""The cluster's certificate authority, and every certificate and token key that comes from it.

    ca.crt, ca.key      the authority: each listener and each client certificate comes from it
    sa.key, sa.pub      sign and verify service-account tokens

Keys are ECDSA P-256 only: making one takes well under a millisecond, so certificates of components are
issued when a component starts and never written to disk. Names and usages follow kubeadm's PKI.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import ipaddress
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kube_actors.api.errors import ConfigError
from kube_actors.rpc.tls import ClientTLS, ServerTLS

# What certificates are valid for besides the hosts, so that no client depends on addresses.
STORE = "store.kube-actors"
API_SERVER = "apiserver.kube-actors"
NODE = "node.kube-actors"
KUBERNETES_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")

CA_DAYS = 3650
CERTIFICATE_DAYS = 365
# An authority that ends sooner than this is refused: certificates may not outlive it by surprise.
RENEW_DAYS = 7
# Clocks of hosts that form one cluster differ a little.
SKEW = dt.timedelta(hours=1)

_Extension = tuple[x509.ExtensionType, bool]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is for. `hosts` make it one for a server, `client` one for a client."""

    common_name: str
    organizations: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    client: bool = False


class Authority(ABC):
    """Whoever signs certificates: the folder's own key, or the supervisor for actors on other hosts.

    The key of a certificate is made where it is used; only its public half goes to who signs.
    """

    ca: bytes
    # The authority's own key, PEM, for who signs requests of users; empty where it is elsewhere.
    ca_key: bytes = b""

    @abstractmethod
    def sign(self, public_key: bytes, subject: Subject) -> bytes:
        """The certificate (PEM) of a public key (PEM)."""

    def issue(
        self,
        common_name: str,
        organizations: Sequence[str] = (),
        hosts: Sequence[str] = (),
        *,
        client: bool | None = None,
    ) -> Certificate:
        """A certificate: for a server of those hosts, or for a client where no host is given.

        `client=True` makes a server's certificate good for a client as well (peers of etcd need both).
        """
        key = ec.generate_private_key(ec.SECP256R1())
        as_client = client or (client is None and not hosts)
        subject = Subject(common_name, tuple(organizations), tuple(dict.fromkeys(hosts)), as_client)
        return Certificate(self.sign(_public_pem(key), subject), _private_pem(key))

    def server_tls(self, name: str, hosts: Sequence[str] = ()) -> ServerTLS:
        """What a listener needs. `name` is STORE, API_SERVER or NODE, or the name of something else."""
        kubernetes = KUBERNETES_NAMES if name == API_SERVER else ()
        issued = self.issue(name, hosts=(name, *kubernetes, *LOCAL_HOSTS, *hosts))
        return ServerTLS(certificate=issued.certificate, key=issued.key, client_ca=self.ca)

    def client_tls(self, user: str, groups: Sequence[str] = (), server_name: str = "") -> ClientTLS:
        """What a client needs to be `user` of `groups` at a server of that stable name."""
        issued = self.issue(user, groups)
        return ClientTLS(ca=self.ca, certificate=issued.certificate, key=issued.key, server_name=server_name)


class Pki(Authority):
    """The authority of one cluster. Use `Pki.open`."""

    def __init__(
        self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, sa_key: ec.EllipticCurvePrivateKey
    ) -> None:
        self._certificate = certificate
        self._key = key
        self.ca = certificate.public_bytes(serialization.Encoding.PEM)
        self.ca_key = _private_pem(key)
        self.service_account_key = _private_pem(sa_key)
        self.service_account_public_key = _public_pem(sa_key)

    @classmethod
    def open(cls, folder: Path) -> Pki:
        """Load the authority of a folder, or make it there.

        Several processes may do so at once. Raises ConfigError where files are unreadable, do not belong
        together or have expired.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with locked(folder):
                if not (folder / "ca.crt").exists():
                    _create(folder)
                return cls._load(folder)
        except OSError as error:
            raise ConfigError(f"cannot use {error.filename or folder} for certificates: {error.strerror}") from error

    @classmethod
    def _load(cls, folder: Path) -> Pki:
        certificate = _read_certificate(folder / "ca.crt")
        key = _read_key(folder / "ca.key")
        if certificate.public_key() != key.public_key():
            raise ConfigError(f"{folder / 'ca.key'} is not the key of ca.crt; restore the pair or delete {folder}")
        _check_validity(certificate, folder)
        return cls(certificate, key, _read_key(folder / "sa.key"))

    def sign(self, public_key: bytes, subject: Subject) -> bytes:
        key = serialization.load_pem_public_key(public_key)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ConfigError("only ECDSA keys are signed")
        usages = [ExtendedKeyUsageOID.SERVER_AUTH] if subject.hosts else []
        if subject.client:
            usages.append(ExtendedKeyUsageOID.CLIENT_AUTH)
        extensions: list[_Extension] = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_key_usage(authority=False), True),
            (x509.ExtendedKeyUsage(usages), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False),
        ]
        if subject.hosts:
            extensions.append((x509.SubjectAlternativeName([_general_name(h) for h in subject.hosts]), False))
        days = dt.timedelta(days=CERTIFICATE_DAYS)
        not_after = min(dt.datetime.now(dt.UTC) + days, self._certificate.not_valid_after_utc)
        name = _name(subject.common_name, subject.organizations)
        certificate = _sign(name, key, self._certificate.subject, self._key, not_after, extensions)
        return certificate.public_bytes(serialization.Encoding.PEM)

    def issued(self, certificate: bytes) -> bool:
        """Whether that PEM certificate comes from this authority and is valid now."""
        loaded = x509.load_pem_x509_certificate(certificate)
        try:
            loaded.verify_directly_issued_by(self._certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return loaded.not_valid_before_utc <= dt.datetime.now(dt.UTC) <= loaded.not_valid_after_utc


def write_private(path: Path, content: bytes) -> None:
    """Put a file in place in one step, readable by its owner alone."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)


def _create(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("kube-actors-ca", ())
    not_after = dt.datetime.now(dt.UTC) + dt.timedelta(days=CA_DAYS)
    certificate = _sign(
        name,
        key.public_key(),
        name,
        key,
        not_after,
        [(x509.BasicConstraints(ca=True, path_length=0), True), (_key_usage(authority=True), True)],
    )
    sa_key = ec.generate_private_key(ec.SECP256R1())
    write_private(folder / "sa.key", _private_pem(sa_key))
    write_private(folder / "sa.pub", _public_pem(sa_key))
    write_private(folder / "ca.key", _private_pem(key))
    # The last one: a folder that has it is complete, whenever this process may be killed.
    write_private(folder / "ca.crt", certificate.public_bytes(serialization.Encoding.PEM))


def _sign(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    not_after: dt.datetime,
    extensions: Sequence[_Extension],
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime.now(dt.UTC) - SKEW)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str, organizations: Sequence[str]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _check_validity(certificate: x509.Certificate, folder: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    end = certificate.not_valid_after_utc
    if now > end - dt.timedelta(days=RENEW_DAYS):
        verb = "expired" if now > end else "expires"
        raise ConfigError(
            f"the certificate authority {folder / 'ca.crt'} {verb} on {end:%Y-%m-%d}; stop the cluster, delete "
            f"{folder} and start it again (every kubeconfig changes)"
        )
    if now < certificate.not_valid_before_utc:
        raise ConfigError(
            f"the certificate authority {folder / 'ca.crt'} is not valid before "
            f"{certificate.not_valid_before_utc:%Y-%m-%d}; set this machine's clock"
        )


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise ConfigError(f"{path} is no certificate; restore it or delete {path.parent}") from error


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} is no private key; restore it or delete {path.parent}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{path} is no ECDSA key; restore it or delete {path.parent}")
    return key


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: one process at a time makes what is not there yet."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
