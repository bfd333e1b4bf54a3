"""Which level of which version of the standards a namespace wants: its labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kube_actors.api.errors import Cause

PREFIX = "pod-security.kubernetes.io/"
LEVELS = ("privileged", "baseline", "restricted")
# The minor version that "latest" stands for.
LATEST = 36
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class LevelVersion:
    """`baseline:v1.30`; `minor` None is the latest version."""

    level: str = "privileged"
    minor: int | None = None

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.minor is None else f'v1.{self.minor}'}"


@dataclass(frozen=True, slots=True)
class Policy:
    """What is refused, what is noted in the audit log, what the client is warned of."""

    enforce: LevelVersion
    audit: LevelVersion
    warn: LevelVersion

    @property
    def is_free(self) -> bool:
        return self.enforce.level == self.audit.level == self.warn.level == "privileged"


def policy_of(labels: Mapping[str, str]) -> tuple[Policy, list[Cause]]:
    """The policy that labels ask for, and what is wrong with them.

    A level that there is not enforces restricted, and neither warns nor audits.
    """
    causes: list[Cause] = []
    enforce = _read(labels, "enforce", "restricted", causes)
    audit = _read(labels, "audit", "privileged", causes)
    warn = _read(labels, "warn", "privileged", causes)
    if f"{PREFIX}warn" not in labels and LEVELS.index(enforce.level) > LEVELS.index(warn.level):
        warn = enforce
    return Policy(enforce, audit, warn), causes


def _read(labels: Mapping[str, str], mode: str, fallback: str, causes: list[Cause]) -> LevelVersion:
    key = f"{PREFIX}{mode}"
    level = labels.get(key, "privileged")
    if level not in LEVELS:
        causes.append(_invalid(key, level, f"must be one of {', '.join(LEVELS)}"))
        level = fallback
    key += "-version"
    version = labels.get(key, "latest")
    match = _VERSION.fullmatch(version)
    if match is None and version != "latest":
        causes.append(_invalid(key, version, 'must be "latest" or "v1.x"'))
    return LevelVersion(level, int(match[1]) if match else None)


def _invalid(label: str, value: str, reason: str) -> Cause:
    return Cause("FieldValueInvalid", f'Invalid value: "{value}": {reason}', f"metadata.labels[{label}]")
