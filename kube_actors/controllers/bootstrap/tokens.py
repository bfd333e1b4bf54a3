"""A bootstrap token as its Secret says it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import is_deleting, name_of

NAMESPACE, PREFIX = "kube-system", "bootstrap-token-"
TYPE = "bootstrap.kubernetes.io/token"
_ID, _SECRET = re.compile(r"[a-z0-9]{6}"), re.compile(r"[a-z0-9]{16}")


@dataclass(frozen=True, slots=True)
class BootstrapToken:
    """`expires` is None for a token that stays, and the past for one whose time cannot be read."""

    identifier: str
    secret: str
    expires: float | None
    signs: bool


def of(obj: Obj) -> BootstrapToken | None:
    """None for a Secret that is no token, or none that can be used."""
    if obj.get("type") != TYPE or is_deleting(obj):
        return None
    data = {
        key: base64.b64decode(value or "").decode(errors="replace") for key, value in (obj.get("data") or {}).items()
    }
    identifier, secret = data.get("token-id", ""), data.get("token-secret", "")
    if not (_ID.fullmatch(identifier) and _SECRET.fullmatch(secret)) or name_of(obj) != PREFIX + identifier:
        return None
    return BootstrapToken(
        identifier, secret, _time(data.get("expiration", "")), data.get("usage-bootstrap-signing") == "true"
    )


def _time(text: str) -> float | None:
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError:
        return 0.0
