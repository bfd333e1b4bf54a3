"""The core group's kinds but pods and services."""

from __future__ import annotations

import base64
import json

from kube_actors.api import Obj
from kube_actors.api.gotext import go_json
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.claims import CLAIM, VOLUME
from kube_actors.api.validation.events import EVENT, NEW_EVENT
from kube_actors.api.validation.limits import LIMIT_RANGE, QUOTA
from kube_actors.api.validation.pods import POD, template
from kube_actors.api.validation.rules import Rules
from kube_actors.api.validation.scheduling import taints
from kube_actors.api.validation.services import SERVICE
from kube_actors.api.validation.workloads import CONTROLLER

_DATA_MAX = 1024 * 1024
_IMMUTABLE = "field is immutable when `immutable` is set"


def _config_map(causes: Causes, obj: Obj) -> None:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    size = 0
    for key, value in data.items():
        causes.each_invalid(f"data[{key}]", key, names.config_key(key))
        if key in binary:
            causes.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        size += len(value)
    for key, value in binary.items():
        causes.each_invalid(f"binaryData[{key}]", key, names.config_key(key))
        size += len(value) * 3 // 4
    if size > _DATA_MAX:
        causes.too_long("[]", _DATA_MAX)


def _config_map_update(causes: Causes, new: Obj, old: Obj) -> None:
    _immutable_data(causes, new, old, ("data", "binaryData"))
    _config_map(causes, new)


def _immutable_data(causes: Causes, new: Obj, old: Obj, fields: tuple[str, ...]) -> None:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        causes.forbidden("immutable", _IMMUTABLE)
    for field in fields:
        if (new.get(field) or {}) != (old.get(field) or {}):
            causes.forbidden(field, _IMMUTABLE)


_NEEDED_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_JSON_KEYS = (".dockercfg", ".dockerconfigjson")


def _secret(causes: Causes, obj: Obj) -> None:
    data, kind = obj.get("data") or {}, obj.get("type", "")
    size = 0
    for key, value in data.items():
        causes.each_invalid(f"data[{key}]", key, names.config_key(key))
        size += len(value) * 3 // 4
    if size > _DATA_MAX:
        causes.too_long("data", _DATA_MAX)
    if kind == "kubernetes.io/service-account-token":
        name = "kubernetes.io/service-account.name"
        if not (obj["metadata"].get("annotations") or {}).get(name):
            causes.required(f"metadata.annotations[{name}]")
    if kind == "kubernetes.io/basic-auth" and not ("username" in data or "password" in data):
        causes.required("data[username]")
        causes.required("data[password]")
    for key in _NEEDED_KEYS.get(kind, ()):
        if key not in data or (key == "ssh-privatekey" and not data[key]):
            causes.required(f"data[{key}]")
        elif key in _JSON_KEYS:
            _json_key(causes, key, data[key])


def _json_key(causes: Causes, key: str, value: str) -> None:
    from kube_actors.api.decode import DecodeError, parse

    content = base64.b64decode(value)
    try:
        json.loads(content)
    except ValueError:
        try:
            parse(content)
        except DecodeError as error:
            causes.invalid(f"data[{key}]", "<secret contents redacted>", str(error))


def _secret_update(causes: Causes, new: Obj, old: Obj) -> None:
    causes.immutable("type", new.get("type", ""), old.get("type", ""))
    _immutable_data(causes, new, old, ("data",))
    _secret(causes, new)


def _endpoints(causes: Causes, obj: Obj) -> None:
    for index, subset in enumerate(obj.get("subsets") or ()):
        here = f"subsets[{index}]"
        ready, waiting = subset.get("addresses") or (), subset.get("notReadyAddresses") or ()
        if not ready and not waiting:
            causes.required(here, "must specify `addresses` or `notReadyAddresses`")
        for field, addresses in (("addresses", ready), ("notReadyAddresses", waiting)):
            for place, address in enumerate(addresses):
                _endpoint_address(causes, address, f"{here}.{field}[{place}]")
        ports = subset.get("ports") or ()
        for place, port in enumerate(ports):
            _endpoint_port(causes, port, len(ports) > 1, f"{here}.ports[{place}]")


def _endpoint_address(causes: Causes, address: Obj, path: str) -> None:
    value = address.get("ip", "")
    references.ip(causes, f"{path}.ip", value)
    if address.get("hostname"):
        causes.each_invalid(f"{path}.hostname", address["hostname"], names.dns_label(address["hostname"]))
    if address.get("nodeName"):
        wrong = names.dns_subdomain(address["nodeName"])
        causes.each_invalid(f"{path}.nodeName", address["nodeName"], wrong)
    references.not_special_ip(causes, f"{path}.ip", value)


def _endpoint_port(causes: Causes, port: Obj, needs_name: bool, path: str) -> None:
    name = port.get("name", "")
    if needs_name and not name:
        causes.required(f"{path}.name")
    elif name:
        causes.each_invalid(f"{path}.name", name, names.dns_label(name))
    causes.each_invalid(f"{path}.port", port["port"], names.port_number(port["port"]))
    causes.one_of(f"{path}.protocol", port.get("protocol"), references.PROTOCOLS)
    if port.get("appProtocol"):
        causes.each_invalid(f"{path}.appProtocol", port["appProtocol"], names.qualified_name(port["appProtocol"]))


def _node(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    if spec.get("taints"):
        taints(causes, spec["taints"], "metadata.taints")
    _node_resources(causes, obj)
    for index, value in enumerate(spec.get("podCIDRs") or ()):
        references.cidr(causes, f"spec.podCIDRs[{index}]", value)


def _node_resources(causes: Causes, obj: Obj) -> None:
    status = obj.get("status") or {}
    for field in ("capacity", "allocatable"):
        for name, amount in (status.get(field) or {}).items():
            references.quantity_not_negative(causes, f"status.{field}.{name}", amount)


def _node_update(causes: Causes, new: Obj, old: Obj) -> None:
    spec, before = new["spec"], old["spec"]
    seen: set[tuple[str, str]] = set()
    for index, address in enumerate((new.get("status") or {}).get("addresses") or ()):
        key = (address.get("type", ""), address.get("address", ""))
        if key in seen:
            causes.duplicate(f"status.addresses[{index}]", Raw(go_json({"Type": key[0], "Address": key[1]})))
        seen.add(key)
    if before.get("podCIDRs") and spec.get("podCIDRs") != before["podCIDRs"]:
        causes.forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
    if before.get("providerID") and spec.get("providerID") != before["providerID"]:
        causes.forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid')
    if spec.get("externalID") != before.get("externalID"):
        causes.forbidden("spec.externalID", "may not be updated")
    if spec.get("taints"):
        for _ in range(2):  # checked twice there, and so reported twice
            taints(causes, spec["taints"], "metadata.taints")


def _node_status(causes: Causes, new: Obj, old: Obj) -> None:
    _node_resources(causes, new)
    _node_update(causes, new, old)


def _pod_template(causes: Causes, obj: Obj) -> None:
    template(causes, obj.get("template"), "template")


RULES = {
    "ConfigMap": Rules(create=_config_map, update=_config_map_update),
    "Endpoints": Rules(create=_endpoints),
    "Event": EVENT,
    "events.k8s.io.Event": NEW_EVENT,
    "LimitRange": LIMIT_RANGE,
    "Node": Rules(create=_node, update=_node_update, status=_node_status),
    "PersistentVolume": VOLUME,
    "PersistentVolumeClaim": CLAIM,
    "Pod": POD,
    "PodTemplate": Rules(create=_pod_template),
    "ReplicationController": CONTROLLER,
    "ResourceQuota": QUOTA,
    "Secret": Rules(create=_secret, update=_secret_update),
    "Service": SERVICE,
    "ServiceAccount": Rules(),
}
