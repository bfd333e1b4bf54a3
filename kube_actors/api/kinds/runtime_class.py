"""RuntimeClass: with which handler a node runs the pods of the class, and where it can."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.gotext import go_json
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import names, scheduling
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.containers import resource_requirements
from kube_actors.api.validation.metadata import labels
from kube_actors.api.validation.rules import Rules


def _create(causes: Causes, obj: Obj) -> None:
    handler = obj.get("handler", "")
    causes.each_invalid("handler", handler, names.dns_label(handler))
    if "overhead" in obj:
        resource_requirements(causes, {"limits": obj["overhead"].get("podFixed") or {}}, "overhead")
    where = obj.get("scheduling")
    if where is not None:
        labels(causes, where.get("nodeSelector") or {}, "scheduling.nodeSelector")
        _tolerations(causes, where.get("tolerations") or [])


def _tolerations(causes: Causes, items: list[Obj]) -> None:
    path = "scheduling.tolerations"
    scheduling.tolerations(causes, items, path)
    for index, one in enumerate(items):
        if one in items[:index]:
            shown = {field.capitalize(): one.get(field, "") for field in ("key", "operator", "value", "effect")}
            shown["TolerationSeconds"] = one.get("tolerationSeconds")
            causes.duplicate(f"{path}[{index}]", Raw(go_json(shown)))


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    causes.immutable("handler", new.get("handler", ""), old.get("handler", ""))


KIND = Kind(
    rules=Rules(create=_create, update=_update),
    rest=RestRules(create_on_update=True, unconditional_update=False),
)
