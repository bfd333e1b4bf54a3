"""Service-account tokens: JSON Web Tokens as Kubernetes writes and reads them. Pure: the time is passed in.

Kubernetes: pkg/serviceaccount/{jwt,claims,legacy,openidmetadata}.go. A token names the key that signed it (`kid`), so
that keys can be exchanged: the newest signs, all are accepted.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kube_actors.api import Obj
from kube_actors.api.errors import ConfigError
from kube_actors.api.gotext import go_quote

PRIVATE = "kubernetes.io"
LEGACY_ISSUER = "kubernetes/serviceaccount"
_LEGACY = f"{LEGACY_ISSUER}/"
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
# What is checked here besides the signature is nothing: `check` does it with the time that it is given.
_SIGNATURE_ONLY = {
    "verify_signature": True,
    **dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub"), False),
}
Public = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class InvalidToken(Exception):
    """Why a token is not accepted, in Kubernetes' words."""


@dataclass(frozen=True, slots=True)
class Bound:
    """An object that a token goes with."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. Times are seconds since the epoch; a legacy token has none and is bound to its secret."""

    namespace: str
    account: Bound
    issuer: str
    audiences: tuple[str, ...] = ()
    issued: float = 0.0
    expires: float = 0.0
    identifier: str = ""
    pod: Bound | None = None
    secret: Bound | None = None
    node: Bound | None = None
    warn_after: float = 0.0

    @property
    def legacy(self) -> bool:
        return self.issuer == LEGACY_ISSUER


@dataclass(frozen=True, slots=True)
class Key:
    """A key that verifies, and signs where `private` is there."""

    kid: str
    algorithm: str
    public: Public
    private: Any = field(default=None, repr=False)

    @classmethod
    def of(cls, pem: bytes) -> Key:
        """From a private or a public key in PEM. Raises ConfigError for what is neither ECDSA nor RSA."""
        private = None
        try:
            if b"PRIVATE KEY" in pem:
                private = serialization.load_pem_private_key(pem, password=None)
                public = private.public_key()
            else:
                public = serialization.load_pem_public_key(pem)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"a service-account key is no PEM key: {error}") from error
        if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _CURVES:
            return cls(_kid(public), _CURVES[public.curve.name], public, private)
        if isinstance(public, rsa.RSAPublicKey):
            return cls(_kid(public), "RS256", public, private)
        raise ConfigError("a service-account key must be an ECDSA or RSA key")

    def jwk(self) -> Obj:
        """The key as a JSON Web Key."""
        if isinstance(self.public, rsa.RSAPublicKey):
            shown = jwt.algorithms.RSAAlgorithm.to_jwk(self.public, as_dict=True)
        else:
            shown = jwt.algorithms.ECAlgorithm.to_jwk(self.public, as_dict=True)
        return {
            "use": "sig",
            "kid": self.kid,
            "alg": self.algorithm,
            **{key: value for key, value in shown.items() if key != "key_ops"},
        }


class KeyRing:
    """Several keys; the first one that can signs."""

    def __init__(self, pems: Sequence[bytes]) -> None:
        """Raises ConfigError where none of them signs."""
        keys = [Key.of(pem) for pem in pems]
        self._keys = {key.kid: key for key in reversed(keys)}
        signing = next((key for key in keys if key.private is not None), None)
        if signing is None:
            raise ConfigError("no service-account key can sign")
        self._signing = signing

    @property
    def algorithms(self) -> list[str]:
        return sorted({key.algorithm for key in self._keys.values()})

    def jwks(self) -> Obj:
        """All public keys, the signing one first."""
        ordered = sorted(self._keys.values(), key=lambda key: (key.kid != self._signing.kid, key.kid))
        return {"keys": [key.jwk() for key in ordered]}

    def sign(self, claims: Claims) -> str:
        key, body = self._signing, _legacy_body(claims) if claims.legacy else _body(claims)
        return jwt.encode(body, key.private, key.algorithm, headers={"kid": key.kid, "typ": None})

    def read(self, token: str) -> Claims:
        """The claims of a token that one of the keys has signed. Raises InvalidToken."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            candidates = [self._keys[kid]] if kid in self._keys else list(self._keys.values())
            for key in candidates:
                try:
                    return _claims(jwt.decode(token, key.public, [key.algorithm], options=_SIGNATURE_ONLY))  # type: ignore[arg-type]
                except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
                    continue
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidToken("invalid bearer token") from error
        raise InvalidToken("invalid bearer token")


def issuer_of(token: str) -> str | None:
    """What a token says of its issuer, unverified; None for what is no JSON Web Token."""
    try:
        return str(jwt.decode(token, options={"verify_signature": False}).get("iss") or "")
    except jwt.PyJWTError:
        return None


def check(claims: Claims, now: float, issuers: Sequence[str], audiences: Sequence[str]) -> tuple[str, ...]:
    """The audiences of those asked for that the token is good for. Raises InvalidToken."""
    if claims.legacy:
        return tuple(audiences)
    if claims.issuer not in issuers:
        raise InvalidToken("invalid bearer token")
    if now >= claims.expires:
        raise InvalidToken("service account token has expired")
    if now < claims.issued - 60:
        raise InvalidToken("service account token is not valid yet")
    common = tuple(one for one in audiences if one in claims.audiences)
    if not common:
        got, wanted = (" ".join(map(go_quote, some)) for some in (claims.audiences, audiences))
        raise InvalidToken(f"token audiences [{got}] is invalid for the target audiences [{wanted}]")
    return common


def metadata(issuer: str, jwks_uri: str, keys: KeyRing) -> Obj:
    """The document at /.well-known/openid-configuration."""
    return {
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": keys.algorithms,
    }


def _body(claims: Claims) -> Obj:
    private: Obj = {"namespace": claims.namespace}
    bound = (("node", claims.node), ("pod", claims.pod), ("secret", claims.secret), ("serviceaccount", claims.account))
    private |= {key: {"name": one.name, "uid": one.uid} for key, one in bound if one is not None}
    if claims.warn_after:
        private["warnafter"] = int(claims.warn_after)
    return {
        "aud": list(claims.audiences),
        "exp": int(claims.expires),
        "iat": int(claims.issued),
        "iss": claims.issuer,
        "jti": claims.identifier,
        PRIVATE: private,
        "nbf": int(claims.issued),
        "sub": f"system:serviceaccount:{claims.namespace}:{claims.account.name}",
    }


def _legacy_body(claims: Claims) -> Obj:
    assert claims.secret is not None
    return {
        "iss": LEGACY_ISSUER,
        f"{_LEGACY}namespace": claims.namespace,
        f"{_LEGACY}secret.name": claims.secret.name,
        f"{_LEGACY}service-account.name": claims.account.name,
        f"{_LEGACY}service-account.uid": claims.account.uid,
        "sub": f"system:serviceaccount:{claims.namespace}:{claims.account.name}",
    }


def _claims(body: Obj) -> Claims:
    """Raises KeyError or TypeError for a token that is none of a service account."""
    if body["iss"] == LEGACY_ISSUER:
        account = Bound(body[f"{_LEGACY}service-account.name"], body[f"{_LEGACY}service-account.uid"])
        secret = Bound(body[f"{_LEGACY}secret.name"], "")
        return Claims(body[f"{_LEGACY}namespace"], account, LEGACY_ISSUER, secret=secret)
    private = body[PRIVATE]
    audiences = body["aud"]
    return Claims(
        namespace=private["namespace"],
        account=_bound(private["serviceaccount"]),
        issuer=body["iss"],
        audiences=(audiences,) if isinstance(audiences, str) else tuple(audiences),
        issued=float(body["nbf"]),
        expires=float(body["exp"]),
        identifier=str(body.get("jti") or ""),
        pod=_bound(private["pod"]) if private.get("pod") else None,
        secret=_bound(private["secret"]) if private.get("secret") else None,
        node=_bound(private["node"]) if private.get("node") else None,
        warn_after=float(private.get("warnafter") or 0),
    )


def _bound(ref: Obj) -> Bound:
    return Bound(str(ref["name"]), str(ref["uid"]))


def _kid(public: Public) -> str:
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
