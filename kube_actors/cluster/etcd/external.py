"""An etcd of somebody else's: what its endpoints may look like, whether it is there, how we get in."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kube_actors.api.errors import ConfigError
from kube_actors.cluster.etcd.membership import MemberState

if TYPE_CHECKING:
    from kube_actors.rpc.tls import ClientTLS
    from kube_actors.store.errors import EtcdError

OLDEST = (3, 4)


@dataclass(frozen=True, slots=True)
class ExternalStore:
    """Addresses are IP:PORT. `tls`: certificates are checked, against `server_name` unless that is empty."""

    addresses: tuple[str, ...]
    tls: bool
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""

    def client_tls(self) -> ClientTLS | None:
        """Reads the files. Raises ConfigError."""
        if not self.tls:
            return None
        from kube_actors.rpc.tls import ClientTLS

        return ClientTLS(
            ca=_read("store.caFile", self.ca_file),
            certificate=_read("store.certFile", self.cert_file),
            key=_read("store.keyFile", self.key_file),
            server_name=self.server_name,
        )


def problem(endpoint: str) -> str | None:
    """What is wrong with an endpoint's text, None where nothing is."""
    if "://" not in endpoint:
        return "must say https:// or http://"
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        return "has no port that can be"
    if parts.scheme not in ("https", "http"):
        return "must begin with https:// or http://"
    if not parts.hostname or not port:
        return "must name a host and a port, such as https://10.0.0.1:2379"
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        return "must be no more than https://HOST:PORT"
    return None


def contradiction(endpoints: Sequence[str], files: Sequence[str], server_name: str) -> str | None:
    """What does not go together."""
    if not endpoints:
        return None
    secure = endpoints[0].startswith("https://")
    ca, certificate, key = files
    if not secure and (any(files) or server_name):
        return "store.caFile: certificates need https:// endpoints"
    if secure and not ca:
        return "store.caFile: needed for https:// endpoints: the authority that their certificates come from"
    if bool(certificate) != bool(key):
        return "store.certFile: goes with store.keyFile"
    if secure and len(endpoints) > 1 and not server_name:
        return "store.serverName: needed with several endpoints: a name that all their certificates are valid for"
    return None


def resolve(endpoints: Sequence[str], files: Sequence[str], server_name: str) -> ExternalStore:
    """Host names become addresses now. Raises ConfigError where one has none."""
    secure = endpoints[0].startswith("https://")
    if secure and not server_name:
        server_name = urlsplit(endpoints[0]).hostname or ""
    ca, certificate, key = files
    return ExternalStore(tuple(map(_address, endpoints)), secure, ca, certificate, key, server_name)


async def check(store: ExternalStore) -> None:
    """Raise ConfigError for the first endpoint that is none, or where no quorum answers."""
    # Only now: reading a config does not import gRPC.
    from kube_actors.cluster.etcd.admin import Endpoints

    endpoints = Endpoints(store.client_tls())
    try:
        states = await endpoints.states(store.addresses)
        for address, state in states.items():
            _require_usable(address, state)
        if await endpoints.view(store.addresses) is None:
            raise ConfigError(f"store.endpoints: the etcd at {', '.join(store.addresses)} has no quorum")
    finally:
        await endpoints.close()


def _require_usable(address: str, state: MemberState | EtcdError) -> None:
    if not isinstance(state, MemberState):
        reason = " ".join(str(state).split())
        raise ConfigError(f"store.endpoints: no etcd answers at {address}: {reason[:200]}")
    numbers = state.version.split(".")
    if len(numbers) < 2 or not all(part.isdigit() for part in numbers[:2]):
        raise ConfigError(f"store.endpoints: {address} says it is version {state.version!r}; needed: 3.4 or later")
    if (int(numbers[0]), int(numbers[1])) < OLDEST:
        raise ConfigError(f"store.endpoints: {address} is etcd {state.version}; needed: 3.4 or later")


def _address(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        try:
            host = str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
        except OSError as error:
            raise ConfigError(f"store.endpoints: {endpoint}: {host} has no IPv4 address: {error.strerror}") from error
    return f"{host}:{parts.port}"


def _read(setting: str, path: str) -> bytes:
    if not path:
        return b""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{setting}: cannot read {path}: {error.strerror}") from error
    if b"-----BEGIN " not in content:
        raise ConfigError(f"{setting}: {path} is no PEM file")
    if setting == "store.caFile":
        try:
            ssl.create_default_context(cadata=content.decode("ascii"))
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise ConfigError(f"{setting}: {path} has no certificate that can be read") from error
    return content
