"""The event recorder: a component says what happened, one task writes it as Events.

    event() -> Correlator (count, combine, cut) -> those that changed since last written -> client

`event()` never waits and never fails. What is to be written is bounded: over that, new Events are
dropped and counted; so are Events that the server refuses. Repeats of one that waits only raise its count.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from dataclasses import dataclass
from typing import Protocol

import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.clock import Clock, SystemClock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.errors import ApiError, KubeActorsError, NotFound
from kube_actors.api.meta import name_of, namespace_of, uid_of
from kube_actors.api.resources import EVENTS
from kube_actors.api.validation.names import dns_subdomain
from kube_actors.client.correlation import Correlator, Occurrence, Recorded
from kube_actors.client.interface import Client
from kube_actors.client.series import FINISH_SECONDS, SeriesCorrelator

log = structlog.get_logger(__name__)

NORMAL = "Normal"
WARNING = "Warning"

# Events that wait to be written.
LIMIT = 10_000
# Writes that are under way together; they share the messages of the client's session.
TOGETHER = 128
ATTEMPTS = 5
RETRY = Backoff(initial=0.5, maximum=10.0)


class Recorder(Protocol):
    """By which a component says what happens."""

    def event(self, obj: Obj, type: str, reason: str, message: str, *, action: str = "", field_path: str = "") -> None:
        """See `EventRecorder.event`."""

    def of(self, component: str) -> Recorder:
        """The same recorder, for what another component of the process says."""


class EventRecorder:
    """Records Events of one component, or with `on` of it on several hosts, or with `of` of several components.

    `correlator` says of which sort they are; they are of the old one without it.
    """

    def __init__(
        self,
        client: Client,
        component: str,
        host: str = "",
        clock: Clock | None = None,
        correlator: Correlator | SeriesCorrelator | None = None,
    ) -> None:
        self._client = client
        self._component, self._host = component, host
        self._clock = clock or SystemClock()
        self._correlator = correlator or Correlator()
        # In the order of their first change, without repeats.
        self._waiting: dict[Recorded, None] = {}
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks = Tasks(f"events-{component}")
        # In nanoseconds, for the names.
        self._named_at = 0
        # Events that nobody will see: the queue was full, or the server refused them.
        self.dropped = 0

    async def start(self) -> None:
        self._tasks.spawn_forever(self._run(), "write")
        self._tasks.spawn_forever(self._write_due(), "write-due")

    async def stop(self, grace: float = 1.0) -> None:
        """Writes what waits, for at most `grace` seconds."""
        if self._tasks:
            try:
                async with asyncio.timeout(grace):
                    await self._idle.wait()
            except TimeoutError:
                log.info("events are left unwritten", component=self._component, count=len(self._waiting))
        await self._tasks.stop()

    def on(self, host: str) -> Recorder:
        """The same recorder, for what happens on that host."""
        return _Source(self, self._component, host)

    def of(self, component: str) -> Recorder:
        """The same recorder, for what another component of the process says."""
        return _Source(self, component, self._host)

    def event(self, obj: Obj, type: str, reason: str, message: str, *, action: str = "", field_path: str = "") -> None:
        """Say that something happened to `obj`. `type` is Normal or Warning. `field_path` names a part of it."""
        self.on(self._host).event(obj, type, reason, message, action=action, field_path=field_path)

    def record(self, occurrence: Occurrence) -> None:
        """Have it written, unless there is too much of it."""
        if (recorded := self._correlator.record(occurrence, self._clock.now())) is not None:
            self._enqueue(recorded)

    def _enqueue(self, recorded: Recorded) -> None:
        if recorded not in self._waiting and len(self._waiting) >= LIMIT:
            self.dropped += 1
            return
        self._waiting[recorded] = None
        self._idle.clear()
        self._work.set()

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._waiting:
                batch = [recorded for recorded, _ in zip(self._waiting, range(TOGETHER), strict=False)]
                for recorded in batch:
                    del self._waiting[recorded]
                await asyncio.gather(*(self._write(recorded) for recorded in batch))
            self._idle.set()

    async def _write_due(self) -> None:
        while True:
            await self._clock.sleep(FINISH_SECONDS)
            for recorded in self._correlator.due(self._clock.now()):
                self._enqueue(recorded)

    async def _write(self, recorded: Recorded) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._send(recorded)
                return
            except ApiError as error:
                self._drop(recorded, error)
                return
            except KubeActorsError as error:
                if attempt == ATTEMPTS:
                    self._drop(recorded, error)
                    return
            await self._clock.sleep(RETRY.delay(attempt))

    async def _send(self, recorded: Recorded) -> None:
        involved = dict(recorded.occurrence.involved)
        namespace = involved.get("namespace") or "default"
        if recorded.name:
            try:
                await self._client.patch(EVENTS, recorded.name, recorded.update(), namespace)
            except NotFound:
                # It was there for an hour, as Events are: begin again.
                recorded.name = ""
            else:
                return
        created = await self._client.create(EVENTS, recorded.create(self._name(involved.get("name", ""))))
        recorded.name = name_of(created)

    def _name(self, of: str) -> str:
        # Two of one moment would be one name.
        self._named_at = max(int(self._clock.now() * 1e9), self._named_at + 1)
        name = f"{of}.{self._named_at:x}{secrets.token_hex(2)}"
        # An object's name may be too long for that, or be of a kind that allows more in a name.
        return str(uuid.uuid4()) if dns_subdomain(name) else name

    def _drop(self, recorded: Recorded, error: KubeActorsError) -> None:
        self.dropped += 1
        log.info("event dropped", reason=recorded.occurrence.reason, error=str(error), dropped=self.dropped)


@dataclass(frozen=True, slots=True)
class _Source:
    recorder: EventRecorder
    component: str
    host: str

    def of(self, component: str) -> Recorder:
        return _Source(self.recorder, component, self.host)

    def event(self, obj: Obj, type: str, reason: str, message: str, *, action: str = "", field_path: str = "") -> None:
        involved = _involved(obj, field_path)
        self.recorder.record(Occurrence(involved, type, reason, message, action, self.component, self.host))


def _involved(obj: Obj, field_path: str) -> tuple[tuple[str, str], ...]:
    metadata = obj["metadata"]
    reference = {
        "kind": str(obj.get("kind") or ""),
        "namespace": namespace_of(obj),
        "name": name_of(obj),
        "uid": uid_of(obj),
        "apiVersion": str(obj.get("apiVersion") or ""),
        "resourceVersion": str(metadata.get("resourceVersion") or ""),
        "fieldPath": field_path,
    }
    return tuple((key, value) for key, value in reference.items() if value)
