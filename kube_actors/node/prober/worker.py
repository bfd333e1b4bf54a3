"""One probe of one run of a container."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kube_actors.aio.clock import Clock
from kube_actors.api import Obj
from kube_actors.node.prober.checks import Result

STARTUP, LIVENESS, READINESS = "startup", "liveness", "readiness"
KINDS = (STARTUP, LIVENESS, READINESS)
# A check that cannot be made is tried again so often before it counts as unknown.
TRIES = 3


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """A Probe of the API with its defaults."""

    kind: str
    action: Obj
    initial_delay: float = 0.0
    period: float = 10.0
    timeout: float = 1.0
    success_threshold: int = 1
    failure_threshold: int = 3

    @classmethod
    def of(cls, kind: str, probe: Obj) -> ProbeSettings:
        def number(key: str, default: int) -> int:
            return int(probe.get(key) or default)

        return cls(
            kind,
            probe,
            initial_delay=number("initialDelaySeconds", 0),
            period=number("periodSeconds", 10),
            timeout=number("timeoutSeconds", 1),
            success_threshold=number("successThreshold", 1),
            failure_threshold=number("failureThreshold", 3),
        )


class ProbeWorker:
    """Probes until it is stopped or, for startup and liveness, until the verdict is final.

    `report(good)` is called when the verdict changes; `complain(result)` for every check that is bad or
    comes with a warning.
    """

    def __init__(
        self,
        settings: ProbeSettings,
        started_at: float,
        check: Callable[[], Awaitable[Result]],
        report: Callable[[bool], None],
        complain: Callable[[Result], None],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._started_at = started_at
        self._check, self._report, self._complain = check, report, complain
        self._clock = clock
        self._streak = 0
        self._last: bool | None = None

    async def run(self, spread: bool) -> None:
        """`spread`: begin at a random moment of the period, so that adopted pods are not probed all at once."""
        settings, now = self._settings, self._clock.now()
        due = max(now, self._started_at + settings.initial_delay) + (random.random() * settings.period if spread else 0)
        while True:
            await self._clock.sleep(max(0.0, due - self._clock.now()))
            if await self._probe_once():
                return
            # As a ticker: what a check takes is part of the period, and one that takes longer is not made up for.
            due = max(due + settings.period, self._clock.now())

    async def _probe_once(self) -> bool:
        """Whether the verdict is final."""
        settings = self._settings
        result = await self._check()
        for _ in range(TRIES - 1):
            if not result.unknown:
                break
            result = await self._check()
        if not result.ok or result.warning:
            self._complain(result)
        if result.unknown:
            return False
        self._streak = self._streak + 1 if result.ok == self._last else 1
        self._last = result.ok
        if self._streak < (settings.success_threshold if result.ok else settings.failure_threshold):
            return False
        self._report(result.ok)
        return settings.kind == STARTUP or (settings.kind == LIVENESS and not result.ok)
