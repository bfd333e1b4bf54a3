"""The extension points: what a plugin is, and what it may answer.

A plugin answers for many nodes at once. `rows` selects the nodes that are asked about; answers are arrays
in the order of `rows`. It never raises for "does not fit".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import Protocol

from kube_actors.api import Obj
from kube_actors.scheduler.columns.arrays import Bools, Ints, Rows
from kube_actors.scheduler.columns.nodes import Nodes
from kube_actors.scheduler.shape import Shape

MAX_SCORE = 100


class Scope(Enum):
    """On what an answer depends, so on what it must be asked again."""

    # The node alone: not on the pods that are placed.
    NODE = auto()
    # The node and the pods on it: asked again for a node that took a pod.
    ROW = auto()
    # Pods anywhere that use the pod's claims: as CLUSTER, for a pod that has claims.
    CLAIMS = auto()
    # Pods anywhere: asked again for all nodes after each pod.
    CLUSTER = auto()


class ClusterEvent(Flag):
    """What may make a pod fit that did not."""

    NONE = 0
    NODE_ADD = auto()
    NODE_ALLOCATABLE = auto()
    NODE_LABEL = auto()
    NODE_TAINT = auto()
    POD_GONE = auto()
    # A claim, a volume or a storage class came or changed.
    VOLUME = auto()
    ALL = NODE_ADD | NODE_ALLOCATABLE | NODE_LABEL | NODE_TAINT | POD_GONE | VOLUME


@dataclass(frozen=True, slots=True)
class Rejection:
    """Nodes that do not fit, all for the same reason.

    `unresolvable`: the nodes among them where preemption would not help.
    """

    reason: str
    nodes: Bools
    unresolvable: Bools


class Normalize(Enum):
    """How raw scores become 0..100 over the nodes that fit."""

    # They are already.
    NO = auto()
    # The largest is 100.
    UP = auto()
    # The largest is 0, none is 100.
    DOWN = auto()


class Plugin(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def scope(self) -> Scope: ...


class PreEnqueuePlugin(Protocol):
    """Keeps pods out of the queue until they change."""

    @property
    def name(self) -> str: ...

    def pre_enqueue(self, pod: Obj) -> bool:
        """Whether the pod may be scheduled now."""


class FilterPlugin(Plugin, Protocol):
    """Says on which nodes a pod cannot run, and why."""

    @property
    def events(self) -> ClusterEvent:
        """What may change its mind."""

    def filter(self, shape: Shape, nodes: Nodes, rows: Rows) -> Sequence[Rejection]:
        """One rejection a reason; a node may be in several. Empty: every node passes."""


class PreFilterPlugin(FilterPlugin, Protocol):
    """Narrows the nodes before any filter, or rejects the pod as a whole."""

    def prefilter(self, shape: Shape, nodes: Nodes) -> Bools | str | None:
        """The nodes to consider, a reason why there are none at all, or None: all of them."""


class ScorePlugin(Plugin, Protocol):
    """Says which of the nodes that fit are better."""

    @property
    def normalize(self) -> Normalize: ...

    def score(self, shape: Shape, nodes: Nodes, rows: Rows) -> Ints | None:
        """Raw scores; None where it makes no difference for this shape."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The plugins of a scheduler in their order, which decides whose reason is told."""

    pre_enqueue: tuple[PreEnqueuePlugin, ...]
    prefilters: tuple[PreFilterPlugin, ...]
    filters: tuple[FilterPlugin, ...]
    scores: tuple[tuple[ScorePlugin, int], ...]

    def admits(self, pod: Obj) -> bool:
        """Whether no plugin keeps the pod out of the queue."""
        return all(plugin.pre_enqueue(pod) for plugin in self.pre_enqueue)

    def events_of(self, plugins: frozenset[str]) -> ClusterEvent:
        """What may help a pod that these plugins rejected."""
        events = ClusterEvent.NONE
        for plugin in (*self.prefilters, *self.filters):
            if plugin.name in plugins:
                events |= plugin.events
        return events
