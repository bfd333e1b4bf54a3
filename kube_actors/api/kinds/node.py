"""Node: a machine that runs pods (ValidateNode). The status that a node brings when it is created is kept."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.gotext import go_json
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import references
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.rules import Rules
from kube_actors.api.validation.scheduling import taints


def _defaults(obj: Obj) -> None:
    spec = obj["spec"]
    if spec.get("podCIDR") and (spec.get("podCIDRs") or [""])[0] != spec["podCIDR"]:  # the second holds the first
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif spec.get("podCIDRs"):
        spec["podCIDR"] = spec["podCIDRs"][0]
    status = obj.get("status") or {}
    if "capacity" in status:
        status.setdefault("allocatable", dict(status["capacity"]))


def _prepare_create(obj: Obj) -> None:
    obj["spec"].pop("configSource", None)


def _prepare_update(new: Obj, old: Obj) -> None:
    if "configSource" not in old["spec"]:
        new["spec"].pop("configSource", None)


def _create(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    if spec.get("taints"):
        taints(causes, spec["taints"], "metadata.taints")
    _resources(causes, obj)
    for index, value in enumerate(spec.get("podCIDRs") or ()):
        references.cidr(causes, f"spec.podCIDRs[{index}]", value)


def _resources(causes: Causes, obj: Obj) -> None:
    status = obj.get("status") or {}
    for field in ("capacity", "allocatable"):
        for name, amount in (status.get(field) or {}).items():
            references.quantity_not_negative(causes, f"status.{field}.{name}", amount)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
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


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    _resources(causes, new)
    _update(causes, new, old)


KIND = Kind(
    rules=Rules(create=_create, update=_update, status=_status),
    defaults=_defaults,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    keeps_status=True,
)
