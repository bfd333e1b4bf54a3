"""Who asks: a client certificate that TLS has verified, or a bearer token.

    Authenticator: certificate, then each TokenAuthenticator in order; what none of them knows is refused
    impersonation.py: a user who may counts as another from here on

A wrong token is refused, never treated as anonymous. Tokens of the config are compared by their digests, in
constant time; `service_accounts.py` knows the tokens of service accounts, `bootstrap_tokens.py` those for joining.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kube_actors.api import errors
from kube_actors.apiserver.config import StaticToken
from kube_actors.apiserver.request import ANONYMOUS, AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP, User
from kube_actors.rpc.tls import Identity

ANONYMOUS_USER = User(ANONYMOUS, (UNAUTHENTICATED_GROUP,))


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose token it is, and of the audiences that were asked for those that it is good for."""

    user: User
    audiences: tuple[str, ...] = ()


class BadToken(errors.Unauthorized):
    """A token that is of a known kind and not valid. Who showed it learns no more than that; a TokenReview does."""

    def __init__(self, detail: str) -> None:
        super().__init__("Unauthorized")
        self.detail = detail


class TokenAuthenticator(Protocol):
    def holder_of(self, token: str, audiences: tuple[str, ...]) -> Holder | None:
        """None where this authenticator does not know such tokens. `audiences` empty: the API server's own.

        Raises BadToken.
        """


class StaticTokens:
    """The tokens of the config; they are good for every audience."""

    def __init__(self, tokens: Sequence[StaticToken]) -> None:
        self._users = [(_digest(one.token), User(one.user, with_authenticated(one.groups), one.uid)) for one in tokens]

    def holder_of(self, token: str, audiences: tuple[str, ...]) -> Holder | None:
        digest, found = _digest(token), None
        for known, user in self._users:
            if hmac.compare_digest(known, digest):
                found = user
        return None if found is None else Holder(found, audiences)


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
        return self.token_holder(token.strip()).user

    def token_holder(self, token: str, audiences: tuple[str, ...] = ()) -> Holder:
        """Whose token it is. Raises BadToken."""
        for authenticator in self._tokens:
            holder = authenticator.holder_of(token, audiences)
            if holder is not None:
                return holder
        raise BadToken("invalid bearer token")

    def _of_certificate(self, identity: Identity) -> User:
        user = self._certificates.get(identity)
        if user is None:
            if len(self._certificates) > 10_000:
                self._certificates.clear()
            user = User(identity.user, with_authenticated(identity.groups))
            self._certificates[identity] = user
        return user


def with_authenticated(groups: Sequence[str]) -> tuple[str, ...]:
    return (*groups, *(() if AUTHENTICATED_GROUP in groups else (AUTHENTICATED_GROUP,)))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
