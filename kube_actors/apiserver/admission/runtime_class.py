"""RuntimeClass: a pod gets its class's overhead, node selector and tolerations; an unknown class is a refusal."""

from __future__ import annotations

import math

from kube_actors.api import Obj
from kube_actors.api.resources import builtin
from kube_actors.apiserver.admission.chain import Attributes, Lookup, find
from kube_actors.apiserver.admission.pods import NewPodPlugin, spec_of

RUNTIME_CLASSES = builtin("node.k8s.io/v1", "runtimeclasses")
OTHER_OVERHEAD = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
OWN_OVERHEAD = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"


class RuntimeClass(NewPodPlugin):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def admit(self, attributes: Attributes) -> None:
        spec = spec_of(attributes)
        found = await self._class_of(spec, attributes)
        if found is None:
            return
        fixed = _fixed(found)
        if fixed is not None:
            if spec.get("overhead") not in (None, fixed):
                raise attributes.forbidden(OTHER_OVERHEAD)
            spec["overhead"] = dict(fixed)
        scheduling = found.get("scheduling")
        if scheduling:
            _merge_selector(attributes, spec, scheduling.get("nodeSelector") or {})
            tolerations = merged_tolerations(spec.get("tolerations") or [], scheduling.get("tolerations") or [])
            if tolerations:
                spec["tolerations"] = tolerations

    async def validate(self, attributes: Attributes) -> None:
        spec = spec_of(attributes)
        if not spec.get("runtimeClassName") and not spec.get("overhead"):
            return
        found = await self._class_of(spec, attributes)
        fixed = _fixed(found) if found is not None else None
        if fixed is not None and spec.get("overhead") != fixed:
            raise attributes.forbidden(OTHER_OVERHEAD)
        if fixed is None and spec.get("overhead"):
            raise attributes.forbidden(OWN_OVERHEAD)

    async def _class_of(self, spec: Obj, attributes: Attributes) -> Obj | None:
        name = spec.get("runtimeClassName")
        if name is None:
            return None
        found = await find(self._lookup, RUNTIME_CLASSES, name)
        if found is None:
            raise attributes.forbidden(f'pod rejected: RuntimeClass "{name}" not found')
        return found


def _fixed(runtime_class: Obj) -> Obj | None:
    overhead = runtime_class.get("overhead")
    return None if overhead is None else overhead.get("podFixed") or {}


def _merge_selector(attributes: Attributes, spec: Obj, wanted: Obj) -> None:
    selector = dict(spec.get("nodeSelector") or {})
    for key, value in wanted.items():
        if selector.setdefault(key, value) != value:
            raise attributes.forbidden(
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {selector[key]}"
            )
    if selector:
        spec["nodeSelector"] = selector


def merged_tolerations(first: list[Obj], second: list[Obj]) -> list[Obj]:
    """Both lists without what another of them says as well.

    Kubernetes: MergeTolerations of pkg/util/tolerations: of two, the wider one stays.
    """
    every = [*first, *second]
    return [
        one
        for place, one in enumerate(every)
        if not any(_covers(other, one) for other in every[place + 1 :])
        and not any(_covers(other, one) and not _covers(one, other) for other in every[:place])
    ]


def _covers(wide: Obj, narrow: Obj) -> bool:
    """Whether `wide` tolerates all that `narrow` tolerates, as long."""
    if wide == narrow:
        return True
    if (wide.get("key") or narrow.get("key")) != narrow.get("key") and wide.get("key"):
        return False
    if wide.get("effect") and wide["effect"] != narrow.get("effect"):
        return False
    seconds = wide.get("tolerationSeconds") if wide.get("effect") == "NoExecute" else None
    if seconds is not None and seconds < narrow.get("tolerationSeconds", math.inf):
        return False
    if (wide.get("operator") or "Equal") == "Exists":
        return True
    return (narrow.get("operator") or "Equal") == "Equal" and wide.get("value") == narrow.get("value")
