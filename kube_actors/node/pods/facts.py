"""What the node agent remembers of a pod beyond what the runtime and the API tell: input of plan and status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kube_actors.api import Obj
from kube_actors.node.pods.backoff import BackoffEntry
from kube_actors.node.resize.state import NO_RESIZE, ResizeState
from kube_actors.node.runtime.interface import Limits


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container could not be started the last time, and when it may be tried again."""

    reason: str
    message: str
    retry_at: float


@dataclass(frozen=True, slots=True)
class Probed:
    """What the probes of one run say. Without a probe of a kind its answer is the one that harms nobody."""

    started: bool = True
    ready: bool = True
    live: bool = True
    # The kind of the probe for which the run is to be killed: liveness or startup.
    failed: str = ""


HEALTHY = Probed()


@dataclass(frozen=True, slots=True)
class Definition:
    """By what failures of a container are remembered, as kubelet's hash of it: with another image it begins anew."""

    name: str
    image: str

    @classmethod
    def of(cls, container: Obj) -> Definition:
        return cls(str(container["name"]), str(container.get("image") or ""))


@dataclass(frozen=True, slots=True)
class Facts:
    """`probed` by container id, `backoff` and `waiting` by definition; `doomed` are ids of runs to be killed
    because their postStart hook failed. `started_at`: when the node accepted the pod."""

    started_at: float = 0.0
    probed: Mapping[str, Probed] = field(default_factory=dict)
    backoff: Mapping[Definition, BackoffEntry] = field(default_factory=dict)
    waiting: Mapping[Definition, Waiting] = field(default_factory=dict)
    doomed: frozenset[str] = frozenset()
    resize: ResizeState = NO_RESIZE
    # What the pod as a whole was given last; None: unknown.
    whole: Limits | None = None
