"""Objects as Kubernetes' internal Go structs, for the messages that show them.

A refused change of a pod's or claim's spec carries the difference of the two structs: exported names, every field,
nulls included. Fields come in the order of the Go types.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any

from kube_actors.api import schema
from kube_actors.api.gotext import go_json
from kube_actors.api.gotypes import keeps_zero
from kube_actors.api.protobuf import table
from kube_actors.api.schema import SchemaNode
from kube_actors.api.validation.causes import Raw

_CONTAINER = (
    "name image command args workingDir ports envFrom env resources resizePolicy restartPolicy restartPolicyRules "
    "volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath "
    "terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty"
)
_ORDER = {
    "PodSpec": "volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds "
    "activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName automountServiceAccountToken nodeName "
    "securityContext imagePullSecrets hostname subdomain setHostnameAsFQDN affinity schedulerName tolerations "
    "hostAliases priorityClassName priority preemptionPolicy dnsConfig readinessGates runtimeClassName overhead "
    "enableServiceLinks topologySpreadConstraints os schedulingGates resourceClaims resources hostnameOverride "
    "schedulingGroup",
    "Container": _CONTAINER,
    "EphemeralContainer": f"{_CONTAINER} targetContainerName",
    "ResourceRequirements": "limits requests claims",
    "VolumeResourceRequirements": "limits requests",
    "EnvVar": "name value valueFrom",
    "Toleration": "key operator value effect tolerationSeconds",
    "PodSecurityContext": "hostNetwork hostPID hostIPC shareProcessNamespace hostUsers seLinuxOptions windowsOptions "
    "runAsUser runAsGroup runAsNonRoot supplementalGroups supplementalGroupsPolicy fsGroup fsGroupChangePolicy "
    "sysctls seccompProfile appArmorProfile seLinuxChangePolicy",
    "ContainerPort": "name hostPort containerPort protocol hostIP",
    "VolumeMount": "name readOnly recursiveReadOnly mountPath subPath mountPropagation subPathExpr",
    "DeviceClaim": "requests constraints config",
    "DeviceRequest": "name exactly firstAvailable",
    "ExactDeviceRequest": "deviceClassName selectors allocationMode count adminAccess tolerations capacity",
    "DeviceSubRequest": "name deviceClassName selectors allocationMode count tolerations capacity",
    "DeviceConstraint": "requests matchAttribute distinctAttribute",
    "DeviceClaimConfiguration": "requests opaque",
    "DeviceToleration": "key operator value effect tolerationSeconds",
    "PersistentVolumeClaimSpec": "accessModes selector resources volumeName storageClassName volumeMode dataSource "
    "dataSourceRef volumeAttributesClassName",
}
_MOVED = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")
_INITIALISMS = {"tty": "TTY", "os": "OS", "cel": "CEL"}
_PREFIXES = (("dns", "DNS"), ("fsGroup", "FSGroup"), ("seLinux", "SELinux"), ("os", "OS"))


def spec_difference(node: SchemaNode, old: dict[str, Any], new: dict[str, Any]) -> str:
    """A unified difference of two specs with three lines of context, without the file headers."""
    before, after = (_lines(_internal(node, spec)) for spec in (old, new))
    found = list(difflib.unified_diff(before, after, n=3, lineterm=""))[2:]
    return "\n".join(found) + "\n" if found else ""


def internal_form(node: SchemaNode, value: Any) -> Any:
    """The whole value as Go's internal struct."""
    return _internal(node, value)


def shown_template(template: dict[str, Any]) -> Raw:
    """A pod template as its internal struct: the metadata's fields beside the spec."""
    metadata = {key: _sorted(value) for key, value in (template.get("metadata") or {}).items()}
    return Raw(go_json({**metadata, "Spec": _internal(pod_spec_node(), template.get("spec") or {})}))


def _sorted(value: Any) -> Any:
    return dict(sorted(value.items())) if isinstance(value, dict) else value


def pod_spec_node() -> SchemaNode:
    return schema.definition("io.k8s.api.core.v1.PodSpec")


def ephemeral_node() -> SchemaNode:
    return schema.definition("io.k8s.api.core.v1.EphemeralContainer")


def volume_source_node() -> SchemaNode:
    """What a PersistentVolume is made of: in Go a struct of its own, in the schema a part of the spec."""
    spec = schema.definitions()["io.k8s.api.core.v1.PersistentVolumeSpec"]["properties"]
    sources = {name: raw for name, raw in spec.items() if str(raw.get("$ref", "")).endswith("VolumeSource")}
    return SchemaNode({"type": "object", "properties": sources})


def claim_spec_node() -> SchemaNode:
    return schema.definition("io.k8s.api.core.v1.PersistentVolumeClaimSpec")


def _lines(value: Any) -> list[str]:
    return json.dumps(value, indent=1, ensure_ascii=False).splitlines()


def _exported(name: str) -> str:
    if name in _INITIALISMS:
        return _INITIALISMS[name]
    for prefix, shown in _PREFIXES:
        if name.startswith(prefix):
            return shown + name[len(prefix) :]
    return name[:1].upper() + name[1:]


def _internal(node: SchemaNode | None, value: Any) -> Any:
    if node is None:
        return value
    if isinstance(value, list):
        return [_internal(node.items, item) for item in value]
    if not isinstance(value, dict):
        return value
    if not node.properties:
        return {key: _internal(node.additional, value[key]) for key in sorted(value)}
    if node.name == "PodSpec":
        moved = {key: value[key] for key in _MOVED if key in value}
        value = {**value, "securityContext": {**(value.get("securityContext") or {}), **moved}}
    shown: dict[str, Any] = {}
    for name in _fields(node):
        child = node.properties.get(name)
        shown[_exported(name)] = _internal(child, value[name]) if name in value else _zero(node, name)
    return shown


def _fields(node: SchemaNode) -> list[str]:
    """The names of the fields in Go's order: as listed above, else as numbered in the protobuf message."""
    order = _ORDER.get(node.name, "").split()
    if order:
        return order
    try:
        numbered = list(_numbered(table.shape(node.definition.split(".", 3)[-1])))
    except KeyError:
        numbered = []
    known = [name for name in numbered if name in node.properties]
    return known + sorted(name for name in node.properties if name not in known)


def _numbered(shape: table.Shape) -> Iterator[str]:
    own: dict[int, list[str]] = {row.number: [row.name] for row in shape.rows}
    inner = {number: list(_numbered(embedded)) for number, embedded in shape.embedded.items()}
    for _, found in sorted({**own, **inner}.items()):
        yield from found


def _zero(node: SchemaNode, name: str) -> Any:
    child = node.properties.get(name)
    if child is None:
        return False if name in _MOVED[:3] else None
    if child.type == "string" and not child.format and not child.definition:
        return None if keeps_zero(node, name) and name not in node.required else ""
    if child.type == "boolean":
        return None if keeps_zero(node, name) else False
    if child.type == "integer":
        return None if keeps_zero(node, name) and name not in node.required else 0
    if child.definition and name == "resources" and "Pod" not in node.name:
        return _internal(child, {})
    return None
