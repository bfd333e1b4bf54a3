"""One step of a Recreate rollout: all old pods go first, then the new ones come. Pure: it changes drafts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kube_actors.api import Obj
from kube_actors.controllers.deployment.draft import Draft, active
from kube_actors.controllers.pods import is_terminal

PodsOf = Mapping[str, Sequence[Obj]]


def scale_old_to_zero(old: list[Draft]) -> bool:
    """True where there was something to scale down."""
    targets = active(old)
    for draft in targets:
        draft.replicas = 0
    return bool(targets)


def old_pods_running(new: Draft | None, pods_of: PodsOf) -> bool:
    """Whether a pod of an old revision may still run; one that terminates does. `pods_of` is by owner uid."""
    return any(
        not is_terminal(pod) for owner, pods in pods_of.items() if new is None or owner != new.uid for pod in pods
    )
