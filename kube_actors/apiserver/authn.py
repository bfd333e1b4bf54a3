"""Who asks: a client certificate that TLS has verified, or a bearer token.

A wrong token is refused, never treated as anonymous. Tokens are compared by their digests, in constant time.
Authenticators of other kinds of tokens (service accounts, bootstrap) join the list of `TokenAuthenticator`s.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Protocol

from kube_actors.api import errors
from kube_actors.apiserver.config import StaticToken
from kube_actors.apiserver.request import ANONYMOUS, AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP, User
from kube_actors.rpc.tls import Identity

ANONYMOUS_USER = User(ANONYMOUS, (UNAUTHENTICATED_GROUP,))


class TokenAuthenticator(Protocol):
    def user_of(self, token: str) -> User | None:
        """Whose token it is; None where this authenticator does not know it."""


class StaticTokens:
    """The tokens of the config."""

    def __init__(self, tokens: Sequence[StaticToken]) -> None:
        self._users = [(_digest(one.token), User(one.user, _with_authenticated(one.groups), one.uid)) for one in tokens]

    def user_of(self, token: str) -> User | None:
        digest, found = _digest(token), None
        for known, user in self._users:
            if hmac.compare_digest(known, digest):
                found = user
        return found


class Authenticator:
    """Certificate first, then token, as kube-apiserver asks them."""

    def __init__(self, tokens: Sequence[TokenAuthenticator]) -> None:
        self._tokens = tuple(tokens)
        self._certificates: dict[Identity, User] = {}

    def authenticate(self, identity: Identity | None, authorization: str) -> User:
        """The user; anonymous without any credentials. Raises Unauthorized for a token nobody knows."""
        if identity is not None and identity.user:
            return self._of_certificate(identity)
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return ANONYMOUS_USER
        for authenticator in self._tokens:
            user = authenticator.user_of(token.strip())
            if user is not None:
                return user
        raise unauthorized()

    def _of_certificate(self, identity: Identity) -> User:
        user = self._certificates.get(identity)
        if user is None:
            if len(self._certificates) > 10_000:
                self._certificates.clear()
            user = User(identity.user, _with_authenticated(identity.groups))
            self._certificates[identity] = user
        return user


def unauthorized() -> errors.Unauthorized:
    return errors.Unauthorized("Unauthorized")


def _with_authenticated(groups: Sequence[str]) -> tuple[str, ...]:
    return (*groups, *(() if AUTHENTICATED_GROUP in groups else (AUTHENTICATED_GROUP,)))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
