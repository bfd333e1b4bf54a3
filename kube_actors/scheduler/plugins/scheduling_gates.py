"""SchedulingGates: a pod with gates does not enter the queue until the last of them is removed.

The condition PodScheduled=False with the reason SchedulingGated is set by the API server at creation.
"""

from __future__ import annotations

from kube_actors.api import Obj


class SchedulingGates:
    name = "SchedulingGates"

    def pre_enqueue(self, pod: Obj) -> bool:
        return not pod["spec"].get("schedulingGates")
