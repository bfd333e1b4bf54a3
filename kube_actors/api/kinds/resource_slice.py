"""ResourceSlice: a part of the devices that a driver has, on a node or reached from many."""

from __future__ import annotations

import re
from functools import partial

from kube_actors.api import Obj
from kube_actors.api.gotext import go_json
from kube_actors.api.kinds.kind import Kind, RestRules, Writer
from kube_actors.api.validation import devices, names, scheduling
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.rules import Rules
from kube_actors.api.validation.storage import driver_name

_DEVICES_MAX, _ADVANCED_MAX, _COUNTER_SETS_MAX, _COUNTERS_MAX = 128, 64, 8, 32
_ATTRIBUTES_MAX, _TAINTS_MAX, _CONSUMPTIONS_MAX, _TEXT_MAX = 32, 16, 2, 64
_NODES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_ONE_NODE_TEXT = f"exactly one of {', '.join(f'`{field}`' for field in _NODES)} is required"
_DEVICE_NODE_TEXT = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true "
    "in the ResourceSlice spec"
)
_NO_DEVICE_NODE_TEXT = (
    "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the "
    "ResourceSlice spec"
)
_PRE_RELEASE = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    rf"(-{_PRE_RELEASE}(\.{_PRE_RELEASE})*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?"
)
# The fields of an attribute, and their names in Go.
_VALUES = {
    "int": "IntValue", "bool": "BoolValue", "string": "StringValue", "version": "VersionValue",
    "ints": "IntValues", "bools": "BoolValues", "strings": "StringValues", "versions": "VersionValues",
}  # fmt: skip


def _stamp(obj: Obj, old: Obj | None, writer: Writer) -> None:
    """Since when a device is tainted."""
    for device in (obj.get("spec") or {}).get("devices") or ():
        for taint in device.get("taints") or ():
            taint.setdefault("timeAdded", writer.now)


def _create(causes: Causes, obj: Obj) -> None:
    _spec(causes, obj["spec"], None)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _spec(causes, new["spec"], old["spec"])


def _spec(causes: Causes, spec: Obj, old: Obj | None) -> None:
    driver_name(causes, spec.get("driver", ""), "spec.driver")
    _pool(causes, spec.get("pool") or {})
    if old is not None:
        pools = ((one.get("pool") or {}).get("name", "") for one in (spec, old))
        causes.immutable("spec.pool.name", *pools)
        for field in ("driver", "nodeName"):
            causes.immutable(f"spec.{field}", spec.get(field), old.get(field))
    given = _nodes(causes, spec, "spec")
    if not given:
        causes.required("spec", _ONE_NODE_TEXT)
    elif len(given) > 1:
        causes.invalid("spec", f"{{{', '.join(given)}}}", f"{_ONE_NODE_TEXT}, but multiple fields are set")
    if "sharedCounters" in spec and "devices" in spec:
        causes.invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed")
    items = spec.get("devices") or []
    limit = _ADVANCED_MAX if any(one.get("taints") or one.get("consumesCounters") for one in items) else _DEVICES_MAX
    check = partial(_device, chooses_nodes=bool(spec.get("perDeviceNodeSelection")))
    devices.unique(causes, items, limit, check, lambda one: one.get("name", ""), "spec.devices")
    sets = spec.get("sharedCounters") or []
    devices.unique(
        causes, sets, _COUNTER_SETS_MAX, _counter_set, lambda one: one.get("name", ""), "spec.sharedCounters"
    )


def _pool(causes: Causes, pool: Obj) -> None:
    devices.pool_name(causes, pool.get("name", ""), "spec.pool.name")
    count, generation = pool.get("resourceSliceCount", 0), pool.get("generation", 0)
    if count <= 0:
        causes.invalid("spec.pool.resourceSliceCount", count, "must be greater than zero")
    if generation < 0:
        causes.invalid("spec.pool.generation", generation, "must be greater than or equal to zero")


def _nodes(causes: Causes, one: Obj, path: str) -> list[str]:
    """Check by which fields nodes are chosen; answers those that do, quoted."""
    given = []
    name, selector = one.get("nodeName"), one.get("nodeSelector")
    if name:
        given.append("`nodeName`")
        causes.each_invalid(f"{path}.nodeName", name, names.dns_subdomain(name))
    elif name is not None:
        text = "must be either unset or set to a non-empty string" if path == "spec" else "must not be empty"
        causes.invalid(f"{path}.nodeName", name, text)
    if selector is not None:
        given.append("`nodeSelector`")
        scheduling.node_selector(causes, selector, f"{path}.nodeSelector")
        terms = selector.get("nodeSelectorTerms") or []
        if path == "spec" and len(terms) != 1:
            causes.invalid(f"{path}.nodeSelector.nodeSelectorTerms", terms, "must have exactly one node selector term")
    for field in ("allNodes", "perDeviceNodeSelection"):
        if one.get(field):
            given.append(f"`{field}`")
        elif field in one:
            causes.invalid(f"{path}.{field}", False, "must be either unset or set to true")
    return given


def _device(causes: Causes, device: Obj, path: str, chooses_nodes: bool) -> None:
    devices.label(causes, device.get("name", ""), f"{path}.name")
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    if len(attributes) + len(capacity) > _ATTRIBUTES_MAX:
        text = f"the total number of attributes and capacities must not exceed {_ATTRIBUTES_MAX}"
        causes.invalid(path, len(attributes) + len(capacity), text)
    devices.mapping(causes, attributes, -1, devices.qualified, _attribute, f"{path}.attributes")
    check = partial(_capacity, shared=bool(device.get("allowMultipleAllocations")))
    devices.mapping(causes, capacity, -1, devices.qualified, check, f"{path}.capacity")
    devices.each(causes, device.get("taints") or [], _TAINTS_MAX, devices.taint, f"{path}.taints")
    consumed, where = device.get("consumesCounters") or [], f"{path}.consumesCounters"
    devices.unique(causes, consumed, _CONSUMPTIONS_MAX, _consumption, lambda one: one.get("counterSet", ""), where)
    _device_nodes(causes, device, path, chooses_nodes)
    devices.binding_conditions(causes, device, path)


def _device_nodes(causes: Causes, device: Obj, path: str, chooses_nodes: bool) -> None:
    if chooses_nodes:
        given = _nodes(causes, device, path)
        if not given:
            causes.required(path, _DEVICE_NODE_TEXT)
        elif len(given) > 1:
            causes.invalid(path, f"{{{', '.join(given)}}}", _DEVICE_NODE_TEXT)
    elif any(field in device for field in _NODES[:3]):
        causes.invalid(path, None, _NO_DEVICE_NODE_TEXT)


def _attribute(causes: Causes, attribute: Obj, path: str) -> None:
    given = [field for field in _VALUES if field in attribute]
    for field in given:
        values = attribute[field] if field.endswith("s") else [attribute[field]]
        for index, value in enumerate(values):
            where = f"{path}.{field}[{index}]" if field.endswith("s") else f"{path}.{field}"
            _attribute_value(causes, field, value, where)
    if not given:
        causes.invalid(path, "", "exactly one value must be specified")
    elif len(given) > 1:
        shown = {name: attribute.get(field) for field, name in _VALUES.items()}
        causes.invalid(path, Raw(go_json(shown)), "exactly one value must be specified")


def _attribute_value(causes: Causes, field: str, value: object, path: str) -> None:
    if field.startswith("version") and not _SEMVER.fullmatch(str(value)):
        causes.invalid(path, value, "must be a string compatible with semver.org spec 2.0.0")
    if isinstance(value, str) and len(value) > _TEXT_MAX:
        causes.too_long(path, _TEXT_MAX)


def _capacity(causes: Causes, capacity: Obj, path: str, shared: bool) -> None:
    if "requestPolicy" in capacity and not shared:
        causes.forbidden(f"{path}.requestPolicy", "allowMultipleAllocations must be true")


def _counter_set(causes: Causes, one: Obj, path: str) -> None:
    devices.required_label(causes, one.get("name", ""), f"{path}.name")
    _counters(causes, one, path)


def _consumption(causes: Causes, one: Obj, path: str) -> None:
    devices.required_label(causes, one.get("counterSet", ""), f"{path}.counterSet")
    _counters(causes, one, path)


def _counters(causes: Causes, one: Obj, path: str) -> None:
    counters = one.get("counters") or {}
    if not counters:
        causes.required(f"{path}.counters")
    for name in counters:
        devices.label(causes, name, f"{path}.counters")
    if len(counters) > _COUNTERS_MAX:
        causes.too_many(f"{path}.counters", len(counters), _COUNTERS_MAX)


KIND = Kind(
    rules=Rules(create=_create, update=_update),
    rest=RestRules(answers_deleted_object=True),
    counted=("spec",),
    stamp=_stamp,
)
