"""FlowSchemas say in their status whether the priority level that they name is there.

In Kubernetes each API server says so; here it is a control loop like any other (apf_controller.go).
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.meta import condition, name_of
from kube_actors.api.resources import builtin
from kube_actors.controllers import conditions
from kube_actors.controllers.actions import UpdateStatus
from kube_actors.controllers.base import Context, Controller, On

FLOW_SCHEMAS = builtin("flowcontrol.apiserver.k8s.io/v1", "flowschemas")
LEVELS = builtin("flowcontrol.apiserver.k8s.io/v1", "prioritylevelconfigurations")
DANGLING = "Dangling"
_INTRODUCTION = 'This FlowSchema references the PriorityLevelConfiguration object named "{}" '


def level_of(schema: Obj) -> str:
    """The name of the priority level that a FlowSchema names."""
    return str(schema["spec"]["priorityLevelConfiguration"]["name"])


def plan(schema: Obj, *, has_level: bool, now: float) -> list[UpdateStatus]:
    """Write the condition, where it is not written so already."""
    status, reason = ("False", "Found") if has_level else ("True", "NotFound")
    text = _INTRODUCTION.format(level_of(schema)) + ("and it exists" if has_level else "but there is no such object")
    present = condition(schema, DANGLING)
    if present is not None and (present["status"], present.get("message")) == (status, text):
        return []
    old = conditions.without((schema.get("status") or {}).get("conditions") or (), DANGLING)
    new = [*old, conditions.make(DANGLING, status, reason, text, now)]
    return [UpdateStatus(FLOW_SCHEMAS, schema | {"status": {"conditions": new}})]


class FlowSchemasController(Controller):
    """Keys are FlowSchemas."""

    name = "flow-schemas"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.schemas = self.informer(FLOW_SCHEMAS)
        self.levels = self.informer(LEVELS)
        self.enqueue_from(self.schemas)
        self.levels.add_handler(On(self._level, lambda old, new: None, self._level))

    def _level(self, changed: Obj) -> None:
        """A level came or went: whoever names it says something else now."""
        for schema in self.schemas.list():
            if level_of(schema) == name_of(changed):
                self.enqueue(schema)

    async def sync(self, key: str) -> None:
        schema = self.schemas.get(key)
        if schema is None:
            return
        has_level = self.levels.get(level_of(schema)) is not None
        (await self.perform(key, plan(schema, has_level=has_level, now=self.clock.now()))).raise_error()
