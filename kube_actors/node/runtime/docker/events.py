"""What starts and ends on the engine, as uids of pods.

aiodocker's event task filters by its first subscriber, ends for good with the connection and buffers without
bound; so the loop is our own: read the stream, remember the newest time, connect again with `since`. It tells where
the stream begins and breaks, because the engine may have lost events in between.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum

import aiodocker
import aiohttp
import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.clock import Clock
from kube_actors.node.runtime.docker import names
from kube_actors.node.runtime.docker.engine import Engine

log = structlog.get_logger(__name__)

_BACKOFF = Backoff(initial=0.2, maximum=10.0)
_ACTIONS = ("start", "die", "oom", "destroy", "pause", "unpause")


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to a container of a pod."""

    pod_uid: str
    docker_id: str


class Stream(Enum):
    """BEGUN: from now on changes are told; whatever happened before may have been missed. BROKEN: none is told."""

    BEGUN = "begun"
    BROKEN = "broken"


async def pod_changes(engine: Engine, owner: names.Owner, clock: Clock) -> AsyncIterator[Change | Stream]:
    """Never ends by itself."""
    since = f"{clock.now():.9f}"
    failed = 0
    while True:
        filters = owner.filters() | {"type": ["container"], "event": list(_ACTIONS)}
        params = {"since": since, "filters": json.dumps(filters)}
        try:
            async with engine.request("GET", "events", params=params) as response:
                yield Stream.BEGUN
                failed = 0
                async for line in response.content:
                    event = json.loads(line)
                    nanoseconds = int(event["timeNano"])
                    # `since` includes its own instant.
                    since = f"{nanoseconds // 10**9}.{nanoseconds % 10**9 + 1:09d}"
                    identity = names.Identity.parse(event["Actor"]["Attributes"])
                    if identity is not None:
                        yield Change(identity.pod_uid, event["Actor"]["ID"])
        except (aiodocker.DockerError, aiohttp.ClientError, ConnectionError, ValueError, KeyError) as exc:
            log.warning("the Docker event stream broke", error=str(exc), failures=failed + 1)
        failed += 1
        yield Stream.BROKEN
        await clock.sleep(_BACKOFF.delay(failed))
