"""describe of each kind; a kind that has no describer of its own is shown field by field."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kube_actors.api import Obj
from kube_actors.api.errors import ApiError
from kube_actors.api.meta import controller_of, name_of, namespace_of
from kube_actors.api.resources import ENDPOINT_SLICES, PODS, REPLICA_SETS
from kube_actors.api.selectors import LabelSelector
from kube_actors.client.client import KubeClient

from . import describe_pod
from .ages import full_time
from .describe_text import NONE, Text, selector_text


@dataclass(frozen=True, slots=True)
class Related:
    """Other objects that a description speaks of."""

    pods: list[Obj] = field(default_factory=list)
    replica_sets: list[Obj] = field(default_factory=list)
    slices: list[Obj] = field(default_factory=list)


Describer = Callable[[Text, Obj, Related], None]


async def related(client: KubeClient, obj: Obj) -> Related:
    """Fetch what the describer of the kind wants."""
    kind, namespace = obj["kind"], namespace_of(obj)
    try:
        if kind == "ReplicaSet":
            return Related(pods=await _selected(client, obj, namespace))
        if kind == "Deployment":
            sets = (await client.list(REPLICA_SETS, namespace)).items
            return Related(replica_sets=[each for each in sets if _owned(each, obj)])
        if kind == "Service":
            labels = f"kubernetes.io/service-name={name_of(obj)}"
            return Related(slices=(await client.list(ENDPOINT_SLICES, namespace, labels=labels)).items)
        if kind == "Node":
            return Related(pods=(await client.list(PODS, fields=f"spec.nodeName={name_of(obj)}")).items)
    except ApiError:
        # What may not be read is left out; the object itself could be.
        pass
    return Related()


def describer(obj: Obj) -> Describer:
    """The describer of the object's kind."""
    return _DESCRIBERS.get((obj["apiVersion"].rpartition("/")[0], obj["kind"]), generic)


def shows_events(obj: Obj) -> bool:
    return obj["kind"] not in ("Event", "Namespace", "Secret", "Lease")


def _pod(text: Text, obj: Obj, _: Related) -> None:
    describe_pod.pod(text, obj)


def _deployment(text: Text, obj: Obj, extra: Related) -> None:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    text.field(0, "Name", name_of(obj))
    text.field(0, "Namespace", namespace_of(obj))
    text.field(0, "CreationTimestamp", full_time(obj["metadata"].get("creationTimestamp", "")))
    text.pairs("Labels", obj["metadata"].get("labels"))
    text.annotations(obj)
    text.field(0, "Selector", selector_text(spec.get("selector")))
    counts = [
        status.get(key) or 0 for key in ("updatedReplicas", "replicas", "availableReplicas", "unavailableReplicas")
    ]
    words = ("updated", "total", "available", "unavailable")
    numbers = " | ".join(f"{count} {word}" for count, word in zip(counts, words, strict=True))
    text.field(0, "Replicas", f"{spec.get('replicas', 1)} desired | {numbers}")
    strategy = spec.get("strategy") or {}
    text.field(0, "StrategyType", strategy.get("type", ""))
    text.field(0, "MinReadySeconds", spec.get("minReadySeconds", 0))
    rolling = strategy.get("rollingUpdate")
    if rolling:
        limits = f"{rolling.get('maxUnavailable')} max unavailable, {rolling.get('maxSurge')} max surge"
        text.field(0, "RollingUpdateStrategy", limits)
    describe_pod.template(text, spec.get("template") or {})
    _conditions(text, status)
    current = _newest(extra.replica_sets, obj)
    old = [each for each in extra.replica_sets if each is not current and _replicas(each)]
    text.field(0, "OldReplicaSets", ", ".join(map(_replica_line, old)) or NONE)
    text.field(0, "NewReplicaSet", _replica_line(current) if current else NONE)


def _replica_set(text: Text, obj: Obj, extra: Related) -> None:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    text.field(0, "Name", name_of(obj))
    text.field(0, "Namespace", namespace_of(obj))
    text.field(0, "Selector", selector_text(spec.get("selector")))
    text.pairs("Labels", obj["metadata"].get("labels"))
    text.annotations(obj)
    owner = controller_of(obj)
    if owner:
        text.field(0, "Controlled By", f"{owner['kind']}/{owner['name']}")
    text.field(0, "Replicas", f"{status.get('replicas', 0)} current / {spec.get('replicas', 1)} desired")
    phases = Counter((pod.get("status") or {}).get("phase") for pod in extra.pods if _owned(pod, obj))
    words = ("Running", "Pending", "Succeeded", "Failed")
    waiting = {"Pending": "Waiting"}
    text.field(0, "Pods Status", " / ".join(f"{phases[each]} {waiting.get(each, each)}" for each in words))
    describe_pod.template(text, spec.get("template") or {})
    _conditions(text, status)


def _service(text: Text, obj: Obj, extra: Related) -> None:
    spec = obj.get("spec") or {}
    text.head(obj)
    text.field(0, "Selector", selector_text({"matchLabels": spec.get("selector") or {}}))
    text.field(0, "Type", spec.get("type", "ClusterIP"))
    text.field(0, "IP Family Policy", spec.get("ipFamilyPolicy", ""))
    text.field(0, "IP Families", ",".join(spec.get("ipFamilies") or ()) or NONE)
    text.field(0, "IP", spec.get("clusterIP", ""))
    text.field(0, "IPs", ",".join(spec.get("clusterIPs") or ()) or NONE)
    if spec.get("externalIPs"):
        text.field(0, "External IPs", ",".join(spec["externalIPs"]))
    if spec.get("externalName"):
        text.field(0, "External Name", spec["externalName"])
    for port in spec.get("ports") or ():
        name, protocol = port.get("name") or "<unset>", port.get("protocol", "TCP")
        text.field(0, "Port", f"{name}\t{port['port']}/{protocol}")
        text.field(0, "TargetPort", f"{port.get('targetPort', '')}/{protocol}")
        if port.get("nodePort"):
            text.field(0, "NodePort", f"{name}\t{port['nodePort']}/{protocol}")
        text.field(0, "Endpoints", _endpoints(extra.slices, port.get("name") or ""))
    text.field(0, "Session Affinity", spec.get("sessionAffinity", "None"))
    if spec.get("internalTrafficPolicy"):
        text.field(0, "Internal Traffic Policy", spec["internalTrafficPolicy"])


def _namespace(text: Text, obj: Obj, _: Related) -> None:
    text.head(obj)
    text.field(0, "Status", (obj.get("status") or {}).get("phase", ""))
    _conditions(text, obj.get("status") or {}, wide=True)
    text.write(0, "")
    text.write(0, "No resource quota.")
    text.write(0, "")
    text.write(0, "No LimitRange resource.")


def _config_map(text: Text, obj: Obj, _: Related) -> None:
    text.head(obj)
    text.write(0, "")
    text.write(0, "Data")
    text.write(0, "====")
    for key, value in sorted((obj.get("data") or {}).items()):
        text.write(0, f"{key}:")
        text.write(0, "----")
        for line in str(value).split("\n"):
            text.write(0, line.replace("\t", "    "))
        text.write(0, "")
    text.write(0, "")
    text.write(0, "BinaryData")
    text.write(0, "====")
    for key, value in sorted((obj.get("binaryData") or {}).items()):
        text.write(0, f"{key}: {len(base64.b64decode(value))} bytes")
    text.write(0, "")


def _secret(text: Text, obj: Obj, _: Related) -> None:
    text.head(obj)
    text.write(0, "")
    text.field(0, "Type", obj.get("type", "Opaque"))
    text.write(0, "")
    text.write(0, "Data")
    text.write(0, "====")
    for key, value in sorted((obj.get("data") or {}).items()):
        text.field(0, key, f"{len(base64.b64decode(value or ''))} bytes")


def _service_account(text: Text, obj: Obj, _: Related) -> None:
    text.head(obj)
    for key, name in (("imagePullSecrets", "Image pull secrets"), ("secrets", "Mountable secrets")):
        text.several(name, [each["name"] for each in obj.get(key) or ()])
    text.field(0, "Tokens", NONE)


def _node(text: Text, obj: Obj, extra: Related) -> None:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    labels = obj["metadata"].get("labels") or {}
    prefix = "node-role.kubernetes.io/"
    roles = sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))
    text.field(0, "Name", name_of(obj))
    text.field(0, "Roles", ",".join(roles) or NONE)
    text.pairs("Labels", labels)
    text.annotations(obj)
    text.field(0, "CreationTimestamp", full_time(obj["metadata"].get("creationTimestamp", "")))
    text.several("Taints", [_taint(each) for each in spec.get("taints") or ()])
    text.field(0, "Unschedulable", str(bool(spec.get("unschedulable"))).lower())
    _conditions(text, status, wide=True)
    text.write(0, "Addresses:")
    for address in status.get("addresses") or ():
        text.field(1, address["type"], address["address"])
    for key in ("capacity", "allocatable"):
        text.write(0, f"{key.capitalize()}:")
        for name, amount in sorted((status.get(key) or {}).items()):
            text.field(1, name, amount)
    text.write(0, "System Info:")
    for key, value in (status.get("nodeInfo") or {}).items():
        if not isinstance(value, dict):
            text.field(1, words_of(key), value)
    if spec.get("podCIDR"):
        text.field(0, "PodCIDR", spec["podCIDR"])
        text.field(0, "PodCIDRs", ",".join(spec.get("podCIDRs") or ()))
    running = [pod for pod in extra.pods if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
    text.write(0, f"Non-terminated Pods:\t({len(running)} in total)")
    text.write(1, "Namespace\tName")
    text.write(1, "---------\t----")
    for pod in sorted(running, key=lambda each: (namespace_of(each), name_of(each))):
        text.write(1, f"{namespace_of(pod)}\t{name_of(pod)}")


def generic(text: Text, obj: Obj, _: Related) -> None:
    """Every field, named in words, as kubectl shows custom resources."""
    text.head(obj)
    text.field(0, "API Version", obj["apiVersion"])
    text.field(0, "Kind", obj["kind"])
    hidden = {"name", "namespace", "labels", "annotations", "managedFields"}
    metadata = {key: value for key, value in obj["metadata"].items() if key not in hidden}
    _fields(text, 0, {"metadata": metadata})
    _fields(text, 0, {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")})


def _fields(text: Text, level: int, content: Any) -> None:
    if isinstance(content, dict):
        for key, value in sorted(content.items()):
            if isinstance(value, dict | list):
                text.write(level, f"{words_of(key)}:")
                _fields(text, level + 1, value)
            else:
                text.field(level, words_of(key), value)
    elif isinstance(content, list):
        for value in content:
            if isinstance(value, dict | list):
                _fields(text, level, value)
            else:
                text.write(level, str(value))


def words_of(key: str) -> str:
    """`kernelVersion` -> `Kernel Version`, `machineID` -> `Machine ID`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", key)
    words = spaced[:1].upper() + spaced[1:]
    return words.replace("Uid", "UID").replace("Boot I D", "Boot ID")


def _conditions(text: Text, status: Obj, wide: bool = False) -> None:
    conditions = status.get("conditions") or ()
    if not conditions:
        return
    text.write(0, "Conditions:")
    if wide:
        text.write(1, "Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage")
        text.write(1, "----\t------\t-----------------\t------------------\t------\t-------")
        for each in conditions:
            times = "\t".join(full_time(each.get(key, "")) for key in ("lastHeartbeatTime", "lastTransitionTime"))
            text.write(
                1, f"{each['type']}\t{each['status']}\t{times}\t{each.get('reason', '')}\t{each.get('message', '')}"
            )
        return
    text.write(1, "Type\tStatus\tReason")
    text.write(1, "----\t------\t------")
    for each in conditions:
        text.write(1, f"{each['type']}\t{each['status']}\t{each.get('reason', '')}")


def _endpoints(slices: list[Obj], port_name: str) -> str:
    found = []
    for each in slices:
        ports = [port["port"] for port in each.get("ports") or () if (port.get("name") or "") == port_name]
        for endpoint in each.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready", True):
                found += [f"{address}:{port}" for address in endpoint.get("addresses") or () for port in ports]
    shown = ",".join(found[:3])
    return (f"{shown} + {len(found) - 3} more..." if len(found) > 3 else shown) or ""


def _taint(taint: Obj) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"


async def _selected(client: KubeClient, obj: Obj, namespace: str) -> list[Obj]:
    selector = LabelSelector.from_object((obj.get("spec") or {}).get("selector"))
    return (await client.list(PODS, namespace, labels=str(selector))).items


def _owned(obj: Obj, owner: Obj) -> bool:
    return bool((controller_of(obj) or {}).get("uid") == owner["metadata"].get("uid"))


def _replicas(obj: Obj) -> int:
    return int((obj.get("spec") or {}).get("replicas") or 0)


def _newest(sets: list[Obj], deployment: Obj) -> Obj | None:
    """The ReplicaSet of the Deployment's present revision."""
    key = "deployment.kubernetes.io/revision"
    revision = (deployment["metadata"].get("annotations") or {}).get(key)
    return next((each for each in sets if (each["metadata"].get("annotations") or {}).get(key) == revision), None)


def _replica_line(obj: Obj) -> str:
    return f"{name_of(obj)} ({(obj.get('status') or {}).get('replicas', 0)}/{_replicas(obj)} replicas created)"


_DESCRIBERS: dict[tuple[str, str], Describer] = {
    ("", "Pod"): _pod,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("", "Service"): _service,
    ("", "Namespace"): _namespace,
    ("", "ConfigMap"): _config_map,
    ("", "Secret"): _secret,
    ("", "ServiceAccount"): _service_account,
    ("", "Node"): _node,
}
