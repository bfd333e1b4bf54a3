"""Tokens for joining: `abcdef.0123456789abcdef`, each a Secret bootstrap-token-ID in kube-system.

Kubernetes: plugin/pkg/auth/authenticator/token/bootstrap/bootstrap.go.
"""

from __future__ import annotations

import base64
import hmac
import re

import structlog

from kube_actors.aio.clock import Clock, parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.resources import SECRETS
from kube_actors.apiserver.admission.chain import Lookup
from kube_actors.apiserver.authn import BadToken, Holder
from kube_actors.apiserver.request import AUTHENTICATED_GROUP, User

log = structlog.get_logger(__name__)

NAMESPACE, PREFIX = "kube-system", "bootstrap-token-"
TYPE = "bootstrap.kubernetes.io/token"
GROUP, USER = "system:bootstrappers", "system:bootstrap:"
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


class BootstrapTokens:
    def __init__(self, lookup: Lookup, clock: Clock) -> None:
        self._lookup = lookup
        self._clock = clock

    def holder_of(self, token: str, audiences: tuple[str, ...]) -> Holder | None:
        """None for what has not their form. Raises BadToken."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        identifier, secret = match.groups()
        found = self._lookup.cached(SECRETS, NAMESPACE, PREFIX + identifier)
        if found is None or found.get("type") != TYPE or found["metadata"].get("deletionTimestamp"):
            raise BadToken("invalid bearer token")
        data = _decoded(found)
        if not hmac.compare_digest(data.get("token-secret", "").encode(), secret.encode()):
            raise BadToken("invalid bearer token")
        if data.get("token-id") != identifier or data.get("usage-bootstrap-authentication") != "true":
            raise BadToken("invalid bearer token")
        if _expired(data.get("expiration", ""), self._clock.now()):
            raise BadToken("invalid bearer token")
        groups = [one.strip() for one in data.get("auth-extra-groups", "").split(",") if one.strip()]
        if not all(_EXTRA_GROUP.fullmatch(one) for one in groups):
            log.error("a bootstrap token has groups that it may not have", token=identifier, groups=groups)
            raise BadToken("invalid bearer token")
        everything = tuple(dict.fromkeys((GROUP, *groups, AUTHENTICATED_GROUP)))
        return Holder(User(USER + identifier, everything), audiences)


def _decoded(secret: Obj) -> dict[str, str]:
    data = secret.get("data") or {}
    return {key: base64.b64decode(value or "").decode(errors="replace") for key, value in data.items()}


def _expired(text: str, now: float) -> bool:
    """What is no time counts as past."""
    if not text:
        return False
    try:
        return parse_rfc3339(text) <= now
    except ValueError:
        return True
