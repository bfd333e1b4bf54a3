"""What a config says of access and protection, as the API server wants it: tokens, keys, the audit log.

Files are read when an API server starts. Kubernetes: --token-auth-file, --encryption-provider-config, --audit-*.
"""

from __future__ import annotations

import base64
import binascii
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kube_actors.api.errors import ConfigError

if TYPE_CHECKING:
    from kube_actors.apiserver.config import AuditConfig, EncryptionConfig, StaticToken

IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class AuditPlan:
    policy: str
    log: str
    megabytes: int
    backups: int
    days: int


@dataclass(frozen=True, slots=True)
class AccessPlan:
    """Paths; `keys` are (name, file), the first one writes."""

    token_file: str = ""
    encrypted: tuple[str, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    audit: AuditPlan | None = None

    @classmethod
    def of(cls, content: dict[str, Any]) -> AccessPlan:
        """From JSON. Raises KeyError or TypeError."""
        audit = content.get("audit")
        return cls(
            token_file=content.get("token_file", ""),
            encrypted=tuple(content.get("encrypted", ())),
            keys=tuple((name, path) for name, path in content.get("keys", ())),
            audit=AuditPlan(**audit) if audit else None,
        )

    def static_tokens(self) -> tuple[StaticToken, ...]:
        """Lines of `token,user,uid,"group1,group2"`. Raises ConfigError."""
        from kube_actors.apiserver.config import StaticToken

        if not self.token_file:
            return ()
        found = []
        for number, row in enumerate(csv.reader(_read(self.token_file).decode().splitlines()), start=1):
            if not row:
                continue
            if len(row) < 3 or not row[0].strip():
                raise ConfigError(f"{self.token_file}:{number}: a line is token,user,uid and, in quotes, groups")
            groups = tuple(one.strip() for one in row[3].split(",") if one.strip()) if len(row) > 3 else ()
            found.append(StaticToken(row[0].strip(), row[1].strip(), row[2].strip(), groups))
        return tuple(found)

    def encryption(self) -> EncryptionConfig | None:
        """Raises ConfigError for a key that cannot be read."""
        from kube_actors.apiserver.config import EncryptionConfig

        if not self.keys:
            return None
        return EncryptionConfig(self.encrypted, tuple((name, _key(name, path)) for name, path in self.keys))

    def audit_log(self) -> AuditConfig | None:
        from kube_actors.apiserver.config import AuditConfig

        if self.audit is None:
            return None
        plan = self.audit
        return AuditConfig(Path(plan.policy), Path(plan.log), plan.megabytes << 20, plan.backups, plan.days)


def _key(name: str, path: str) -> bytes:
    if name == IDENTITY:
        return b""
    try:
        return base64.b64decode(_read(path).strip(), validate=True)
    except binascii.Error as error:
        raise ConfigError(f"{path} holds no key: make one with `head -c 32 /dev/urandom | base64`") from error


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
