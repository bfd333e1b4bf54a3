"""The hosts of a cluster on a Ray of several nodes: which there are, who goes where, who has been away too long. Pure.

A host is a machine by its address. Its Ray node has another id after each restart of Ray there; the data of
what is placed on it stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kube_actors.api.errors import ConfigError

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Host:
    """A Ray node that is alive: its address, its id, and the labels it was started with."""

    address: str
    node_id: str
    labels: Labels = ()


def matching(hosts: Iterable[Host], selector: Labels) -> list[Host]:
    """The hosts that have all labels of the selector, in the order of their addresses."""
    chosen = (host for host in hosts if set(selector) <= set(host.labels))
    return sorted(chosen, key=lambda host: tuple(int(part) for part in host.address.split(".")))


def spread(count: int, hosts: Sequence[Host], selector: Labels, what: str) -> tuple[str, ...]:
    """The addresses of as many different hosts. Raises ConfigError where there are fewer."""
    found = matching(hosts, selector)
    if len(found) < count:
        labels = f" with {','.join('='.join(pair) for pair in selector)}" if selector else ""
        raise ConfigError(f"{what}: {count} of them need as many Ray nodes{labels}, and {len(found)} are there")
    return tuple(host.address for host in found[:count])


@dataclass(slots=True)
class Absences:
    """Since when hosts that are needed have not been there."""

    _since: dict[str, float] = field(default_factory=dict)

    def longer_than(self, seconds: float, needed: Iterable[str], present: Iterable[str], now: float) -> frozenset[str]:
        """Those of the needed hosts that have been away for so long."""
        away = set(needed) - set(present)
        self._since = {host: self._since.get(host, now) for host in away}
        return frozenset(host for host, since in self._since.items() if now - since >= seconds)
