"""How the core group's kinds are printed."""

from __future__ import annotations

from typing import Any

from kube_actors.api import Obj
from kube_actors.api.tables.cells import CONTAINERS, IMAGES, NONE, UNKNOWN, containers, labels, name_of, named, wide
from kube_actors.api.tables.engine import AGE, NAME, Column, Printer, age, since
from kube_actors.api.tables.pods import POD
from kube_actors.api.tables.volumes import CLAIM, VOLUME


def _namespace_status(obj: Obj) -> str:
    return str((obj.get("status") or {}).get("phase", ""))


def _data(obj: Obj) -> int:
    return len(obj.get("data") or ()) + len(obj.get("binaryData") or ())


def _service(obj: Obj, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    addresses = spec.get("clusterIPs") or ()
    return [
        name_of(obj),
        spec.get("type", ""),
        addresses[0] if addresses else NONE,
        _external(obj, spec),
        ",".join(map(_port, spec.get("ports") or ())) or NONE,
        age(obj, now),
        labels(spec.get("selector")),
    ]


def _port(port: Obj) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node}/{port.get('protocol', 'TCP')}"


def _external(obj: Obj, spec: Obj) -> str:
    kind, outside = spec.get("type"), list(spec.get("externalIPs") or ())
    if kind == "ExternalName":
        return str(spec.get("externalName", ""))
    if kind != "LoadBalancer":
        return ",".join(outside) or NONE
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    given = sorted({one.get("ip") or one.get("hostname") or "" for one in ingress} - {""})
    found = list(dict.fromkeys(one.get("ip") or one.get("hostname") for one in ingress)) if given else []
    return ",".join([*map(str, found), *outside]) or "<pending>"


_SERVICE = Printer(
    (
        NAME,
        Column("Type", "=core.ServiceSpec.type"),
        Column("Cluster-IP", "=core.ServiceSpec.clusterIP"),
        Column("External-IP", "=core.ServiceSpec.externalIPs"),
        Column("Port(s)", "=core.ServiceSpec.ports"),
        AGE,
        wide("Selector", "=core.ServiceSpec.selector"),
    ),
    _service,
)

_SHOWN_ENDPOINTS = 3


def _endpoints(obj: Obj) -> str:
    subsets = obj.get("subsets") or ()
    if not subsets:
        return NONE
    found: list[str] = []
    for subset in subsets:
        addresses = [address.get("ip", "") for address in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        if not ports:
            found += addresses
        for port in ports:
            found += [f"[{ip}]:{port['port']}" if ":" in ip else f"{ip}:{port['port']}" for ip in addresses]
    text = ",".join(found[:_SHOWN_ENDPOINTS])
    return f"{text} + {len(found) - _SHOWN_ENDPOINTS} more..." if len(found) > _SHOWN_ENDPOINTS else text


_ROLE, _OLD_ROLE = "node-role.kubernetes.io/", "kubernetes.io/role"


def _node(obj: Obj, now: float) -> list[Any]:
    status = obj.get("status") or {}
    info = status.get("nodeInfo") or {}
    kernel, architecture = info.get("kernelVersion"), info.get("architecture")
    return [
        name_of(obj),
        _node_status(obj, status),
        _roles(obj),
        age(obj, now),
        info.get("kubeletVersion", ""),
        _node_address(status, "InternalIP"),
        _node_address(status, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        (f"{kernel} ({architecture})" if architecture else kernel) if kernel else UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


def _node_status(obj: Obj, status: Obj) -> str:
    ready = [one for one in status.get("conditions") or () if one.get("type") == "Ready"]
    words = ["Ready" if one.get("status") == "True" else "NotReady" for one in ready] or ["Unknown"]
    if (obj.get("spec") or {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _roles(obj: Obj) -> str:
    found = set()
    for key, value in (obj["metadata"].get("labels") or {}).items():
        if key.startswith(_ROLE) and len(key) > len(_ROLE):
            found.add(key[len(_ROLE) :])
        elif key == _OLD_ROLE and value:
            found.add(value)
    return ",".join(sorted(found)) or NONE


def _node_address(status: Obj, kind: str) -> str:
    return next((str(one.get("address")) for one in status.get("addresses") or () if one.get("type") == kind), NONE)


_NODE = Printer(
    (
        NAME,
        Column("Status", "The status of the node"),
        Column("Roles", "The roles of the node"),
        AGE,
        Column("Version", "=core.NodeSystemInfo.kubeletVersion"),
        wide("Internal-IP", "=core.NodeStatus.addresses"),
        wide("External-IP", "=core.NodeStatus.addresses"),
        wide("OS-Image", "=core.NodeSystemInfo.osImage"),
        wide("Kernel-Version", "=core.NodeSystemInfo.kernelVersion"),
        wide("Container-Runtime", "=core.NodeSystemInfo.containerRuntimeVersion"),
    ),
    _node,
)


def _event(obj: Obj, now: float) -> list[Any]:
    def get(*fields: str) -> Any:
        return next((obj[field] for field in fields if obj.get(field)), None)

    first = since(get("firstTimestamp", "deprecatedFirstTimestamp") or obj.get("eventTime"), now)
    last_stamp = get("lastTimestamp", "deprecatedLastTimestamp")
    last = since(last_stamp, now) if last_stamp else first
    count = get("count", "deprecatedCount") or 1
    if obj.get("series"):
        last, count = since(obj["series"].get("lastObservedTime"), now), obj["series"].get("count", 0)
    target = get("involvedObject", "regarding") or {}
    kind = str(target.get("kind", "")).lower()
    source = get("source", "deprecatedSource") or {}
    parts = (
        source.get("component") or get("reportingComponent", "reportingController"),
        source.get("host") or obj.get("reportingInstance"),
    )
    return [
        last,
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{kind}/{target['name']}" if target.get("name") else kind,
        target.get("fieldPath", ""),
        ", ".join(part for part in parts if part),
        str(get("message", "note") or "").strip(),
        first,
        count,
        name_of(obj),
    ]


_EVENT = Printer(
    (
        Column("Last Seen", "=core.Event.lastTimestamp"),
        Column("Type", "=core.Event.type"),
        Column("Reason", "=core.Event.reason"),
        Column("Object", "=core.Event.involvedObject"),
        wide("Subobject", "=core.ObjectReference.fieldPath"),
        wide("Source", "=core.Event.source"),
        Column("Message", "=core.Event.message"),
        wide("First Seen", "=core.Event.firstTimestamp"),
        wide("Count", "=core.Event.count"),
        Column("Name", NAME.description, format="name", priority=1),
    ),
    _event,
)


def _controller(obj: Obj, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return [
        name_of(obj),
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age(obj, now),
        *containers(spec.get("template")),
        labels(spec.get("selector")),
    ]


_CONTROLLER = Printer(
    (
        NAME,
        Column("Desired", "=core.ReplicationControllerSpec.replicas", "integer"),
        Column("Current", "=core.ReplicationControllerStatus.replicas", "integer"),
        Column("Ready", "=core.ReplicationControllerStatus.readyReplicas", "integer"),
        AGE,
        CONTAINERS,
        IMAGES,
        wide("Selector", "=core.ReplicationControllerSpec.selector"),
    ),
    _controller,
)


def _pod_template(obj: Obj, now: float) -> list[Any]:
    template = obj.get("template") or {}
    return [name_of(obj), *containers(template), labels((template.get("metadata") or {}).get("labels"))]


_POD_TEMPLATE = Printer(
    (
        NAME,
        Column("Containers", CONTAINERS.description),
        Column("Images", IMAGES.description),
        Column("Pod Labels", "The labels for the pod template."),
    ),
    _pod_template,
)


def _quota_pairs(obj: Obj, limits: bool) -> str:
    status = obj.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    found = [name for name in sorted(hard) if name.startswith("limits.") == limits]
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in found)


_REQUEST = "Request represents a minimum amount of cpu/memory that a container may consume."
_LIMIT = (
    "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node."
)


def _component(obj: Obj, now: float) -> list[Any]:
    condition: Obj = next((one for one in obj.get("conditions") or () if one.get("type") == "Healthy"), {})
    state = {"True": "Healthy", "False": "Unhealthy"}.get(condition.get("status", ""), "Unknown")
    return [name_of(obj), state, condition.get("message", ""), condition.get("error", "")]


_COMPONENT = Printer(
    (
        NAME,
        Column("Status", "Status of the component conditions"),
        Column("Message", "Message of the component conditions"),
        Column("Error", "Error of the component conditions"),
    ),
    _component,
)

PRINTERS = {
    "ComponentStatus": _COMPONENT,
    "ConfigMap": named((Column("Data", "=core.ConfigMap.data"), _data)),
    "Endpoints": named((Column("Endpoints", "=core.Endpoints.subsets"), _endpoints)),
    "Event": _EVENT,
    "Namespace": named((Column("Status", "The status of the namespace"), _namespace_status)),
    "Node": _NODE,
    "PersistentVolume": VOLUME,
    "PersistentVolumeClaim": CLAIM,
    "Pod": POD,
    "PodTemplate": _POD_TEMPLATE,
    "ReplicationController": _CONTROLLER,
    "ResourceQuota": named(
        (Column("Request", _REQUEST), lambda obj: _quota_pairs(obj, limits=False)),
        (Column("Limit", _LIMIT), lambda obj: _quota_pairs(obj, limits=True)),
    ),
    "Secret": named(
        (Column("Type", "=core.Secret.type"), lambda obj: obj.get("type", "")),
        (Column("Data", "=core.Secret.data"), lambda obj: len(obj.get("data") or ())),
    ),
    "Service": _SERVICE,
    "ServiceAccount": named(),
}
