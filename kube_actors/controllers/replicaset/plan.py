"""How many pods to create, and which to delete. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, name_of, namespace_of, uid_of
from kube_actors.api.resources import PODS
from kube_actors.controllers.actions import CreateObject, DeleteObject
from kube_actors.controllers.pods import in_deletion_order, is_active
from kube_actors.controllers.templates import pod_from_template

# No sync creates or deletes more, so that one huge ReplicaSet does not starve the others.
BURST = 500


@dataclass(frozen=True, slots=True)
class Change:
    """One of the two is empty."""

    create: tuple[CreateObject, ...] = ()
    delete: tuple[DeleteObject, ...] = ()


def plan_replicas(
    owner: Obj, pods: Sequence[Obj], related: Iterable[Obj], now: float, *, template: Obj | None = None
) -> Change:
    """The change that brings the active `pods` of `owner` to its spec.replicas.

    `related` are the pods of the same workload, those of the other ReplicaSets of the Deployment included:
    nodes that hold many of them give one up first. `template` is the owner's own by default.
    """
    missing = owner["spec"].get("replicas", 1) - len(pods)
    if missing > 0:
        pod = pod_from_template(owner, template or owner["spec"]["template"])
        return Change(create=(CreateObject(PODS, pod),) * min(missing, BURST))
    surplus = min(-missing, BURST)
    if surplus == 0:
        return Change()
    victims = in_deletion_order(pods, ranks(pods, related), now) if surplus < len(pods) else pods
    return Change(delete=tuple(_delete(pod) for pod in victims[:surplus]))


def ranks(pods: Iterable[Obj], related: Iterable[Obj]) -> dict[str, int]:
    """By uid, how many active relatives share the pod's node."""
    crowd = Counter(node for pod in related if is_active(pod) and (node := get_path(pod, "spec", "nodeName")))
    return {uid_of(pod): crowd[get_path(pod, "spec", "nodeName", default="")] for pod in pods}


def _delete(pod: Obj) -> DeleteObject:
    return DeleteObject(PODS, namespace_of(pod), name_of(pod), uid=uid_of(pod))
