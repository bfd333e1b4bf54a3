"""Of the other kinds that there is something to warn of."""

from __future__ import annotations

import ipaddress

from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, name_of
from kube_actors.api.validation import names, references
from kube_actors.api.warnings import labels

_INGRESS_CLASS = "kubernetes.io/ingress.class"
_STORAGE_CLASS = "volume.beta.kubernetes.io/storage-class"
_MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"
_RECYCLE = (
    "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach "
    "is to use dynamic provisioning."
)
_NODE_ID = "spec.externalID: this field is deprecated, and is unused by Kubernetes"
_NODE_CONFIG = "spec.configSource: the feature is no longer supported, and this field is ignored"


def service(obj: Obj) -> list[str]:
    spec, found = obj.get("spec") or {}, []
    if spec.get("type") == "ExternalName" and spec.get("externalIPs"):
        found.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
    if spec.get("clusterIP") == "None" and spec.get("sessionAffinity") == "ClientIP":
        found.append("spec.SessionAffinity is ignored for headless services")
    return found


def ingress(obj: Obj) -> list[str]:
    if _INGRESS_CLASS not in annotations_of(obj):
        return []
    return [f"annotation \"{_INGRESS_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"]


def network_policy(obj: Obj) -> list[str]:
    found: list[str] = []
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate((obj.get("spec") or {}).get(direction) or ()):
            for place, peer in enumerate(rule.get(peers) or ()):
                block, path = peer.get("ipBlock") or {}, f"spec.{direction}[{index}].{peers}[{place}].ipBlock"
                found += _cidr(block.get("cidr", ""), f"{path}.cidr")
                for number, hole in enumerate(block.get("except") or ()):
                    found += _cidr(hole, f"{path}.except[{number}]")
    return found


def _cidr(text: str, path: str) -> list[str]:
    """A range that is taken but can be misunderstood (GetWarningsForCIDR)."""
    network, address = references.parse_cidr(text), references.parse_ip(text.partition("/")[0])
    if network is None or address is None:
        return []
    if address != network.network_address:
        choice = f'(should be "{network}" or "{ipaddress.ip_network(address)}"?)'
        return [f'{path}: CIDR value "{text}" is ambiguous in this context {choice}']
    if address.version == 6 and str(network) != text:
        return [f'{path}: IPv6 CIDR value "{text}" should be in RFC 5952 canonical format ("{network}")']
    return []


def runtime_class(obj: Obj) -> list[str]:
    where = obj.get("scheduling") or {}
    return labels.renamed(where.get("nodeSelector") or {}, "scheduling.nodeSelector")


def storage_class(obj: Obj) -> list[str]:
    found: list[str] = []
    for index, term in enumerate(obj.get("allowedTopologies") or ()):
        for place, expression in enumerate(term.get("matchLabelExpressions") or ()):
            key = expression.get("key", "")
            if labels.advice(key):
                path = f"allowedTopologies[{index}].matchLabelExpressions[{place}].key"
                found.append(f"{path}: {key} is {labels.advice(key)}")
    return found


def claim(obj: Obj) -> list[str]:
    if _STORAGE_CLASS not in annotations_of(obj):
        return []
    return [f'metadata.annotations[{_STORAGE_CLASS}]: deprecated since v1.8; use "storageClassName" attribute instead']


def volume(obj: Obj) -> list[str]:
    found = claim(obj)
    if _MOUNT_OPTIONS in annotations_of(obj):
        text = 'deprecated since v1.31; use "mountOptions" attribute instead'
        found.append(f"metadata.annotations[{_MOUNT_OPTIONS}]: {text}")
    if (obj.get("spec") or {}).get("persistentVolumeReclaimPolicy") == "Recycle":
        found.append(_RECYCLE)
    return found


def node(obj: Obj) -> list[str]:
    spec = obj.get("spec") or {}
    texts = {"externalID": _NODE_ID, "configSource": _NODE_CONFIG}
    return [text for field, text in texts.items() if spec.get(field)]


def named_pods(obj: Obj) -> list[str]:
    """A Job's name becomes the hostname of its pods."""
    faults = names.dns_label(name_of(obj))
    if not faults:
        return []
    text = (
        "this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended"
    )
    return [f"metadata.name: {text}: [{' '.join(faults)}]"]
