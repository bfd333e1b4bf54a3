"""What the agent remembers of one pod while its worker lives. Lost with the agent, as kubelet's is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kube_actors.api import Obj
from kube_actors.node.pods.backoff import BackoffEntry, advanced
from kube_actors.node.pods.facts import Definition, Facts, Probed, Waiting
from kube_actors.node.resize.state import NO_RESIZE, ResizeState
from kube_actors.node.runtime.interface import Limits


@dataclass(slots=True)
class PodMemory:
    """Mutable, owned by the pod's worker; `facts()` is what pure functions see of it."""

    started_at: float
    backoff: dict[Definition, BackoffEntry] = field(default_factory=dict)
    waiting: dict[Definition, Waiting] = field(default_factory=dict)
    doomed: set[str] = field(default_factory=set)
    # Termination messages by container id, read once when the run ended.
    messages: dict[str, str] = field(default_factory=dict)
    # Runs that were ended to run anew with another definition.
    replaced: set[str] = field(default_factory=set)
    # The limits that runs were given since the agent has started, by container id.
    limits: dict[str, Limits] = field(default_factory=dict)
    # Those that the pod as a whole was given since then; None: none yet.
    whole: Limits | None = None
    # Backoffs that have had their event: container name and attempt.
    announced: set[tuple[str, int]] = field(default_factory=set)
    # ConfigMaps and Secrets that volumes are made of were looked at.
    refreshed_at: float = 0.0
    # Labels and annotations that downward API volumes show.
    shown: tuple[Mapping[str, str] | None, ...] = ()

    def facts(self, probed: Mapping[str, Probed], resize: ResizeState = NO_RESIZE) -> Facts:
        return Facts(
            started_at=self.started_at,
            probed=probed,
            backoff=self.backoff,
            waiting=self.waiting,
            doomed=frozenset(self.doomed),
            resize=resize,
            whole=self.whole,
        )

    def refreshed(self, pod: Obj, now: float) -> None:
        """The pod's volumes were made or brought up to date."""
        self.refreshed_at, self.shown = now, shown_of(pod)

    def forget(self, container_id: str) -> None:
        """The run is gone from the runtime."""
        self.messages.pop(container_id, None)
        self.limits.pop(container_id, None)
        self.replaced.discard(container_id)

    def attempted(self, container: Obj, after: float | None, now: float) -> None:
        """A start was made; where it follows a run that ended at `after`, the next one waits longer."""
        definition = Definition.of(container)
        # Whatever kept it waiting, with this image or with one that it had before.
        self.waiting = {known: why for known, why in self.waiting.items() if known.name != definition.name}
        if after is not None:
            self.backoff[definition] = advanced(self.backoff.get(definition), after, now)


def shown_of(pod: Obj) -> tuple[Mapping[str, str] | None, ...]:
    """What of a pod may change that its volumes show."""
    return pod["metadata"].get("labels"), pod["metadata"].get("annotations")
