"""From a pod's event to the Services whose endpoints it changes."""

from __future__ import annotations

from collections.abc import Callable

from kube_actors.api import Obj
from kube_actors.api.meta import key_of, labels_of, namespace_of
from kube_actors.client.informer import Informer
from kube_actors.controllers.endpoints.membership import facts, selects


class PodHandler:
    """Enqueues the Services that select a pod, or did before its labels changed."""

    def __init__(self, services: Informer, enqueue: Callable[[str], None]) -> None:
        self._services = services
        self._enqueue = enqueue

    def on_add(self, pod: Obj, is_initial: bool) -> None:
        self._changed(pod)

    def on_update(self, old: Obj, new: Obj) -> None:
        if facts(old) == facts(new):
            return
        self._changed(new)
        if labels_of(old) != labels_of(new):
            self._changed(old)

    def on_delete(self, pod: Obj) -> None:
        self._changed(pod)

    def _changed(self, pod: Obj) -> None:
        for service in self._services.list(namespace_of(pod)):
            if selects(service, pod):
                self._enqueue(key_of(service))
