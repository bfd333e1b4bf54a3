"""A member's folder.

NAME/data/        etcd's own
NAME/aside/       the data of the member that it was before, until the next such change
NAME/tls/         certificates, made anew at every start
NAME/process      which process runs it
NAME/lock         held by whoever looks after the member
NAME.member       who it is in its cluster. Beside the folder: it outlives a folder that was wiped
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kube_actors.api.errors import ConfigError
from kube_actors.cluster.etcd.command import TLSFiles
from kube_actors.cluster.pki import Certificate, write_private
from kube_actors.cluster.processes import ProcessId

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identity:
    """`formed`: it has served as a member once. `id` is the one etcd gave it, 0 where it is not known.

    `token` is that of the cluster that its data is of: after a restore there is another one.
    """

    formed: bool = False
    id: int = 0
    token: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that was started for the member, with which settled flags."""

    process: ProcessId
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the member shows clients and peers, and the authority of both."""

    ca: bytes
    server: Certificate
    peer: Certificate


class MemberFolder:
    """`root` is the folder of all members on this machine."""

    def __init__(self, root: Path, name: str) -> None:
        self.path = root / name
        self.data = self.path / "data"
        self._aside = self.path / "aside"
        self._tls = self.path / "tls"
        self._process = self.path / "process"
        self._identity = root / f"{name}.member"
        self._lock = -1

    def make(self) -> None:
        """Raises ConfigError."""
        try:
            for folder in (self.path, self._tls):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigError(f"cannot make {error.filename}: {error.strerror}") from error

    def lock(self) -> bool:
        """Become the one who looks after the member; False where another process is."""
        if self._lock >= 0:
            return True
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def has_data(self) -> bool:
        """Whether etcd would resume: it decides by its write-ahead log."""
        wal = self.data / "member" / "wal"
        return wal.is_dir() and any(wal.iterdir())

    def put_aside(self) -> None:
        """Move the data away; what had been put aside before is gone then."""
        shutil.rmtree(self._aside, ignore_errors=True)
        if self.data.exists():
            self.data.rename(self._aside)

    def clear(self) -> None:
        """Remove data that etcd could not resume from."""
        shutil.rmtree(self.data, ignore_errors=True)

    def identity(self) -> Identity:
        return _read(self._identity, _identity) or Identity()

    def set_identity(self, identity: Identity) -> None:
        if identity != self.identity():
            write_private(self._identity, json.dumps(dataclasses.asdict(identity)).encode())

    def running(self) -> Running | None:
        """The process on record; it may have ended."""
        return _read(self._process, _running)

    def set_running(self, running: Running) -> None:
        write_private(self._process, json.dumps(dataclasses.asdict(running)).encode())

    def write_tls(self, credentials: Credentials) -> TLSFiles:
        """etcd reads them again at every handshake, so that they can be replaced while it runs."""
        files = self.tls_files()
        write_private(files.ca, credentials.ca)
        write_private(files.key, credentials.server.key)
        write_private(files.certificate, credentials.server.certificate)
        write_private(files.peer_key, credentials.peer.key)
        write_private(files.peer_certificate, credentials.peer.certificate)
        return files

    def tls_files(self) -> TLSFiles:
        return TLSFiles(
            ca=self._tls / "ca.crt",
            certificate=self._tls / "server.crt",
            key=self._tls / "server.key",
            peer_certificate=self._tls / "peer.crt",
            peer_key=self._tls / "peer.key",
        )


def _read(path: Path, parse: Callable[[dict[str, Any]], T]) -> T | None:
    """A file that is missing, or of another version, says nothing."""
    try:
        return parse(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _identity(content: dict[str, Any]) -> Identity:
    return Identity(bool(content["formed"]), int(content["id"]), str(content.get("token", "")))


def _running(content: dict[str, Any]) -> Running:
    return Running(ProcessId(**content["process"]), tuple(content["flags"]))
