"""CSIStorageCapacity: how much a driver can still make of a class, in one part of the topology."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.metadata import label_selector
from kube_actors.api.validation.rules import Rules


def _create(causes: Causes, obj: Obj) -> None:
    if "nodeTopology" in obj:
        label_selector(causes, obj["nodeTopology"], "nodeTopology")
    name = obj.get("storageClassName", "")
    causes.each_invalid("storageClassName", name, names.dns_subdomain(name))
    if "capacity" in obj:
        references.quantity_not_negative(causes, "capacity", obj["capacity"])


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    causes.immutable("nodeTopology", new.get("nodeTopology"), old.get("nodeTopology"))
    causes.immutable("storageClassName", new.get("storageClassName", ""), old.get("storageClassName", ""))


KIND = Kind(rules=Rules(create=_create, update=_update), rest=RestRules(unconditional_update=False))
