"""kactl delete: in the given order, then wait until all are gone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from kube_actors.api.errors import ApiError, NotFound
from kube_actors.client.client import KubeClient
from kube_actors.cluster import loop

from . import durations, scope, session, waiting
from .failure import Failure, line_of, usage
from .manifests import load
from .names import Names, display, resource_display
from .progress import Progress
from .scope import Chosen

PROPAGATION = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}


def run(arguments: argparse.Namespace) -> int:
    return loop.run(delete(arguments))


async def delete(arguments: argparse.Namespace) -> int:
    """Delete what was chosen; the exit code is 1 where something could not be."""
    async with session.client(arguments) as client:
        names = Names(await client.discover())
        chosen = await _choose(arguments, client, names)
        failures, deleted = 0, []
        for each in chosen:
            try:
                gone = await _one(arguments, client, each)
            except ApiError as error:
                print(line_of(error), file=sys.stderr)
                failures += 1
                continue
            if gone is not None:
                deleted.append(gone)
        if not chosen and not arguments.ignore_not_found:
            print("No resources found", file=sys.stderr)
        if arguments.wait == "true" and deleted:
            await _wait(arguments, client, deleted)
        return 1 if failures else 0


async def _choose(arguments: argparse.Namespace, client: KubeClient, names: Names) -> list[Chosen]:
    if not arguments.words and not arguments.filename:
        raise usage("You must provide one or more resources by argument or filename")
    if arguments.filename:
        manifests = load(arguments.filename, arguments.recursive)
        resources = [names.of_object(each.obj, each.source) for each in manifests]
        return [
            Chosen(resource, each.obj["metadata"]["name"], scope.manifest_namespace(arguments, resource, each))
            for resource, each in zip(resources, manifests, strict=True)
        ]
    return await scope.choose(arguments, client, names)


async def _one(arguments: argparse.Namespace, client: KubeClient, chosen: Chosen) -> waiting.Goal | None:
    """Delete one; what to wait for. None where it is not there and need not be."""
    grace = 1 if arguments.now else arguments.grace_period
    if arguments.force:
        grace = 0 if grace is None else grace
    try:
        answer = await client.delete(
            chosen.resource,
            chosen.name,
            chosen.namespace,
            grace_seconds=grace,
            propagation=PROPAGATION[arguments.cascade],
        )
    except NotFound:
        if arguments.ignore_not_found:
            return None
        raise
    _say(arguments, chosen)
    # Another object of the same name is not ours to wait for.
    uid = (answer.get("metadata") or {}).get("uid") or (answer.get("details") or {}).get("uid") or ""
    return waiting.Goal(chosen, waiting.Gone(uid))


def _say(arguments: argparse.Namespace, chosen: Chosen) -> None:
    if arguments.output == "name":
        print(display(chosen.resource, chosen.name), flush=True)
        return
    verb = "force deleted" if arguments.force else "deleted"
    where = f" from {chosen.namespace} namespace" if chosen.namespace else ""
    print(f'{resource_display(chosen.resource)} "{chosen.name}" {verb}{where}', flush=True)


async def _wait(arguments: argparse.Namespace, client: KubeClient, goals: Sequence[waiting.Goal]) -> None:
    limit = durations.seconds(arguments.timeout)
    with Progress("Waiting until they are gone"):
        late = await waiting.wait_all(client, goals, limit if limit > 0 else None)
    if late:
        raise Failure(f"error: timed out waiting for the condition on {waiting.plural(late[0])}")
