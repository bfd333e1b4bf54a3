"""Where a cluster keeps its state on this machine.

$KUBE_ACTORS_HOME (default ~/.kube-actors)/NAME/
    cluster.json     what runs and where (record.py)
    ranges           the loopback addresses of its pods and services, where it has such (loopback.py)
    kubeconfig       mode 0600
    token            an administrator's bearer token, mode 0600
    pki/             the authority and the service-account key
    store/           the embedded store's data
    etcd/            the data of members of a real etcd
    backups/         scheduled backups, where the config names no other folder
    backups.json     what became of them (backups.py)
    nodes/NAME/      volumes and logs of a node's pods; manifests/ has its static pods
    volumes/         persistent volumes of the class local-path
    shared-volumes/  those of the class shared
    logs/            what the components and Ray write
    run/             sockets and lock files; Ray's session while it runs
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from kube_actors.api.errors import ConfigError
from kube_actors.cluster.pki import locked, write_private

HOME_VARIABLE = "KUBE_ACTORS_HOME"
NAME_PATTERN = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class ClusterPaths:
    """The files of one cluster."""

    root: Path

    @property
    def record(self) -> Path:
        return self.root / "cluster.json"

    @property
    def ranges(self) -> Path:
        return self.root / "ranges"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def token(self) -> Path:
        return self.root / "token"

    @property
    def ray_token(self) -> Path:
        return self.root / "ray-token"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def volumes(self) -> Path:
        return self.root / "volumes"

    @property
    def shared_volumes(self) -> Path:
        return self.root / "shared-volumes"

    @property
    def backups(self) -> Path:
        return self.root / "backups"

    @property
    def backup_status(self) -> Path:
        return self.root / "backups.json"

    @property
    def etcd(self) -> Path:
        return self.root / "etcd"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        return self.root / "run"

    def node(self, name: str) -> Path:
        """The folder of one node's pods."""
        return self.root / "nodes" / name

    def make(self) -> None:
        """Make the folders that every component may expect. Raises ConfigError."""
        try:
            for folder in (self.root, self.logs, self.run, self.root / "nodes"):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigError(f"cannot make {error.filename}: {error.strerror}; set {HOME_VARIABLE}") from error

    def read_or_make_token(self, path: Path) -> str:
        """The token in that file; a new random one where there is none."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            with locked(self.root):
                if not path.exists():
                    write_private(path, secrets.token_hex(24).encode())
                return path.read_text().strip()
        except OSError as error:
            raise ConfigError(f"cannot use the token file {path}: {error.strerror}") from error


def home() -> Path:
    """The folder of all clusters of this user."""
    configured = os.environ.get(HOME_VARIABLE)
    return Path(configured).expanduser().absolute() if configured else Path.home() / ".kube-actors"


def of_cluster(name: str) -> ClusterPaths:
    """The paths of the cluster of that name. Raises ConfigError where it is no name."""
    return ClusterPaths(home() / checked_name(name))


def checked_name(name: str) -> str:
    """The name, where a cluster may have it: it becomes part of folders, containers and contexts."""
    if not NAME_PATTERN.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name for a cluster: use up to 40 lower-case letters, digits and '-', "
            "starting and ending with a letter or digit"
        )
    return name
