"""How long a failed daemon pod stays: longer each time that it fails on its node."""

from __future__ import annotations

from dataclasses import dataclass

# A node that refuses the pod is not asked again at once: kubelet and controller would chase each other.
FIRST = 1.0
LONGEST = 15 * 60.0


@dataclass(frozen=True, slots=True)
class _Rest:
    delay: float
    until: float
    forgotten: float


class FailedPods:
    """By DaemonSet (uid) and node. Twice the longest rest without a failure, and it begins anew."""

    def __init__(self) -> None:
        self._rests: dict[tuple[str, str], _Rest] = {}

    def failed(self, owner: str, node: str, now: float) -> float:
        """Count a failure: the pod that fails next rests for so many seconds."""
        self._rests = {key: rest for key, rest in self._rests.items() if rest.forgotten > now}
        before = self._rests.get((owner, node))
        delay = min(before.delay * 2, LONGEST) if before is not None else FIRST
        self._rests[owner, node] = _Rest(delay, now + delay, now + delay + 2 * LONGEST)
        return delay

    def resting(self, owner: str, now: float) -> frozenset[str]:
        """Nodes on which a failed pod has to stay for the moment."""
        return frozenset(node for (of, node), rest in self._rests.items() if of == owner and rest.until > now)
