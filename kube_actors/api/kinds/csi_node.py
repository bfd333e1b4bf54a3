"""CSINode: the storage drivers that a node has."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.gotext import go_json
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import names, storage
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.rules import Rules

_NODE_ID_MAX = 256


def _create(causes: Causes, obj: Obj) -> None:
    seen: set[str] = set()
    for index, driver in enumerate(obj["spec"].get("drivers") or ()):
        path, name = f"spec.drivers[{index}]", driver.get("name", "")
        storage.driver_name(causes, name, f"{path}.name")
        _node_id(causes, driver.get("nodeID", ""), f"{path}.nodeID")
        count = (driver.get("allocatable") or {}).get("count")
        if count is not None:
            causes.not_negative(f"{path}.allocatable.count", count)
        if name in seen:
            causes.duplicate(f"{path}.name", name)
        seen.add(name)
        _topology_keys(causes, driver.get("topologyKeys") or [], path)


def _node_id(causes: Causes, value: str, path: str) -> None:
    if not value:
        causes.required(path)
    elif len(value) > _NODE_ID_MAX:
        causes.invalid(path, value, f"must be {_NODE_ID_MAX} characters or less")


def _topology_keys(causes: Causes, keys: list[str], path: str) -> None:
    for index, key in enumerate(keys):
        if not key:
            causes.required(path)
        if key in keys[:index]:
            causes.duplicate(path, key)
        causes.each_invalid(path, key, names.qualified_name(key))


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    """Drivers come and go; what one says of itself stays, but for how many volumes it takes."""
    _create(causes, new)
    for known in old["spec"].get("drivers") or ():
        for driver in new["spec"].get("drivers") or ():
            if driver.get("name") == known.get("name") and _fixed(driver) != _fixed(known):
                causes.invalid("spec.drivers", Raw(go_json(_internal(driver))), "field is immutable")


def _fixed(driver: Obj) -> tuple[str, tuple[str, ...]]:
    return driver.get("nodeID", ""), tuple(driver.get("topologyKeys") or ())


def _internal(driver: Obj) -> Obj:
    return {
        "Name": driver.get("name", ""),
        "NodeID": driver.get("nodeID", ""),
        "TopologyKeys": driver.get("topologyKeys"),
        "Allocatable": None,
    }


KIND = Kind(
    rules=Rules(create=_create, update=_update),
    rest=RestRules(answers_deleted_object=True, unconditional_update=False),
)
