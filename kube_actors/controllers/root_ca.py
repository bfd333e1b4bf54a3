"""Every namespace has the ConfigMap kube-root-ca.crt with the CA by which pods check the API server."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.errors import AlreadyExists
from kube_actors.api.meta import annotations_of, name_of, namespace_of
from kube_actors.api.resources import CONFIGMAPS, NAMESPACES
from kube_actors.controllers.actions import CreateObject, UpdateObject
from kube_actors.controllers.base import Context, Controller, On, is_namespace_terminating
from kube_actors.controllers.service_account import is_active_namespace

CONFIG_MAP = "kube-root-ca.crt"
DESCRIPTION = "kubernetes.io/description"
# Kubernetes' own text, which users see in `kubectl describe`.
TEXT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as "
    "the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of "
    "Kubernetes clusters."
)


def plan(namespace: Obj, present: Obj | None, root_ca: bytes) -> list[CreateObject | UpdateObject]:
    """Create the ConfigMap, or put its data and its description right."""
    if not is_active_namespace(namespace):
        return []
    data = {"ca.crt": root_ca.decode()}
    if present is None:
        metadata = {"name": CONFIG_MAP, "namespace": name_of(namespace), "annotations": {DESCRIPTION: TEXT}}
        return [CreateObject(CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})]
    annotations = annotations_of(present)
    if present.get("data") == data and annotations.get(DESCRIPTION):
        return []
    metadata = present["metadata"] | {"annotations": annotations | {DESCRIPTION: TEXT}}
    return [UpdateObject(CONFIGMAPS, present | {"metadata": metadata, "data": data})]


class RootCAController(Controller):
    """Keys are namespaces."""

    name = "root-ca-certificate-publisher"
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.namespaces = self.informer(NAMESPACES)
        self.config_maps = self.informer(CONFIGMAPS)
        self.enqueue_from(self.namespaces)
        self.config_maps.add_handler(On(lambda obj: None, lambda old, new: self._changed(new), self._changed))

    def _changed(self, config_map: Obj) -> None:
        if name_of(config_map) == CONFIG_MAP:
            self.queue.add(namespace_of(config_map))

    async def sync(self, key: str) -> None:
        namespace = self.namespaces.get(key)
        if namespace is None:
            return
        present = self.config_maps.get(f"{key}/{CONFIG_MAP}")
        report = await self.perform(key, plan(namespace, present, self.context.config.root_ca))
        if not isinstance(report.error, AlreadyExists) and not is_namespace_terminating(report.error):
            report.raise_error()
