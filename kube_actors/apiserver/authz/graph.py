"""Which objects belong to the pods of a node.

    cache --every pod--> pods by node; a pod's references are read when somebody asks, and kept with it

Kubernetes: plugin/pkg/auth/authorizer/node/graph.go. Volumes are found through the claims they are bound to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kube_actors.api import Obj
from kube_actors.api.meta import get_path
from kube_actors.api.resources import PODS, Resource, builtin
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.cache.entry import Entry

VOLUMES = builtin("v1", "persistentvolumes")
ATTACHMENTS = builtin("storage.k8s.io/v1", "volumeattachments")
SLICES = builtin("resource.k8s.io/v1", "resourceslices")

# (plural, name) of something in the pod's namespace.
Reference = tuple[str, str]


class NodeGraph:
    """Follows the cache's pods."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._nodes: dict[str, str] = {}
        self._pods: dict[str, dict[str, tuple[Entry, frozenset[Reference] | None]]] = {}
        cache.follow(PODS, self)

    def reset(self, entries: Iterable[Entry]) -> None:
        self._nodes.clear()
        self._pods.clear()
        for entry in entries:
            self.apply(entry.key, entry)

    def apply(self, key: str, entry: Entry | None) -> None:
        node = entry.fields(self._cache.bucket(PODS).read_fields).get("spec.nodeName", "") if entry is not None else ""
        before = self._nodes.get(key, "")
        if before and before != node:
            self._forget(before, key)
        if node and entry is not None:
            self._nodes[key] = node
            self._pods.setdefault(node, {})[key] = (entry, None)

    def related(self, node: str, resource: Resource, namespace: str, name: str) -> bool:
        """Whether an object is, or is needed by, a pod that is bound to the node."""
        plural = resource.plural
        if plural == PODS.plural:
            return f"{namespace}/{name}" in self._pods.get(node, {})
        if plural == VOLUMES.plural:
            claim = get_path(self._read(VOLUMES, name), "spec", "claimRef", default={})
            return self._referred(node, claim.get("namespace", ""), ("persistentvolumeclaims", claim.get("name", "")))
        if plural == ATTACHMENTS.plural:
            return bool(get_path(self._read(ATTACHMENTS, name), "spec", "nodeName", default="") == node)
        if plural == SLICES.plural:
            return bool(get_path(self._read(SLICES, name), "spec", "nodeName", default="") == node)
        return self._referred(node, namespace, (plural, name))

    def _referred(self, node: str, namespace: str, reference: Reference) -> bool:
        pods = self._pods.get(node, {})
        for key, (entry, known) in pods.items():
            if not key.startswith(namespace + "/"):
                continue
            if known is None:
                known = frozenset(references(entry.decode()))
                pods[key] = (entry, known)
            if reference in known:
                return True
        return False

    def _forget(self, node: str, key: str) -> None:
        del self._nodes[key]
        pods = self._pods[node]
        del pods[key]
        if not pods:
            del self._pods[node]

    def _read(self, resource: Resource, name: str) -> Obj:
        entry = self._cache.bucket(resource).get(name)
        return {} if entry is None else entry.decode()


def references(pod: Obj) -> Iterator[Reference]:
    """Everything in its namespace that a pod refers to."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    yield "serviceaccounts", spec.get("serviceAccountName") or "default"
    yield from (("secrets", one.get("name", "")) for one in spec.get("imagePullSecrets") or ())
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            yield from _of_container(container)
    for volume in spec.get("volumes") or ():
        yield from _of_volume(pod, volume)
    claims = [*(spec.get("resourceClaims") or ()), *(status.get("resourceClaimStatuses") or ())]
    yield from (("resourceclaims", one["resourceClaimName"]) for one in claims if one.get("resourceClaimName"))


def _of_container(container: Obj) -> Iterator[Reference]:
    for source in container.get("envFrom") or ():
        yield "secrets", (source.get("secretRef") or {}).get("name", "")
        yield "configmaps", (source.get("configMapRef") or {}).get("name", "")
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        yield "secrets", (source.get("secretKeyRef") or {}).get("name", "")
        yield "configmaps", (source.get("configMapKeyRef") or {}).get("name", "")


def _of_volume(pod: Obj, volume: Obj) -> Iterator[Reference]:
    if volume.get("secret"):
        yield "secrets", volume["secret"].get("secretName", "")
    if volume.get("configMap"):
        yield "configmaps", volume["configMap"].get("name", "")
    if volume.get("persistentVolumeClaim"):
        yield "persistentvolumeclaims", volume["persistentVolumeClaim"].get("claimName", "")
    if volume.get("ephemeral"):
        yield "persistentvolumeclaims", f"{pod['metadata']['name']}-{volume['name']}"
    for source in (volume.get("projected") or {}).get("sources") or ():
        yield "secrets", (source.get("secret") or {}).get("name", "")
        yield "configmaps", (source.get("configMap") or {}).get("name", "")
    # The secrets of drivers: secretRef, nodePublishSecretRef of whatever kind of volume.
    for driver in volume.values():
        if isinstance(driver, dict):
            for key in ("secretRef", "nodePublishSecretRef"):
                yield "secrets", (driver.get(key) or {}).get("name", "")
