"""The certificate authority: what it issues, who shares it, and what it refuses."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kube_actors.api.errors import ConfigError
from kube_actors.cluster import pki as module
from kube_actors.cluster.pki import API_SERVER, KUBERNETES_NAMES, NODE, Pki


def _load(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def _usages(pem: bytes) -> set[x509.ObjectIdentifier]:
    return set(_load(pem).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_a_second_open_finds_the_same_authority(tmp_path: Path) -> None:
    first, second = Pki.open(tmp_path / "pki"), Pki.open(tmp_path / "pki")
    assert first.ca == second.ca
    assert first.service_account_key == second.service_account_key
    assert second.issued(first.issue("somebody").certificate)


def test_processes_that_open_at_once_get_one_authority(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        authorities = list(pool.map(lambda _: Pki.open(tmp_path / "pki").ca, range(16)))
    assert len(set(authorities)) == 1


def test_every_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Pki.open(tmp_path / "pki")
    finally:
        os.umask(before)
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "pki").iterdir()}
    assert {"ca.crt", "ca.key", "sa.key", "sa.pub"} <= set(files)
    assert set(files.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700


def test_a_server_certificate_is_valid_for_stable_names_hosts_and_addresses(tmp_path: Path) -> None:
    tls = Pki.open(tmp_path).server_tls(API_SERVER, ("10.96.0.1", "master.example"))
    names = _load(tls.certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {API_SERVER, "localhost", "master.example", *KUBERNETES_NAMES} <= set(
        names.get_values_for_type(x509.DNSName)
    )
    addresses = names.get_values_for_type(x509.IPAddress)
    assert {ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("10.96.0.1")} <= set(addresses)
    assert _usages(tls.certificate) == {ExtendedKeyUsageOID.SERVER_AUTH}


def test_a_client_certificate_says_who_its_holder_is(tmp_path: Path) -> None:
    tls = Pki.open(tmp_path).client_tls("system:node:node-1", ("system:nodes", "extra"), NODE)
    subject = _load(tls.certificate).subject
    assert [each.value for each in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["system:node:node-1"]
    organizations = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert {each.value for each in organizations} == {"system:nodes", "extra"}
    assert _usages(tls.certificate) == {ExtendedKeyUsageOID.CLIENT_AUTH}
    assert tls.server_name == NODE


def test_a_peer_certificate_may_be_both(tmp_path: Path) -> None:
    issued = Pki.open(tmp_path).issue("peer", hosts=("a",), client=True)
    assert _usages(issued.certificate) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def test_all_keys_are_p256(tmp_path: Path) -> None:
    authority = Pki.open(tmp_path)
    for pem in (authority.ca, authority.issue("a").certificate, authority.issue("b", hosts=("b",)).certificate):
        key = _load(pem).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"


def test_a_strict_verifier_accepts_the_chain(tmp_path: Path) -> None:
    """Python 3.13 verifies with VERIFY_X509_STRICT by default."""
    authority = Pki.open(tmp_path)
    tls = authority.server_tls(API_SERVER)
    (tmp_path / "chain.pem").write_bytes(tls.certificate + tls.key)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(tmp_path / "chain.pem")
    client = ssl.create_default_context(cadata=authority.ca.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=API_SERVER)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    done: set[ssl.SSLObject] = set()
    for _ in range(10):
        for side in {here, there} - done:
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                continue
    assert done == {here, there}


def test_a_foreign_certificate_is_not_ours(tmp_path: Path) -> None:
    ours, other = Pki.open(tmp_path / "a"), Pki.open(tmp_path / "b")
    assert not ours.issued(other.issue("kubernetes-admin", ("system:masters",)).certificate)


def test_an_expired_authority_is_one_line_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CA_DAYS", -1)
    monkeypatch.setattr(module, "SKEW", dt.timedelta(days=5))
    with pytest.raises(ConfigError, match=r"ca\.crt expired on \d{4}-\d\d-\d\d; stop the cluster, delete .*"):
        Pki.open(tmp_path)


def test_no_certificate_outlives_the_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CA_DAYS", 30)
    authority = Pki.open(tmp_path)
    issued = _load(authority.issue("a").certificate)
    assert issued.not_valid_after_utc == _load(authority.ca).not_valid_after_utc


@pytest.mark.parametrize(("name", "content"), [("ca.crt", b"nonsense"), ("ca.key", b"nonsense"), ("sa.key", b"")])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    Pki.open(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=name):
        Pki.open(tmp_path)


def test_a_key_of_another_authority_is_refused(tmp_path: Path) -> None:
    Pki.open(tmp_path / "a")
    Pki.open(tmp_path / "b")
    (tmp_path / "a" / "ca.key").write_bytes((tmp_path / "b" / "ca.key").read_bytes())
    with pytest.raises(ConfigError, match="is not the key of"):
        Pki.open(tmp_path / "a")


def test_a_making_that_was_killed_half_way_is_made_again(tmp_path: Path) -> None:
    """ca.crt is written last: without it nothing counts."""
    (tmp_path / "ca.key").write_bytes(b"half")
    assert Pki.open(tmp_path).issued(Pki.open(tmp_path).issue("a").certificate)
