"""Tokens of service accounts: signed by one of the cluster's keys, not expired, and what they are bound to exists.

The signature of a token is verified once; everything else is looked at on every request, in the cache.
Kubernetes: pkg/serviceaccount/{jwt,claims,legacy}.go.
"""

from __future__ import annotations

import base64

from kube_actors.aio.clock import Clock, parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.resources import NODES, PODS, SECRETS, SERVICE_ACCOUNTS, Resource
from kube_actors.api.tokens import Bound, Claims, InvalidToken, check, issuer_of
from kube_actors.apiserver.admission.chain import Lookup
from kube_actors.apiserver.authn import BadToken, Holder
from kube_actors.apiserver.request import AUTHENTICATED_GROUP, SERVICE_ACCOUNTS_GROUP, User, service_account_name
from kube_actors.apiserver.signing import Signing

EXTRA = "authentication.kubernetes.io/"
# A token outlives the deletion of what it is bound to by so much, so that a pod may end in order.
LEEWAY = 60.0
KNOWN = 10_000
INVALIDATED = "service account token has been invalidated"


class ServiceAccountTokens:
    def __init__(self, signing: Signing, lookup: Lookup, clock: Clock) -> None:
        self._signing = signing
        self._lookup = lookup
        self._clock = clock
        self._verified: dict[str, Claims] = {}

    def holder_of(self, token: str, audiences: tuple[str, ...]) -> Holder | None:
        """None for what is no token of a service account. Raises BadToken."""
        claims = self._verified.get(token)
        try:
            if claims is None:
                if issuer_of(token) not in self._signing.issuers:
                    return None
                claims = self._signing.keys.read(token)
                self._remember(token, claims)
            common = check(claims, self._clock.now(), self._signing.issuers, audiences or self._signing.audiences)
            self._check_objects(claims, token)
        except InvalidToken as error:
            raise BadToken(f"[invalid bearer token, {error}]") from error
        return Holder(_user(claims), common if audiences else self._signing.audiences)

    def forget(self) -> None:
        """The keys have changed."""
        self._verified.clear()

    def _remember(self, token: str, claims: Claims) -> None:
        if len(self._verified) >= KNOWN:
            self._verified.clear()
        self._verified[token] = claims

    def _check_objects(self, claims: Claims, token: str) -> None:
        namespace = claims.namespace
        self._check_bound(SERVICE_ACCOUNTS, namespace, claims.account)
        if claims.legacy:
            self._check_legacy(claims, token)
            return
        for resource, where, bound in ((SECRETS, namespace, claims.secret), (PODS, namespace, claims.pod)):
            if bound is not None:
                self._check_bound(resource, where, bound)
        # A pod's token says where the pod runs; only a token for a node alone ends with the node.
        if claims.node is not None and claims.pod is None:
            self._check_bound(NODES, "", claims.node)

    def _check_bound(self, resource: Resource, namespace: str, bound: Bound) -> None:
        found = self._lookup.cached(resource, namespace, bound.name)
        if found is None or found["metadata"]["uid"] != bound.uid or self._gone(found):
            raise InvalidToken(INVALIDATED)

    def _check_legacy(self, claims: Claims, token: str) -> None:
        assert claims.secret is not None
        secret = self._lookup.cached(SECRETS, claims.namespace, claims.secret.name)
        if secret is None or self._gone(secret) or (secret.get("data") or {}).get("token") != _encoded(token):
            raise InvalidToken(INVALIDATED)

    def _gone(self, obj: Obj) -> bool:
        stamp = obj["metadata"].get("deletionTimestamp")
        return bool(stamp) and parse_rfc3339(stamp) + LEEWAY < self._clock.now()


def _encoded(token: str) -> str:
    return base64.b64encode(token.encode()).decode()


def _user(claims: Claims) -> User:
    extra = {"credential-id": f"JTI={claims.identifier}" if claims.identifier else ""}
    for kind, bound in (("node", claims.node), ("pod", claims.pod)):
        if bound is not None:
            extra |= {f"{kind}-name": bound.name, f"{kind}-uid": bound.uid}
    return User(
        service_account_name(claims.namespace, claims.account.name),
        (SERVICE_ACCOUNTS_GROUP, f"{SERVICE_ACCOUNTS_GROUP}:{claims.namespace}", AUTHENTICATED_GROUP),
        claims.account.uid,
        tuple((EXTRA + key, (value,)) for key, value in extra.items() if value),
    )
