"""Logs of containers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api.errors import BadRequest
from kube_actors.node.pods.view import Run
from kube_actors.node.runtime.interface import LogOptions, NoSuchContainer
from kube_actors.node.streams.target import Target, Targets, waiting_reason
from kube_actors.rpc.pb import api_pb2 as pb


async def stream_logs(targets: Targets, request: Any, now: float) -> AsyncIterator[Any]:
    """LogsChunks of the run that the request means. Raises BadRequest where it has no log."""
    target = await targets.container(request.namespace, request.pod, request.container)
    run = _previous(target) if request.previous else _present(target)
    options = _options(request, now)
    try:
        async with aclosing(target.runtime.logs(run.id, options)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield pb.LogsChunk(data=chunk)
    except NoSuchContainer as error:
        raise BadRequest(f"unable to retrieve container logs for {run.id}") from error


def _present(target: Target) -> Run:
    run = target.view.latest
    if run is None or not run.current:
        name, pod = target.view.name, target.pod["metadata"]["name"]
        raise BadRequest(f'container "{name}" in pod "{pod}" is waiting to start: {waiting_reason(target)}')
    return run


def _previous(target: Target) -> Run:
    view = target.view
    # A container that waits for its restart: its last run is both the present and the previous one.
    run = view.previous if view.running else view.previous or view.latest
    if run is None or not run.current:
        name, pod = view.name, target.pod["metadata"]["name"]
        raise BadRequest(f'previous terminated container "{name}" in pod "{pod}" not found')
    return run


def _options(request: Any, now: float) -> LogOptions:
    since = 0.0
    if request.HasField("since_seconds"):
        since = now - request.since_seconds
    elif request.since_time:
        try:
            since = parse_rfc3339(request.since_time)
        except ValueError as error:
            raise BadRequest(f"sinceTime is no RFC 3339 time: {request.since_time}") from error
    return LogOptions(
        follow=request.follow,
        timestamps=request.timestamps,
        tail=request.tail_lines if request.HasField("tail_lines") else None,
        since=since,
        limit_bytes=request.limit_bytes if request.HasField("limit_bytes") else None,
    )
