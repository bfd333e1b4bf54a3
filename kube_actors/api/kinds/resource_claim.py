"""ResourceClaim: which devices are wanted, which were allocated, and for whom."""

from __future__ import annotations

from functools import partial

from kube_actors.api import Obj, schema
from kube_actors.api.gotext import go_json
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import device_claims, devices, references, scheduling
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.conditions import conditions
from kube_actors.api.validation.internal import internal_form
from kube_actors.api.validation.rules import Rules
from kube_actors.api.validation.storage import driver_name

_RESERVED_MAX, _RESULTS_MAX, _CONDITIONS_MAX, _IPS_MAX = 256, 32, 8, 16
_DATA_BYTES, _INTERFACE_MAX, _HARDWARE_MAX = 10 * 1024, 256, 128
_CONFIG_SOURCES = ("FromClaim", "FromClass")


def _defaults(obj: Obj) -> None:
    device_claims.defaults(obj["spec"])


def _create(causes: Causes, obj: Obj) -> None:
    device_claims.claim_spec(causes, obj["spec"], "spec")


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    if new["spec"] != old["spec"]:
        node = schema.definition("io.k8s.api.resource.v1.ResourceClaimSpec")
        causes.invalid("spec", Raw(go_json(internal_form(node, new["spec"]))), "field is immutable")


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    status, before = new.get("status") or {}, old.get("status") or {}
    allocation, reserved = status.get("allocation"), status.get("reservedFor") or []
    path = "status.reservedFor"
    devices.unique(causes, reserved, _RESERVED_MAX, _consumer, lambda one: one.get("uid", ""), path)
    allocated = {_device_id(one) for one in ((allocation or {}).get("devices") or {}).get("results") or ()}
    _device_statuses(causes, status.get("devices") or [], allocated)
    if reserved and allocation is None:
        causes.forbidden(path, "may not be specified when `allocated` is not set")
    elif new["metadata"].get("deletionTimestamp") and any(
        one not in (before.get("reservedFor") or ()) for one in reserved
    ):
        text = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
        causes.forbidden(path, text)
    if allocation is None:
        return
    if before.get("allocation") is None:
        _allocation(causes, allocation, device_claims.request_names(new["spec"]))
    elif allocation != before["allocation"]:
        causes.invalid("status.allocation", allocation, "field is immutable")


def _consumer(causes: Causes, one: Obj, path: str) -> None:
    for field in ("resource", "name", "uid"):
        if not one.get(field):
            causes.required(f"{path}.{field}")


DeviceId = tuple[str, str, str, str]


def _device_id(one: Obj) -> DeviceId:
    return one.get("driver", ""), one.get("pool", ""), one.get("device", ""), one.get("shareID", "")


def _shown(device: DeviceId) -> Raw:
    return Raw(go_json(dict(zip(("Driver", "Pool", "Device", "ShareID"), device, strict=True))))


def _device_statuses(causes: Causes, items: list[Obj], allocated: set[DeviceId]) -> None:
    seen: set[DeviceId] = set()
    for index, one in enumerate(items):
        _device_status(causes, one, allocated, f"status.devices[{index}]")
    for index, one in enumerate(items):
        device = _device_id(one)
        if device in seen:
            causes.duplicate(f"status.devices[{index}]", _shown(device))
        seen.add(device)


def _device_status(causes: Causes, one: Obj, allocated: set[DeviceId], path: str) -> None:
    _device_name(causes, one, path)
    if _device_id(one) not in allocated:
        causes.invalid(path, _shown(_device_id(one)), "must be an allocated device in the claim")
    items = one.get("conditions") or []
    if len(items) > _CONDITIONS_MAX:
        causes.too_many(f"{path}.conditions", len(items), _CONDITIONS_MAX)
    conditions(causes, items, f"{path}.conditions")
    if one.get("data") is not None:
        devices.raw_object(causes, one["data"], f"{path}.data", _DATA_BYTES)
    _network(causes, one.get("networkData") or {}, f"{path}.networkData")


def _device_name(causes: Causes, one: Obj, path: str) -> None:
    driver_name(causes, one.get("driver", ""), f"{path}.driver")
    devices.pool_name(causes, one.get("pool", ""), f"{path}.pool")
    devices.label(causes, one.get("device", ""), f"{path}.device")


def _network(causes: Causes, data: Obj, path: str) -> None:
    for field, limit in (("interfaceName", _INTERFACE_MAX), ("hardwareAddress", _HARDWARE_MAX)):
        if len(data.get(field, "")) > limit:
            causes.too_long(f"{path}.{field}", limit)
    devices.unique(causes, data.get("ips") or [], _IPS_MAX, _interface_address, str, f"{path}.ips")


def _interface_address(causes: Causes, text: str, path: str) -> None:
    """An address with the length of its network's prefix."""
    if references.parse_cidr(text) is None:
        causes.invalid(path, text, "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)")


def _allocation(causes: Causes, allocation: Obj, known: device_claims.RequestNames) -> None:
    claimed, path = allocation.get("devices") or {}, "status.allocation"
    result, config = partial(_result, known=known), partial(_config, known=known)
    devices.each(causes, claimed.get("results") or [], _RESULTS_MAX, result, f"{path}.devices.results")
    # As many from the class as from the claim.
    devices.each(causes, claimed.get("config") or [], 2 * devices.CONFIGS_MAX, config, f"{path}.devices.config")
    if "nodeSelector" in allocation:
        scheduling.node_selector(causes, allocation["nodeSelector"], f"{path}.nodeSelector")


def _result(causes: Causes, one: Obj, path: str, known: device_claims.RequestNames) -> None:
    device_claims.request_reference(causes, one.get("request", ""), f"{path}.request", known)
    _device_name(causes, one, path)
    devices.binding_conditions(causes, one, path)
    devices.each(causes, one.get("tolerations") or [], -1, devices.toleration, f"{path}.tolerations")


def _config(causes: Causes, one: Obj, path: str, known: device_claims.RequestNames) -> None:
    causes.one_of(f"{path}.source", one.get("source"), _CONFIG_SOURCES)
    device_claims.claim_config(causes, one, path, known)


KIND = Kind(
    rules=Rules(create=_create, update=_update, status=_status),
    rest=RestRules(answers_deleted_object=True),
    defaults=_defaults,
    status_takes_metadata=False,
)
