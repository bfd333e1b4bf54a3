"""kactl logs."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.meta import controller_of, name_of
from kube_actors.api.resources import PODS, REPLICA_SETS
from kube_actors.api.selectors import LabelSelector
from kube_actors.client.client import KubeClient
from kube_actors.cluster import loop

from . import durations, session
from .failure import usage
from .names import Names
from .scope import DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class Source:
    """One container of one pod."""

    pod: str
    container: str


def run(arguments: argparse.Namespace) -> int:
    return loop.run(logs(arguments))


async def logs(arguments: argparse.Namespace) -> int:
    if not arguments.target and not arguments.selector:
        raise usage(
            "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'. POD or TYPE/NAME is a required argument"
        )
    if arguments.container and arguments.container_argument:
        raise usage("only one of -c or an inline [CONTAINER] arg is allowed")
    async with session.client(arguments) as client:
        pods = await _pods(arguments, client)
        sources = [source for pod in pods for source in _sources(arguments, pod)]
        if len(sources) == 1:
            await _copy(arguments, client, sources[0], "")
        elif arguments.follow:
            async with asyncio.TaskGroup() as together:
                for source in sources:
                    together.create_task(_copy(arguments, client, source, _prefix(arguments, source)), name="logs")
        else:
            for source in sources:
                await _copy(arguments, client, source, _prefix(arguments, source))
    return 0


async def _pods(arguments: argparse.Namespace, client: KubeClient) -> list[Obj]:
    namespace = arguments.namespace or DEFAULT_NAMESPACE
    if arguments.selector:
        found = (await client.list(PODS, namespace, labels=arguments.selector)).items
        if not found:
            print(f"No resources found in {namespace} namespace.", file=sys.stderr)
        return found
    if "/" not in arguments.target:
        return [await client.get(PODS, arguments.target, namespace)]
    target = Names(await client.discover()).targets([arguments.target])[0]
    if target.resource == PODS or target.resource.kind == "Pod":
        return [await client.get(PODS, target.name, namespace)]
    owner = await client.get(target.resource, target.name, namespace)
    selector = (owner.get("spec") or {}).get("selector")
    if not selector:
        raise usage(f"{target.resource.kind} {target.name} has no pods to show the logs of")
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        selector = {"matchLabels": selector}
    pods = (await client.list(PODS, namespace, labels=str(LabelSelector.from_object(selector)))).items
    if not pods:
        raise usage(f"no pods of {arguments.target} found")
    newest = await _of_newest(client, namespace, owner, pods)
    if len(pods) > 1:
        print(f"Found {len(pods)} pods, using pod/{name_of(newest)}", file=sys.stderr)
    return [newest]


async def _of_newest(client: KubeClient, namespace: str, owner: Obj, pods: list[Obj]) -> Obj:
    """A pod that runs, of the newest ReplicaSet where the owner is a Deployment."""
    created: dict[str, str] = {}
    if owner.get("kind") == "Deployment":
        sets = (await client.list(REPLICA_SETS, namespace)).items
        created = {name_of(each): each["metadata"].get("creationTimestamp", "") for each in sets}

    def rank(pod: Obj) -> tuple[bool, str]:
        parent = (controller_of(pod) or {}).get("name", "")
        return (pod.get("status") or {}).get("phase") == "Running", created.get(parent, "")

    return max(pods, key=rank)


def _sources(arguments: argparse.Namespace, pod: Obj) -> list[Source]:
    spec = pod.get("spec") or {}
    containers = [each["name"] for each in spec.get("containers") or ()]
    everything = [each["name"] for each in spec.get("initContainers") or ()] + containers
    if arguments.all_containers:
        return [Source(name_of(pod), name) for name in everything]
    wanted = arguments.container or arguments.container_argument or ""
    if wanted and wanted not in everything:
        raise usage(f"container {wanted} is not valid for pod {name_of(pod)}")
    if not wanted and len(containers) > 1:
        print(f'Defaulted container "{containers[0]}" out of: {", ".join(containers)}', file=sys.stderr, flush=True)
    return [Source(name_of(pod), wanted or containers[0])]


def _prefix(arguments: argparse.Namespace, source: Source) -> str:
    return f"[pod/{source.pod}/{source.container}] " if arguments.prefix else ""


async def _copy(arguments: argparse.Namespace, client: KubeClient, source: Source, prefix: str) -> None:
    tail = arguments.tail
    if tail is None and arguments.selector:
        # kubectl: with a selector only the last lines, unless asked for more.
        tail = 10
    chunks = client.logs(
        arguments.namespace or DEFAULT_NAMESPACE,
        source.pod,
        container=source.container,
        follow=arguments.follow,
        previous=arguments.previous,
        timestamps=arguments.timestamps,
        tail_lines=tail if tail is None or tail >= 0 else None,
        limit_bytes=arguments.limit_bytes,
        since_seconds=int(durations.seconds(arguments.since)) if arguments.since else None,
    )
    out = sys.stdout.buffer
    async for data in chunks if not prefix else _lines(chunks, prefix.encode()):
        out.write(data)
        out.flush()


async def _lines(chunks: AsyncIterator[bytes], prefix: bytes) -> AsyncIterator[bytes]:
    """Whole lines, each with the prefix."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield b"".join(prefix + line + b"\n" for line in lines)
    if rest:
        yield prefix + rest + b"\n"
