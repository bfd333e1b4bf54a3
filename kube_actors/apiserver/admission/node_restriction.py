"""NodeRestriction: a node writes its own Node, its own lease and the status of its own pods, and little of these.

Kubernetes: plugin/pkg/admission/noderestriction/admission.go. The node authorizer has judged what can be judged
without looking into the object.
"""

from __future__ import annotations

from typing import NoReturn

from kube_actors.api import Obj, errors
from kube_actors.api.meta import get_path
from kube_actors.api.resources import LEASES, NODES, PODS, SERVICE_ACCOUNTS, Resource, builtin
from kube_actors.apiserver.admission.chain import Attributes, Lookup, Operation, Plugin
from kube_actors.apiserver.authz.node import node_of

CSI_NODES = builtin("storage.k8s.io/v1", "csinodes")
SLICES = builtin("resource.k8s.io/v1", "resourceslices")
MIRROR = "kubernetes.io/config.mirror"
UID_MISMATCH = (
    "the UID in the bound object reference ({}) does not match the UID in record. "
    "The object might have been deleted and then recreated"
)
# Of the labels of kubernetes.io and k8s.io those that a node may give itself (pkg/kubelet/apis/well_known_labels.go).
_LABELS = frozenset(
    (
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "kubernetes.io/arch",
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    )
)
_LABEL_NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")


_KINDS = frozenset((PODS, NODES, SERVICE_ACCOUNTS, LEASES, CSI_NODES, SLICES))


class NodeRestriction(Plugin):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        return resource in _KINDS

    async def admit(self, attributes: Attributes) -> None:
        node = node_of(attributes.user)
        if node is None:
            return
        if not node:
            _refuse(attributes, f'could not determine node from user "{attributes.user.name}"')
        resource = attributes.resource
        if resource is PODS:
            self._check_pod(attributes, node)
        elif resource is NODES:
            _check_node(attributes, node)
        elif resource is SERVICE_ACCOUNTS:
            self._check_token(attributes, node)
        elif resource is LEASES and attributes.operation is Operation.CREATE and attributes.name != node:
            _refuse(attributes, "can only access node lease with the same name as the requesting node")
        elif resource is CSI_NODES and attributes.operation is Operation.CREATE and attributes.name != node:
            _refuse(attributes, "can only access CSINode with the same name as the requesting node")
        elif resource is SLICES and attributes.operation is Operation.CREATE and _node_name(attributes.obj) != node:
            _refuse(attributes, "can only create ResourceSlice with the same NodeName as the requesting node")

    def _check_pod(self, attributes: Attributes, node: str) -> None:
        obj, old, part = attributes.obj or {}, attributes.old or {}, attributes.target.subresource
        if part == "status" and attributes.operation is Operation.UPDATE:
            if _node_name(old) != node:
                _refuse(
                    attributes, f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
                )
            if (old["metadata"].get("labels") or {}) != (obj["metadata"].get("labels") or {}):
                _refuse(attributes, f'node "{node}" cannot update labels through pod status')
        elif part == "eviction":
            pod = self._lookup.cached(PODS, attributes.target.namespace, attributes.target.name)
            if pod is not None and _node_name(pod) != node:
                _refuse(attributes, f"node {node} can only evict pods with spec.nodeName set to itself")
        elif not part and attributes.operation is Operation.DELETE:
            if _node_name(old) != node:
                _refuse(attributes, f'node "{node}" can only delete pods with spec.nodeName set to itself')
        elif not part and attributes.operation is Operation.CREATE:
            _check_mirror(attributes, obj, node)

    def _check_token(self, attributes: Attributes, node: str) -> None:
        """A token for a pod of the node, bound to it, for an audience that the pod asks for."""
        if attributes.target.subresource != "token" or attributes.operation is not Operation.CREATE:
            return
        spec = (attributes.obj or {}).get("spec") or {}
        ref = spec.get("boundObjectRef") or {}
        if ref.get("apiVersion") != "v1" or ref.get("kind") != "Pod" or not ref.get("name"):
            _refuse(attributes, "node requested token not bound to a pod")
        if not ref.get("uid"):
            _refuse(attributes, "node requested token with a pod binding without a uid")
        pod = self._lookup.cached(PODS, attributes.target.namespace, ref["name"])
        if pod is None:
            raise errors.not_found("pods", "", ref["name"])
        if pod["metadata"]["uid"] != ref["uid"]:
            _refuse(attributes, UID_MISMATCH.format(ref["uid"]))
        if _node_name(pod) != node:
            _refuse(attributes, "node requested token bound to a pod scheduled on a different node")
        allowed = set(_audiences(pod))
        for audience in spec.get("audiences") or ():
            if audience not in allowed:
                _refuse(attributes, f'audience "{audience}" not found in pod spec volume')


def _check_mirror(attributes: Attributes, pod: Obj, node: str) -> None:
    spec, annotations = pod.get("spec") or {}, pod["metadata"].get("annotations") or {}
    if MIRROR not in annotations:
        _refuse(attributes, f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods')
    if spec.get("nodeName") != node:
        _refuse(attributes, f'node "{node}" can only create pods with spec.nodeName set to itself')
    if spec.get("serviceAccountName"):
        _refuse(attributes, f'node "{node}" can not create pods that reference a service account')
    for kind in ("secret", "configMap", "persistentVolumeClaim"):
        if any(volume.get(kind) for volume in spec.get("volumes") or ()):
            _refuse(attributes, f'node "{node}" can not create pods that reference {kind}s')


def _check_node(attributes: Attributes, node: str) -> None:
    obj, old = attributes.obj, attributes.old
    if attributes.name != node:
        _refuse(attributes, f'node "{node}" is not allowed to modify node "{attributes.name}"')
    if obj is None or attributes.operation not in (Operation.CREATE, Operation.UPDATE):
        return
    labels = obj["metadata"].get("labels") or {}
    if attributes.operation is Operation.CREATE or old is None:
        forbidden = sorted(key for key in labels if not _own_label(key))
        if forbidden:
            text = f'node "{node}" is not allowed to set the following labels: {", ".join(forbidden)}'
            _refuse(attributes, text)
        return
    if (obj.get("spec") or {}).get("taints") != (old.get("spec") or {}).get("taints"):
        _refuse(attributes, f'node "{node}" is not allowed to modify taints')
    before = old["metadata"].get("labels") or {}
    changed = sorted(
        key for key in labels.keys() | before if labels.get(key) != before.get(key) and not _own_label(key)
    )
    if changed:
        _refuse(attributes, f"is not allowed to modify labels: {', '.join(changed)}")
    if (obj["metadata"].get("ownerReferences") or []) != (old["metadata"].get("ownerReferences") or []):
        _refuse(attributes, f'node "{node}" is not allowed to modify ownerReferences')


def _node_name(obj: Obj | None) -> str:
    return str(get_path(obj or {}, "spec", "nodeName", default=""))


def _own_label(key: str) -> bool:
    domain = key.partition("/")[0] if "/" in key else ""
    if domain == "node-restriction.kubernetes.io" or domain.endswith(".node-restriction.kubernetes.io"):
        return False
    if not any(domain == one or domain.endswith(f".{one}") for one in ("kubernetes.io", "k8s.io")):
        return True
    return key in _LABELS or any(domain == one or domain.endswith(f".{one}") for one in _LABEL_NAMESPACES)


def _audiences(pod: Obj) -> list[str]:
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    sources = (source for volume in volumes for source in (volume.get("projected") or {}).get("sources") or ())
    return [one.get("audience") or "" for source in sources if (one := source.get("serviceAccountToken"))]


def _refuse(attributes: Attributes, reason: str) -> NoReturn:
    raise attributes.forbidden(reason)
