"""Signs kube-public/cluster-info with every token that is for signing.

Who has a token, and nothing else, can tell by it that the address and the CA in the ConfigMap are the cluster's.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.meta import key_of
from kube_actors.api.resources import CONFIGMAPS, SECRETS
from kube_actors.controllers.actions import UpdateObject
from kube_actors.controllers.base import Context, Controller, On
from kube_actors.controllers.bootstrap import tokens
from kube_actors.controllers.bootstrap.tokens import BootstrapToken

KEY = "kube-public/cluster-info"
CONTENT, SIGNATURE = "kubeconfig", "jws-kubeconfig-"


def signature(content: str, token: BootstrapToken) -> str:
    """A detached JSON Web Signature (HS256 by the token's secret): header and signature, and nothing between."""
    header = _base64(json.dumps({"alg": "HS256", "kid": token.identifier}, separators=(",", ":")).encode())
    signed = hmac.digest(token.secret.encode(), f"{header}.{_base64(content.encode())}".encode(), "sha256")
    return f"{header}..{_base64(signed)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def plan(config_map: Obj, found: Iterable[BootstrapToken], now: float) -> list[UpdateObject]:
    """Put the signatures right: one a token, none of tokens that are gone."""
    data = config_map.get("data") or {}
    content = data.get(CONTENT)
    kept = {key: value for key, value in data.items() if not key.startswith(SIGNATURE)}
    if content:
        for token in found:
            if token.signs and (token.expires is None or token.expires > now):
                kept[SIGNATURE + token.identifier] = signature(content, token)
    return [] if kept == data else [UpdateObject(CONFIGMAPS, {**config_map, "data": kept})]


class BootstrapSigner(Controller):
    """One key: the ConfigMap's."""

    name = "bootstrap-signer-controller"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.secrets = self.informer(SECRETS)
        self.config_maps = self.informer(CONFIGMAPS)
        self.secrets.add_handler(On(self._changed, lambda old, new: self._changed(new), self._changed))
        self.config_maps.add_handler(On(self._info, lambda old, new: self._info(new), lambda obj: None))

    def _changed(self, secret: Obj) -> None:
        if secret.get("type") == tokens.TYPE and secret["metadata"]["namespace"] == tokens.NAMESPACE:
            self.queue.add(KEY)

    def _info(self, config_map: Obj) -> None:
        if key_of(config_map) == KEY:
            self.queue.add(KEY)

    async def sync(self, key: str) -> None:
        config_map = self.config_maps.get(key)
        if config_map is not None:
            found = [token for obj in self.secrets.list(tokens.NAMESPACE) if (token := tokens.of(obj)) is not None]
            (await self.perform(key, plan(config_map, found, self.clock.now()))).raise_error()
