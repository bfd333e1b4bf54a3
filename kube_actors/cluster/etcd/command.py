"""How etcd is started: its flags, the same for every version from 3.4 on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# A client's certificate has to be valid for this name; a node's or a user's certificate of the same
# authority is not, so it does not open the store.
CLIENT_NAME = "store-client.kube-actors"
# The common name that peers show each other.
PEER_NAME = "store-peer.kube-actors"


@dataclass(frozen=True, slots=True)
class Peer:
    """A member of the config: where other members and where clients find it."""

    name: str
    peer_url: str
    client_address: str

    @property
    def client_url(self) -> str:
        return f"https://{self.client_address}"


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """Paths of PEM files. One pair for clients, one for peers, one authority for both."""

    ca: Path
    certificate: Path
    key: Path
    peer_certificate: Path
    peer_key: Path


def settled_flags(binary: str, me: Peer, data: Path, files: TLSFiles) -> tuple[str, ...]:
    """The program and the flags that say what it is, whatever the state of its cluster.

    A process that runs with other ones is not the process that is wanted now.
    """
    return (
        binary,
        "--name", me.name,
        "--data-dir", str(data),
        "--listen-peer-urls", me.peer_url,
        "--initial-advertise-peer-urls", me.peer_url,
        "--listen-client-urls", me.client_url,
        "--advertise-client-urls", me.client_url,
        "--trusted-ca-file", str(files.ca),
        "--cert-file", str(files.certificate),
        "--key-file", str(files.key),
        "--client-cert-auth",
        "--client-cert-allowed-hostname", CLIENT_NAME,
        "--peer-trusted-ca-file", str(files.ca),
        "--peer-cert-file", str(files.peer_certificate),
        "--peer-key-file", str(files.peer_key),
        "--peer-client-cert-auth",
        "--peer-cert-allowed-cn", PEER_NAME,
        # It would call etcd with the server's certificate, and nobody asks it.
        "--enable-grpc-gateway=false",
        # A member that comes back does not disturb a leader that is well.
        "--pre-vote",
        "--snapshot-count", "10000",
        "--experimental-watch-progress-notify-interval", "5s",
        "--logger", "zap",
        "--log-level", "warn",
        "--log-outputs", "stderr",
    )  # fmt: skip


def bootstrap_flags(cluster: Mapping[str, str], token: str, *, existing: bool) -> tuple[str, ...]:
    """Who is in the cluster (name -> peer URL). etcd looks at it only where it has no data yet."""
    return (
        "--initial-cluster", ",".join(f"{name}={url}" for name, url in cluster.items()),
        "--initial-cluster-state", "existing" if existing else "new",
        "--initial-cluster-token", token,
    )  # fmt: skip


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Without what etcd would read as flags."""
    return {key: value for key, value in inherited.items() if not key.startswith("ETCD_")}
