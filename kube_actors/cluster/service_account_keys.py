"""The keys that sign service-account tokens: pki/sa.key, and those that rotation added beside it.

    sa.key, sa-20260102T030405.key, ...    all are accepted; the newest one signs once every server has read it

Servers look at the folder once a minute (`apiserver/signing.py`), so a key must be older than that before it signs:
with several servers none of them meets a token of a key that it does not know.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kube_actors.api.errors import ConfigError
from kube_actors.cluster.pki import locked, write_private

SETTLED_SECONDS = 150.0
# Tokens of pods are renewed within a day, those of secrets last as long as their key.
KEPT = 3


def read(folder: Path, now: float) -> tuple[bytes, ...]:
    """All keys, the one that signs first. Raises ConfigError."""
    try:
        found = sorted(((path.stat().st_mtime, path) for path in folder.glob("sa*.key")), reverse=True)
        if not found:
            raise ConfigError(f"{folder} has no sa.key; restore it or delete {folder}")
        settled = [one for one in found if one[0] + SETTLED_SECONDS <= now] or found[-1:]
        ordered = [settled[0], *(one for one in found if one is not settled[0])]
        return tuple(path.read_bytes() for _, path in ordered)
    except OSError as error:
        raise ConfigError(f"cannot read the service-account keys in {folder}: {error.strerror}") from error


def rotate(folder: Path, now: float) -> Path:
    """Add a key; it signs in a few minutes. The oldest ones, and tokens that they signed, end. Raises ConfigError."""
    stamp = dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y%m%dT%H%M%S")
    path = folder / f"sa-{stamp}.key"
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        with locked(folder):
            write_private(path, pem)
            for old in sorted(folder.glob("sa-*.key"))[:-KEPT]:
                old.unlink()
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error
    return path
