"""kactl describe: an object and its events, in kubectl's layout."""

from __future__ import annotations

import argparse
import sys

from kube_actors.aio.clock import Clock, SystemClock
from kube_actors.api import Obj
from kube_actors.api.errors import ApiError, NotFound
from kube_actors.api.resources import EVENTS
from kube_actors.client.client import KubeClient
from kube_actors.cluster import loop

from . import describe_kinds, scope, session, tabwriter
from .ages import age
from .describe_text import Text
from .failure import line_of
from .get import typed
from .names import Names, Target


def run(arguments: argparse.Namespace) -> int:
    return loop.run(describe(arguments, SystemClock()))


async def describe(arguments: argparse.Namespace, clock: Clock) -> int:
    """Print what was chosen, objects two blank lines apart."""
    async with session.client(arguments) as client:
        names = Names(await client.discover())
        objects, failed = await _objects(arguments, client, names.targets(arguments.words))
        for number, obj in enumerate(objects):
            if number:
                print("\n")
            found = await _events(client, obj)
            extra = await describe_kinds.related(client, obj)
            print("\n".join(render(obj, found, extra, clock.now())), flush=True)
        if not objects and not failed:
            namespace = "" if arguments.all_namespaces else f" in {arguments.namespace or 'default'} namespace."
            print(f"No resources found{namespace}", file=sys.stderr)
    return 1 if failed else 0


def render(obj: Obj, events: list[Obj], extra: describe_kinds.Related, now: float) -> list[str]:
    """The lines of one object."""
    text = Text()
    describe_kinds.describer(obj)(text, obj, extra)
    if describe_kinds.shows_events(obj):
        _write_events(text, events, now)
    return tabwriter.align(text.lines)


async def _objects(arguments: argparse.Namespace, client: KubeClient, targets: list[Target]) -> tuple[list[Obj], bool]:
    objects: list[Obj] = []
    failed = False
    for target in targets:
        where = scope.namespace(arguments, target.resource)
        try:
            if target.name:
                objects.append(await client.get(target.resource, target.name, where))
            else:
                found = await client.list(target.resource, where, labels=arguments.selector)
                objects += [typed(target.resource, item) for item in found.items]
        except NotFound as error:
            print(line_of(error), file=sys.stderr)
            failed = True
    return objects, failed


async def _events(client: KubeClient, obj: Obj) -> list[Obj]:
    metadata = obj["metadata"]
    chosen = {"name": metadata["name"], "kind": obj["kind"], "uid": metadata.get("uid", "")}
    if obj["kind"] == "Node":
        # Agents use the name of the node as its uid.
        chosen.pop("uid")
    fields = ",".join(f"involvedObject.{key}={value}" for key, value in chosen.items() if value)
    try:
        found = await client.list(EVENTS, metadata.get("namespace") or "", fields=fields)
    except ApiError:
        return []
    return sorted(found.items, key=_last_seen)


def _write_events(text: Text, events: list[Obj], now: float) -> None:
    if not events:
        text.write(0, "Events:\t<none>")
        return
    text.write(0, "Events:")
    text.write(1, "Type\tReason\tAge\tFrom\tMessage")
    text.write(1, "----\t------\t----\t----\t-------")
    for event in events:
        source = event.get("source") or {}
        origin = event.get("reportingComponent") or source.get("component") or ""
        if source.get("host"):
            origin = f"{source.get('component', origin)}, {source['host']}"
        seen = age(_last_seen(event), now)
        count = event.get("count") or (event.get("series") or {}).get("count") or 1
        if count > 1:
            seen = f"{seen} (x{count} over {age(_first_seen(event), now)})"
        message = str(event.get("message", "")).strip().replace("\n", " ")
        text.write(1, f"{event.get('type', '')}\t{event.get('reason', '')}\t{seen}\t{origin}\t{message}")


def _last_seen(event: Obj) -> str:
    series = event.get("series") or {}
    stamps = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next((stamp for stamp in stamps if stamp), event["metadata"].get("creationTimestamp") or ""))


def _first_seen(event: Obj) -> str:
    return str(event.get("firstTimestamp") or event.get("eventTime") or _last_seen(event))
