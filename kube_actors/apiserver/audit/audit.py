"""What the edges call: one `begin` a request, one `end`."""

from __future__ import annotations

from kube_actors.aio.clock import Clock
from kube_actors.api import Obj
from kube_actors.apiserver.audit import policy
from kube_actors.apiserver.audit.event import AuditEvent
from kube_actors.apiserver.audit.log import AuditLog
from kube_actors.apiserver.audit.policy import Asked
from kube_actors.apiserver.config import AuditConfig


class Audit:
    """Raises ConfigError for a policy that cannot be read."""

    def __init__(self, config: AuditConfig, clock: Clock) -> None:
        self._policy = policy.load(config.policy)
        self._log = AuditLog(config, clock)
        self._clock = clock

    async def start(self) -> None:
        await self._log.start()

    async def stop(self) -> None:
        await self._log.stop()

    @property
    def dropped(self) -> int:
        """Lines that were lost, for metrics."""
        return self._log.dropped

    def begin(
        self, asked: Asked, identifier: str, uri: str, source: str, agent: str, version: str
    ) -> AuditEvent | None:
        """The event of a request whose user is known; None where the policy wants none."""
        decision = self._policy.decide(asked)
        if not decision.level:
            return None
        event = AuditEvent(identifier, decision, asked, uri, (source,), agent, self._clock.now(), version)
        self._stage(event, "RequestReceived")
        return event

    def started(self, event: AuditEvent, code: int) -> None:
        """A long answer has begun: a watch, a log, a session."""
        self._stage(event, "ResponseStarted", code)

    def end(self, event: AuditEvent, code: int, response: bytes = b"", status: Obj | None = None) -> None:
        self._stage(event, "ResponseComplete", code, response, status)

    def panic(self, event: AuditEvent) -> None:
        self._stage(event, "Panic", 500)

    def _stage(
        self, event: AuditEvent, stage: str, code: int = 0, response: bytes = b"", status: Obj | None = None
    ) -> None:
        if stage not in event.decision.omitted:
            self._log.add(event.line(stage, self._clock.now(), code, response, status))
