"""When a signal is too low. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kube_actors.api import quantity
from kube_actors.api.errors import ConfigError
from kube_actors.node.eviction.signals import MEMORY, NODE_FS, NODE_INODES, PIDS, SIGNALS, Level, Signals

# The node condition that a signal stands for, and the resource whose use ranks pods.
CONDITIONS = {MEMORY: "MemoryPressure", NODE_FS: "DiskPressure", NODE_INODES: "DiskPressure", PIDS: "PIDPressure"}
RESOURCES = {MEMORY: "memory", NODE_FS: "ephemeral-storage", NODE_INODES: "inodes", PIDS: "pids"}
DEFAULTS = {MEMORY: "100Mi"}


@dataclass(frozen=True, slots=True)
class Threshold:
    """`text` as it was given: a quantity, or a percentage of the capacity."""

    signal: str
    text: str

    def value(self, level: Level) -> int:
        if self.text.endswith("%"):
            return int(level.capacity * float(self.text[:-1]) / 100)
        return quantity.to_int(self.text)

    def is_met(self, signals: Signals) -> bool:
        level = signals.get(self.signal)
        return level is not None and level.available < self.value(level)


def parse(settings: Mapping[str, str]) -> tuple[Threshold, ...]:
    """Thresholds from `evictionHard` of a kubelet's configuration. Raises ConfigError."""
    for signal, text in settings.items():
        if signal not in SIGNALS:
            raise ConfigError(f"evictionHard: {signal} is no signal; there are {', '.join(SIGNALS)}")
        try:
            Threshold(signal, text).value(Level(0, 100))
        except ValueError as error:
            raise ConfigError(f"evictionHard: {signal}: {text!r} is no quantity and no percentage") from error
    # Zero switches a threshold off.
    return tuple(Threshold(signal, text) for signal, text in settings.items() if text.rstrip("%") != "0")
