"""Every namespace has the ServiceAccount `default`, and gets it again when it is deleted."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.errors import AlreadyExists
from kube_actors.api.meta import get_path, is_deleting, name_of, namespace_of
from kube_actors.api.resources import NAMESPACES, SERVICE_ACCOUNTS
from kube_actors.controllers.actions import CreateObject
from kube_actors.controllers.base import Context, Controller, On, is_namespace_terminating

DEFAULT = "default"


def is_active_namespace(namespace: Obj) -> bool:
    """Whether objects may still be created in it."""
    return not is_deleting(namespace) and get_path(namespace, "status", "phase", default="Active") == "Active"


def plan(namespace: Obj, present: Obj | None) -> list[CreateObject]:
    """Create the account where a living namespace lacks it."""
    if present is not None or not is_active_namespace(namespace):
        return []
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": DEFAULT, "namespace": name_of(namespace)},
    }
    return [CreateObject(SERVICE_ACCOUNTS, account)]


class ServiceAccountController(Controller):
    """Keys are namespaces."""

    name = "serviceaccount"
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.namespaces = self.informer(NAMESPACES)
        self.accounts = self.informer(SERVICE_ACCOUNTS)
        self.enqueue_from(self.namespaces)
        self.accounts.add_handler(On(lambda obj: None, lambda old, new: None, self._account_deleted))

    def _account_deleted(self, account: Obj) -> None:
        if name_of(account) == DEFAULT:
            self.queue.add(namespace_of(account))

    async def sync(self, key: str) -> None:
        namespace = self.namespaces.get(key)
        if namespace is None:
            return
        report = await self.perform(key, plan(namespace, self.accounts.get(f"{key}/{DEFAULT}")))
        if not isinstance(report.error, AlreadyExists) and not is_namespace_terminating(report.error):
            report.raise_error()
