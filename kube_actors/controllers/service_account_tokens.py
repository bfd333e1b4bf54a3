"""Secrets of type kubernetes.io/service-account-token get their token, and go with their account.

Kubernetes: pkg/controller/serviceaccount/tokens_controller.go.
"""

from __future__ import annotations

import base64

from kube_actors.api import Obj
from kube_actors.api.errors import NotFound
from kube_actors.api.meta import annotations_of, name_of, namespace_of, uid_of
from kube_actors.api.resources import SECRETS, SERVICE_ACCOUNTS
from kube_actors.api.tokens import LEGACY_ISSUER, Bound, Claims, KeyRing
from kube_actors.controllers.actions import DeleteObject, UpdateObject
from kube_actors.controllers.base import Context, Controller, On

TYPE = "kubernetes.io/service-account-token"
ACCOUNT = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"


def is_token(secret: Obj) -> bool:
    return secret.get("type") == TYPE


def plan(secret: Obj, account: Obj | None, keys: KeyRing, root_ca: bytes) -> list[UpdateObject | DeleteObject]:
    """Fill in what is missing; delete the secret of an account that is gone or another by now."""
    meta, annotations = secret["metadata"], annotations_of(secret)
    wanted_uid = annotations.get(ACCOUNT_UID, "")
    if account is None or (wanted_uid and wanted_uid != uid_of(account)):
        return [DeleteObject(SECRETS, namespace_of(secret), name_of(secret), uid_of(secret), meta["resourceVersion"])]
    data = dict(secret.get("data") or {})
    if not data.get("token"):
        who = Bound(name_of(account), uid_of(account))
        claims = Claims(namespace_of(secret), who, LEGACY_ISSUER, secret=Bound(name_of(secret), ""))
        data["token"] = _encoded(keys.sign(claims).encode())
    data["ca.crt"] = _encoded(root_ca)
    data["namespace"] = _encoded(namespace_of(secret).encode())
    if data == secret.get("data") and wanted_uid:
        return []
    marked = {**meta, "annotations": annotations | {ACCOUNT_UID: uid_of(account)}}
    return [UpdateObject(SECRETS, {**secret, "metadata": marked, "data": data})]


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


class ServiceAccountTokenController(Controller):
    """Keys are secrets. Without keys in the config it makes no tokens."""

    name = "serviceaccount-token"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.secrets = self.informer(SECRETS)
        self.accounts = self.informer(SERVICE_ACCOUNTS)
        self.enqueue_from(self.secrets)
        # A change of an account concerns its secrets.
        self.accounts.add_handler(On(self._changed, lambda old, new: None, self._changed))

    def _changed(self, account: Obj) -> None:
        for secret in self.secrets.list(namespace_of(account)):
            if is_token(secret) and annotations_of(secret).get(ACCOUNT) == name_of(account):
                self.enqueue(secret)

    async def sync(self, key: str) -> None:
        secret = self.secrets.get(key)
        pems = self.context.config.service_account_keys()
        if secret is None or not is_token(secret) or not pems:
            return
        account = self.accounts.get(f"{namespace_of(secret)}/{annotations_of(secret).get(ACCOUNT, '')}")
        if account is None:
            # The cache may be behind the account's creation; the API server is not.
            account = await self._read(namespace_of(secret), annotations_of(secret).get(ACCOUNT, ""))
        actions = plan(secret, account, KeyRing(pems), self.context.config.root_ca)
        (await self.perform(key, actions)).raise_error()

    async def _read(self, namespace: str, name: str) -> Obj | None:
        try:
            return await self.client.get(SERVICE_ACCOUNTS, name, namespace)
        except NotFound:
            return None
