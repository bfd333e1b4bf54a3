"""Waiting until something holds of objects: conditions, deletion, creation, JSONPath values."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kube_actors.aio.backoff import Backoff
from kube_actors.api import Obj
from kube_actors.api.errors import Expired
from kube_actors.client.client import KubeClient
from kube_actors.client.types import BOOKMARK, DELETED
from kube_actors.rpc.errors import RpcError

from . import jsonpath, scope
from .failure import usage
from .scope import Chosen

RETRY = Backoff(initial=0.2, maximum=2.0)


class Wanted(Protocol):
    """What is waited for."""

    @property
    def needs_object(self) -> bool:
        """Whether an object that does not exist is an error rather than something to wait for."""
        ...

    def holds(self, obj: Obj | None) -> bool:
        """Of the object as it is, or of its absence."""
        ...


@dataclass(frozen=True, slots=True)
class Gone:
    """The object, or the one of that uid, does not exist."""

    uid: str = ""
    needs_object: bool = False

    def holds(self, obj: Obj | None) -> bool:
        return obj is None or bool(self.uid and obj["metadata"].get("uid") != self.uid)


@dataclass(frozen=True, slots=True)
class Present:
    needs_object: bool = False

    def holds(self, obj: Obj | None) -> bool:
        return obj is not None


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of that type has that status, and the controller has seen the newest spec."""

    type: str
    status: str = "true"
    needs_object: bool = True

    def holds(self, obj: Obj | None) -> bool:
        if obj is None:
            return False
        generation = obj["metadata"].get("generation") or 0
        status = obj.get("status") or {}
        if status.get("observedGeneration", generation) < generation:
            return False
        for condition in status.get("conditions") or ():
            if str(condition.get("type")).lower() == self.type:
                current = condition.get("observedGeneration", generation) >= generation
                return current and str(condition.get("status")).lower() == self.status
        return False


@dataclass(frozen=True, slots=True)
class PathValue:
    """A JSONPath gives that value; None: any value."""

    path: str
    value: str | None
    needs_object: bool = True

    def holds(self, obj: Obj | None) -> bool:
        if obj is None:
            return False
        found = jsonpath.find(self.path, obj)
        if self.value is None:
            return bool(found)
        return len(found) == 1 and _plain(found[0]) == self.value


@dataclass(frozen=True, slots=True)
class Goal:
    chosen: Chosen
    wanted: Wanted


def parse(text: str) -> Wanted:
    """The value of --for. Raises Failure."""
    kind, _, rest = text.partition("=")
    if text.lower() == "delete":
        return Gone()
    if text.lower() == "create":
        return Present()
    if kind == "condition" and rest:
        name, _, status = rest.partition("=")
        return Condition(name.lower(), (status or "true").lower())
    if kind == "jsonpath" and rest:
        path, value = _split_path(rest)
        jsonpath.find(path, {})
        return PathValue(path, value)
    raise usage(f'unrecognized condition: "{text}"')


def plural(chosen: Chosen) -> str:
    """`deployments/web`: how kubectl names what it waited for in vain."""
    return f"{chosen.resource.plural}/{chosen.name}"


async def wait_all(client: KubeClient, goals: Sequence[Goal], seconds: float | None) -> list[Chosen]:
    """Wait for all goals; those that did not come true in time."""
    done: set[int] = set()

    async def one(number: int) -> None:
        await reach(client, goals[number])
        done.add(number)

    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(one(number) for number in range(len(goals))))
    except TimeoutError:
        return [goal.chosen for number, goal in enumerate(goals) if number not in done]
    return []


async def reach(client: KubeClient, goal: Goal) -> None:
    """Wait until the goal holds. Raises NotFound where the goal is about an object that does not exist."""
    failures = 0
    while True:
        try:
            obj = await scope.fetch(client, goal.chosen)
            if obj is None and goal.wanted.needs_object:
                await client.get(goal.chosen.resource, goal.chosen.name, goal.chosen.namespace)
            if goal.wanted.holds(obj) or await _watch(client, goal, obj):
                return
            failures = 0
        except RpcError as error:
            if not error.transient:
                raise
            failures += 1
        except Expired:
            failures += 1
        await asyncio.sleep(RETRY.delay(failures))


async def _watch(client: KubeClient, goal: Goal, obj: Obj | None) -> bool:
    """Whether the goal came true before the server ended the watch."""
    chosen = goal.chosen
    version = str(obj["metadata"].get("resourceVersion") or "") if obj is not None else ""
    events = client.watch(
        chosen.resource,
        chosen.namespace,
        fields=f"metadata.name={chosen.name}",
        resource_version=version,
        send_initial_events=not version,
    )
    try:
        async for batch in events:
            for event in batch:
                if event.type == BOOKMARK:
                    if not version and goal.wanted.holds(None) and obj is None:
                        return True
                    continue
                obj = None if event.type == DELETED else event.object
                if goal.wanted.holds(obj):
                    return True
    finally:
        await events.aclose()
    return False


def _split_path(text: str) -> tuple[str, str | None]:
    """`{.status.phase}=Running` -> the path and the value; the braces may hold a `=` of their own."""
    end = text.rfind("}")
    if end < 0:
        path, equals, value = text.partition("=")
    else:
        path, equals, value = text[: end + 1], text[end + 1 : end + 2], text[end + 2 :]
    if equals not in ("", "=") or (equals and not value):
        raise usage("jsonpath wait condition has an empty value" if equals == "=" else f"invalid jsonpath {text!r}")
    return path, value.strip("'\"") if equals else None


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
