"""systemd's manager, over the system's D-Bus: https://www.freedesktop.org/wiki/Software/systemd/dbus/."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from dbus_fast import BusType, DBusFastError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

SECONDS = 10.0
SYSTEMD = "org.freedesktop.systemd1"
MANAGER = f"{SYSTEMD}.Manager"
DBUS = "org.freedesktop.DBus"
JOBS = f"type='signal',sender='{SYSTEMD}',interface='{MANAGER}',member='JobRemoved'"
# D-Bus types of Python's.
TYPES = {bool: "b", int: "t", str: "s", list: "as"}
Property = bool | int | str | list[str]
Properties = Mapping[str, Property]


class SystemdError(OSError):
    """systemd refused; `name` is that of the error on the bus."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"systemd: {text or name}")
        self.name = name


class Bus(Protocol):
    """What is asked of a connection."""

    async def call(self, msg: Message) -> Message: ...

    def add_message_handler(self, handler: Any) -> None: ...


class Manager:
    """Starts, changes and stops units, one call after another. Raises OSError."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        # How jobs ended, by the unit; only those that someone waits for.
        self._jobs: dict[str, asyncio.Future[str]] = {}

    async def open(self) -> None:
        """Hear how jobs end, before the first of them."""
        self._bus.add_message_handler(self._heard)
        await self._call("AddMatch", "s", [JOBS], to=DBUS, path="/org/freedesktop/DBus", interface=DBUS)

    async def start(self, unit: str, properties: Properties) -> None:
        """A unit that is not written anywhere; one that there is gets the properties."""
        try:
            await self._job(unit, "StartTransientUnit", "ssa(sv)a(sa(sv))", [unit, "replace", _pairs(properties), []])
        except SystemdError as exc:
            if exc.name != f"{SYSTEMD}.UnitExists":
                raise
            # Those that say how units stand to one another are settled when a unit is made.
            await self.set(unit, {name: each for name, each in properties.items() if type(each) is int})

    async def set(self, unit: str, properties: Properties) -> None:
        """Until the machine is started again."""
        await self._call("SetUnitProperties", "sba(sv)", [unit, True, _pairs(properties)])

    async def stop(self, unit: str) -> None:
        """A unit that is gone is all right, and one that has failed is forgotten."""
        try:
            await self._job(unit, "StopUnit", "ss", [unit, "replace"])
            await self._call("ResetFailedUnit", "s", [unit])
        except SystemdError as exc:
            if exc.name != f"{SYSTEMD}.NoSuchUnit":
                raise

    async def _job(self, unit: str, member: str, signature: str, body: Sequence[Any]) -> None:
        self._jobs[unit] = asyncio.get_running_loop().create_future()
        try:
            await self._call(member, signature, body)
            result = await self._jobs[unit]
        finally:
            del self._jobs[unit]
        if result != "done":
            raise SystemdError("", f"{member} {unit}: {result}")

    async def _call(
        self,
        member: str,
        signature: str,
        body: Sequence[Any],
        *,
        to: str = SYSTEMD,
        path: str = "/org/freedesktop/systemd1",
        interface: str = MANAGER,
    ) -> None:
        reply = await self._bus.call(Message(to, path, interface, member, signature=signature, body=list(body)))
        if reply.message_type is MessageType.ERROR:
            raise SystemdError(reply.error_name or "", " ".join(map(str, reply.body)))

    def _heard(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL and message.member == "JobRemoved":
            _, _, unit, result = message.body
            waiting = self._jobs.get(unit)
            if waiting is not None and not waiting.done():
                waiting.set_result(result)


@asynccontextmanager
async def connect() -> AsyncIterator[Manager]:
    """For a few calls: a connection takes two milliseconds, and one that is kept hears of every job of the machine.

    Raises OSError for all that keeps systemd from doing its part, also inside.
    """
    bus = MessageBus(bus_type=BusType.SYSTEM)
    try:
        async with asyncio.timeout(SECONDS):
            await bus.connect()
            try:
                manager = Manager(bus)
                await manager.open()
                yield manager
            finally:
                bus.disconnect()
    except TimeoutError as exc:
        raise SystemdError("", "no answer") from exc
    except (DBusFastError, EOFError) as exc:
        raise SystemdError("", f"the system's D-Bus: {exc or type(exc).__name__}") from exc


def _pairs(properties: Properties) -> list[list[Any]]:
    return [[name, Variant(TYPES[type(each)], each)] for name, each in properties.items()]
