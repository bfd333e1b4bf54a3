"""Priority: a pod's class becomes a number, and a class that is not there a refusal."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.resources import builtin
from kube_actors.apiserver.admission.chain import Attributes, Lookup, find
from kube_actors.apiserver.admission.pods import NewPodPlugin, spec_of

PRIORITY_CLASSES = builtin("scheduling.k8s.io/v1", "priorityclasses")
DEFAULT_POLICY = "PreemptLowerPriority"


class Priority(NewPodPlugin):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._changes = lookup.changes(PRIORITY_CLASSES)
        self._default: Obj | None = None

    async def admit(self, attributes: Attributes) -> None:
        spec = spec_of(attributes)
        found = await self._class_of(spec, attributes)
        value = found.get("value", 0) if found else 0
        policy = (found.get("preemptionPolicy") if found else None) or DEFAULT_POLICY
        given = spec.get("priority")
        if given is not None and given != value:
            raise attributes.forbidden(
                f"the integer value of priority ({given}) must not be provided in pod spec; priority admission "
                f"controller computed {value} from the given PriorityClass name"
            )
        if found and not spec.get("priorityClassName"):
            spec["priorityClassName"] = found["metadata"]["name"]
        spec["priority"] = value
        stated = spec.get("preemptionPolicy")
        if stated and stated != policy:
            raise attributes.forbidden(
                f"the string value of PreemptionPolicy ({stated}) must not be provided in pod spec; priority "
                f"admission controller computed {policy} from the given PriorityClass name"
            )
        spec["preemptionPolicy"] = policy

    async def _class_of(self, spec: Obj, attributes: Attributes) -> Obj | None:
        name = spec.get("priorityClassName")
        if not name:
            return self._global_default()
        found = await find(self._lookup, PRIORITY_CLASSES, name)
        if found is None:
            raise attributes.forbidden(f"no PriorityClass with name {name} was found")
        return found

    def _global_default(self) -> Obj | None:
        """The class of pods that name none."""
        if self._changes.stale:
            self._changes.stale = False
            defaults = [one for one in self._lookup.all(PRIORITY_CLASSES) if one.get("globalDefault")]
            self._default = min(defaults, key=lambda one: int(one.get("value", 0)), default=None)
        return self._default
