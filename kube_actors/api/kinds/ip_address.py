"""IPAddress: an address that one Service has; the object's name is the address."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.gotext import go_json
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.rules import Rules

_FIELDS = ("group", "resource", "namespace", "name")


def _create(causes: Causes, obj: Obj) -> None:
    parent, path = (obj.get("spec") or {}).get("parentRef") or {}, "spec.parentRef"
    if not parent:
        causes.required(path)
        return
    if parent.get("group"):
        causes.each_invalid(f"{path}.group", parent["group"], names.dns_subdomain(parent["group"]))
    references.path_segment(causes, parent.get("resource", ""), f"{path}.resource")
    references.path_segment(causes, parent.get("name", ""), f"{path}.name")
    if parent.get("namespace"):
        references.path_segment(causes, parent["namespace"], f"{path}.namespace")


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    after, before = ((one.get("spec") or {}).get("parentRef") or {} for one in (new, old))
    if after != before:
        shown = {field.capitalize(): after.get(field, "") for field in _FIELDS}
        causes.invalid("spec.parentRef", Raw(go_json(shown)), "field is immutable")


KIND = Kind(rules=Rules(create=_create, update=_update, name=references.strict_ip))
