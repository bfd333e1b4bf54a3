"""CPU and memory of a container, from the engine's one-shot statistics, and what it has written."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kube_actors.node.runtime.docker.engine import Engine, failures
from kube_actors.node.runtime.interface import ContainerStats, NoSuchContainer


def stats_of(answer: Mapping[str, Any]) -> ContainerStats:
    """The working set is what is used less the file cache that could go at once, as cAdvisor counts it."""
    memory = answer.get("memory_stats") or {}
    details = memory.get("stats") or {}
    # total_inactive_file: cgroup v1, inactive_file: v2.
    cache = int(details.get("total_inactive_file", details.get("inactive_file", 0)))
    used = int(memory.get("usage") or 0)
    cpu = ((answer.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage") or 0
    return ContainerStats(cpu_nanoseconds=int(cpu), memory_bytes=max(used - cache, 0))


async def container_stats(engine: Engine, docker_id: str) -> ContainerStats:
    async with failures("StatsUnavailable"):
        # one-shot: without it the engine measures for a second.
        answer = await engine.json("GET", f"containers/{docker_id}/stats", params={"stream": "0", "one-shot": "1"})
    # Podman answers nothing for a container that does not run.
    if not ((answer or {}).get("memory_stats") or {}).get("usage"):
        raise NoSuchContainer(f"container {docker_id} does not run", "StatsUnavailable")
    return stats_of(answer)


async def disk_use(engine: Engine, docker_id: str) -> int:
    """The writable layer, as the engine measures it, and the log with those it was rotated to."""
    async with failures("StatsUnavailable"):
        answer = await engine.json("GET", f"containers/{docker_id}/json", params={"size": "1"})
    layer = int(answer.get("SizeRw") or 0)
    path = answer.get("LogPath")
    return layer + (_logs(Path(path)) if path and engine.endpoint.local else 0)


def _logs(path: Path) -> int:
    """0 where the engine's files are not ours to see."""
    with suppress(OSError):
        return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    return 0
