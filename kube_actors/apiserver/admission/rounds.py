"""When mutating plugins are called a second time.

    round 0   every plugin; one that changes the object asks for the ones before it that want to see the change
    round 1   the built-in plugins again, and of webhooks and policies those that were asked for

There is no third round. Kubernetes: reinvocationContext of k8s.io/apiserver/pkg/admission.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from kube_actors.api import encoding


class Changing(Protocol):
    obj: dict[str, Any] | None


@dataclass(slots=True)
class Round:
    """What one plugin knows of its webhooks or policies; they are told apart by uid."""

    rounds: Rounds
    # Called so far, of those that want to be called again.
    _called: set[str] = field(default_factory=set)
    _again: set[str] = field(default_factory=set)
    _last: bytes = b""

    def begin(self, attributes: Changing) -> None:
        """In the second round: did a built-in plugin change the object meanwhile?"""
        if self.rounds.number and self._last and encoding.dumps(attributes.obj) != self._last:
            self._ask_again()

    def wants(self, uid: str) -> bool:
        """Whether it is to be called in this round."""
        return not self.rounds.number or uid in self._again

    def called(self, uid: str) -> None:
        self._called.add(uid)

    def changed(self) -> None:
        """The object was changed: those before want to see it."""
        self._ask_again()
        self.rounds.again = True

    def end(self, attributes: Changing) -> None:
        if not self.rounds.number and self._called:
            self._last = encoding.dumps(attributes.obj)

    def _ask_again(self) -> None:
        self._again |= self._called
        self._called.clear()


@dataclass(slots=True)
class Rounds:
    """Of one request. `again`: a second round is wanted."""

    number: int = 0
    again: bool = False
    _by_plugin: dict[str, Round] = field(default_factory=dict)

    def of(self, plugin: str) -> Round:
        if plugin not in self._by_plugin:
            self._by_plugin[plugin] = Round(self)
        return self._by_plugin[plugin]
