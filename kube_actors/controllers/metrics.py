"""Counters of the controllers, plain integers; whoever serves /metrics reads `snapshot()`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field


@dataclass(slots=True)
class ControllerCounters:
    """What one controller did since it started."""

    syncs: int = 0
    errors: int = 0
    conflicts: int = 0
    writes: int = 0
    failed_writes: int = 0
    # Failed syncs in a row over all keys; back to 0 with the first that succeeds.
    consecutive_errors: int = 0


@dataclass(slots=True)
class Counters:
    """The counters of every controller of a manager, by the controller's name."""

    controllers: dict[str, ControllerCounters] = field(default_factory=dict)

    def of(self, controller: str) -> ControllerCounters:
        return self.controllers.setdefault(controller, ControllerCounters())

    def snapshot(self) -> dict[str, dict[str, int]]:
        return {name: asdict(counters) for name, counters in self.controllers.items()}
