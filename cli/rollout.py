"""kactl rollout status: how the rollout of a Deployment goes, until it is finished."""

from __future__ import annotations

import argparse
import asyncio
import sys

from kube_actors.api import Obj
from kube_actors.api.meta import condition
from kube_actors.client.client import KubeClient
from kube_actors.cluster import loop

from . import durations, scope, session, waiting
from .failure import Failure, usage
from .names import Names
from .progress import Progress
from .scope import Chosen


def run(arguments: argparse.Namespace) -> int:
    return loop.run(status(arguments))


async def status(arguments: argparse.Namespace) -> int:
    """Print each stage once. Raises Failure where the rollout fails or the time is over."""
    limit = durations.seconds(arguments.timeout)
    async with session.client(arguments) as client:
        names = Names(await client.discover())
        for target in names.targets(arguments.words):
            if (target.resource.group, target.resource.plural) != ("apps", "deployments"):
                raise usage(f"no status viewer has been implemented for {target.resource.kind}; use a Deployment")
            if not target.name:
                raise usage("required resource not specified; name a Deployment")
            chosen = Chosen(target.resource, target.name, scope.namespace(arguments, target.resource))
            try:
                async with asyncio.timeout(limit if limit > 0 else None):
                    await follow(client, chosen, arguments.watch == "true")
            except TimeoutError:
                raise Failure("error: timed out waiting for the condition") from None
    return 0


async def follow(client: KubeClient, chosen: Chosen, watch: bool = True) -> None:
    """Print what `stage` says whenever it changes."""
    with Progress(f'Rolling out "{chosen.name}"') as progress:
        printer = _Stages(chosen.name, progress)
        if not watch:
            printer.holds(await client.get(chosen.resource, chosen.name, chosen.namespace))
            return
        await waiting.reach(client, waiting.Goal(chosen, printer))


class _Stages:
    """Prints stages; it holds when the rollout is finished."""

    needs_object = True

    def __init__(self, name: str, progress: Progress) -> None:
        self._name = name
        self._progress = progress
        self._last = ""

    def holds(self, obj: Obj | None) -> bool:
        if obj is None:
            raise Failure(f'Error from server (NotFound): deployments.apps "{self._name}" not found')
        text, finished = stage(obj)
        if text != self._last:
            self._last = text
            self._print(text)
        return finished

    def _print(self, text: str) -> None:
        if sys.stdout.isatty() and sys.stderr.isatty():
            self._progress.note(text)
        else:
            print(text, flush=True)


def stage(deployment: Obj) -> tuple[str, bool]:
    """kubectl's line for a Deployment, and whether its rollout is finished. Raises Failure where it failed."""
    name = deployment["metadata"]["name"]
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    if (deployment["metadata"].get("generation") or 0) > (status.get("observedGeneration") or 0):
        return "Waiting for deployment spec update to be observed...", False
    progressing = condition(deployment, "Progressing")
    if progressing is not None and progressing.get("reason") == "ProgressDeadlineExceeded":
        raise Failure(f'error: deployment "{name}" exceeded its progress deadline')
    wanted = spec.get("replicas", 1)
    replicas, updated, available = (
        status.get(key) or 0 for key in ("replicas", "updatedReplicas", "availableReplicas")
    )
    prefix = f'Waiting for deployment "{name}" rollout to finish:'
    if updated < wanted:
        return f"{prefix} {updated} out of {wanted} new replicas have been updated...", False
    if replicas > updated:
        return f"{prefix} {replicas - updated} old replicas are pending termination...", False
    if available < updated:
        return f"{prefix} {available} of {updated} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True
