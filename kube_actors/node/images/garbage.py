"""Which images go, and in which order. Pure.

kubelet's rules: at or above the high threshold of the disk's use, images that nobody uses go, those unused for the
longest first, until the use is at the low threshold. None goes that has been here for less than the minimum age.
One that has been unused for the maximum age goes in any case (0: never).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kube_actors.node.runtime.interface import Image


@dataclass(frozen=True, slots=True)
class ImageGcPolicy:
    """imageGCHighThresholdPercent and its like of a kubelet's configuration; seconds.

    `all_images`: also those that this node did not pull itself. Not for an engine that others use too.
    """

    high_threshold: int = 85
    low_threshold: int = 80
    minimum_age: float = 120.0
    maximum_age: float = 0.0
    all_images: bool = False
    # kubelet's ImageGCPeriod.
    period: float = 300.0


@dataclass(frozen=True, slots=True)
class Seen:
    """When an image came or was first seen by this agent, and when it was last seen in use; 0: not since."""

    first: float
    last_used: float = 0.0


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system that images lie on, in bytes."""

    capacity: int
    available: int

    @property
    def used_percent(self) -> int:
        return 100 - min(self.available, self.capacity) * 100 // self.capacity


def observed(
    seen: Mapping[str, Seen], images: Iterable[Image], used: Iterable[str], pulled_at: Mapping[str, float], now: float
) -> dict[str, Seen]:
    """What is known after a look: images that are gone are forgotten; one that nobody knows came just now."""
    using = set(used)
    found: dict[str, Seen] = {}
    for image in images:
        old = seen.get(image.id) or Seen(pulled_at.get(image.id, now))
        found[image.id] = Seen(old.first, now if image.id in using else old.last_used)
    return found


def in_order(images: Iterable[Image], seen: Mapping[str, Seen], now: float) -> list[Image]:
    """Those that are not in use now and not pinned, the first to go first."""
    unused = [each for each in images if not each.pinned and seen[each.id].last_used < now]
    return sorted(unused, key=lambda each: (seen[each.id].last_used, seen[each.id].first))


def is_of_age(seen: Seen, policy: ImageGcPolicy, now: float) -> bool:
    return now - seen.first >= policy.minimum_age


def is_outdated(seen: Seen, policy: ImageGcPolicy, now: float, started_at: float) -> bool:
    """Unused for the maximum age. An agent younger than that cannot know."""
    if not policy.maximum_age or now - started_at <= policy.maximum_age:
        return False
    return now - seen.last_used > policy.maximum_age


def to_free(disk: Disk, policy: ImageGcPolicy) -> int:
    """The bytes that are too many; 0 below the high threshold, and always where that is 100."""
    if policy.high_threshold >= 100 or disk.used_percent < policy.high_threshold:
        return 0
    return max(0, disk.capacity * (100 - policy.low_threshold) // 100 - min(disk.available, disk.capacity))
