"""What an administrator decides and validation asks: Kubernetes keeps the same in its `capabilities` package."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Settings:
    """Set once, before the server starts."""

    allow_privileged: bool = False


SETTINGS = Settings()
