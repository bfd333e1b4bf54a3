"""Priority: a pod's class becomes a number, and a class that is not there a refusal."""

from __future__ import annotations

from kube_actors.api import Obj, errors
from kube_actors.api.resources import builtin
from kube_actors.apiserver.admission.chain import Attributes, Lookup
from kube_actors.apiserver.admission.pods import new_pod_spec

PRIORITY_CLASSES = builtin("scheduling.k8s.io/v1", "priorityclasses")
DEFAULT_POLICY = "PreemptLowerPriority"


class Priority:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def admit(self, attributes: Attributes) -> None:
        spec = new_pod_spec(attributes)
        if spec is None:
            return
        found = await self._class_of(spec, attributes)
        value = found.get("value", 0) if found else 0
        policy = (found.get("preemptionPolicy") if found else None) or DEFAULT_POLICY
        if spec.get("priority") is not None and spec["priority"] != value:
            raise _forbidden(
                attributes,
                "the integer value of priority must not be provided in pod spec; priority admission controller "
                "computed it from the given PriorityClass name",
            )
        if found and not spec.get("priorityClassName"):
            spec["priorityClassName"] = found["metadata"]["name"]
        spec["priority"] = value
        spec["preemptionPolicy"] = spec.get("preemptionPolicy") or policy

    async def validate(self, attributes: Attributes) -> None:
        """All was said in `admit`."""

    async def _class_of(self, spec: Obj, attributes: Attributes) -> Obj | None:
        name = spec.get("priorityClassName")
        if not name:
            defaults = [one for one in self._lookup.all(PRIORITY_CLASSES) if one.get("globalDefault")]
            return min(defaults, key=lambda one: int(one.get("value", 0)), default=None)
        found = self._lookup.cached(PRIORITY_CLASSES, "", name)
        found = found or await self._lookup.read(PRIORITY_CLASSES, "", name)
        if found is None:
            raise _forbidden(attributes, f"no PriorityClass with name {name} was found")
        return found


def _forbidden(attributes: Attributes, reason: str) -> errors.Forbidden:
    text = f'pods "{attributes.name}" is forbidden: {reason}'
    return errors.Forbidden(text, kind="pods", name=attributes.name)
