"""The status of a DaemonSet. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kube_actors.api import Obj
from kube_actors.api.meta import get_path
from kube_actors.controllers.daemonset.eligibility import Verdict
from kube_actors.controllers.daemonset.pods import Template, by_node, oldest_first
from kube_actors.controllers.pods import is_available, is_ready


def plan_status(
    owner: Obj,
    pods: Iterable[Obj],
    verdicts: Mapping[str, Verdict],
    template: Template,
    now: float,
    *,
    collisions: int = 0,
    observed: bool = True,
) -> Obj:
    """The status as it should read; the oldest pod of a node speaks for it.

    `observed`: whether this sync acted on the present spec, so that its generation counts as seen.
    """
    nodes = by_node(pods)
    min_ready = owner["spec"].get("minReadySeconds", 0)
    wanted = [node for node, verdict in verdicts.items() if verdict.run]
    chosen = [oldest_first(nodes[node])[0] for node in wanted if nodes.get(node)]
    ready = [pod for pod in chosen if is_ready(pod)]
    available = sum(1 for pod in ready if is_available(pod, min_ready, now))
    seen = owner["metadata"].get("generation", 0)
    status: Obj = {
        "observedGeneration": seen if observed else get_path(owner, "status", "observedGeneration", default=0),
        "desiredNumberScheduled": len(wanted),
        "currentNumberScheduled": len(chosen),
        "numberMisscheduled": sum(1 for node in verdicts if not verdicts[node].run and nodes.get(node)),
        "numberReady": len(ready),
        "updatedNumberScheduled": sum(1 for pod in chosen if template.made(pod)),
        "numberAvailable": available,
        "numberUnavailable": len(wanted) - available,
    }
    if collisions:
        status["collisionCount"] = collisions
    if conditions := get_path(owner, "status", "conditions"):
        status["conditions"] = conditions
    return status
