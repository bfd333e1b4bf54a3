"""kactl wait."""

from __future__ import annotations

import argparse

from kube_actors.cluster import loop

from . import durations, scope, session, waiting
from .failure import Failure
from .names import Names, display
from .progress import Progress


def run(arguments: argparse.Namespace) -> int:
    return loop.run(wait(arguments))


async def wait(arguments: argparse.Namespace) -> int:
    """Wait for all chosen objects. Raises Failure at the time limit."""
    wanted = waiting.parse(arguments.condition)
    limit = durations.seconds(arguments.timeout)
    async with session.client(arguments) as client:
        chosen = await scope.choose(arguments, client, Names(await client.discover()))
        if not chosen:
            if isinstance(wanted, waiting.Gone):
                return 0
            raise Failure("error: no matching resources found")
        # kubectl: a negative limit is a week, zero looks once.
        seconds = 7 * 86400.0 if limit < 0 else limit or 0.05
        with Progress(f"Waiting for {arguments.condition}"):
            late = await waiting.wait_all(client, [waiting.Goal(each, wanted) for each in chosen], seconds)
    for each in chosen:
        if each not in late:
            print(f"{display(each.resource, each.name)} condition met", flush=True)
    if late:
        names = ", ".join(waiting.plural(each) for each in late)
        raise Failure(f"error: timed out waiting for the condition on {names}")
    return 0
