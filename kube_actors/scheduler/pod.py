"""A pod as the scheduler handles it."""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import key_of, uid_of
from kube_actors.scheduler.shape import Shape, shape_of

FINISHED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True, eq=False)
class Pod:
    """`key` is the uid, so that a pod that was created again is another one."""

    key: str
    obj: Obj
    shape: Shape
    priority: int
    node: str

    @property
    def name(self) -> str:
        """`namespace/name`, as in messages."""
        return key_of(self.obj)

    @property
    def created(self) -> float:
        return parse_rfc3339(self.obj["metadata"].get("creationTimestamp") or "1970-01-01T00:00:00Z")


def read_pod(obj: Obj) -> Pod:
    """The scheduler's view of a Pod."""
    node = obj["spec"].get("nodeName") or ""
    shape = shape_of(obj, ignore_node_name=bool(node))
    return Pod(pod_key(obj), obj, shape, int(obj["spec"].get("priority") or 0), node)


def pod_key(obj: Obj) -> str:
    return uid_of(obj) or key_of(obj)


def is_finished(obj: Obj) -> bool:
    """Its containers have ended for good: it takes nothing of its node any more."""
    return (obj.get("status") or {}).get("phase") in FINISHED
