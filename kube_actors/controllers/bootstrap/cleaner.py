"""Deletes tokens for joining when their time is over."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.meta import name_of, namespace_of, uid_of
from kube_actors.api.resources import SECRETS
from kube_actors.controllers.actions import Action, DeleteObject, Requeue
from kube_actors.controllers.base import Context, Controller
from kube_actors.controllers.bootstrap import tokens


def plan(secret: Obj, now: float) -> list[Action]:
    """Delete it, or come back when it is time."""
    token = tokens.of(secret)
    if token is None or token.expires is None:
        return []
    if token.expires > now:
        return [Requeue(token.expires - now)]
    version = secret["metadata"]["resourceVersion"]
    return [DeleteObject(SECRETS, namespace_of(secret), name_of(secret), uid_of(secret), version)]


class TokenCleaner(Controller):
    """Keys are Secrets of kube-system."""

    name = "token-cleaner-controller"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.secrets = self.informer(SECRETS)
        self.enqueue_from(self.secrets)

    def enqueue(self, obj: Obj) -> None:
        if namespace_of(obj) == tokens.NAMESPACE and obj.get("type") == tokens.TYPE:
            super().enqueue(obj)

    async def sync(self, key: str) -> None:
        secret = self.secrets.get(key)
        if secret is not None:
            (await self.perform(key, plan(secret, self.clock.now()))).raise_error()
