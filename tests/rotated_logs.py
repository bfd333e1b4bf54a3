"""A container whose log rotates while it is followed, read by kubectl in every way; on any runtime."""

from __future__ import annotations

from typing import Any

from tests.e2e.docker_cluster.cluster import Space
from tests.kactl_cluster import until

# Of the container: what it remembers from run to run.
MEMORY: dict[str, Any] = {"volumeMounts": [{"name": "m", "mountPath": "/memory"}]}
VOLUMES: dict[str, Any] = {"volumes": [{"name": "m", "emptyDir": {}}]}


def script(lines: int, width: int, pause: int) -> str:
    """Writes numbered lines, the first at once, the others when it is told to go, with a rest after every `pause` of
    them; then it fails. When it is run again it only waits."""
    write = f"printf '%0{width}d\\n' $i; i=$((i+1)); [ $((i % {pause})) = 0 ] && sleep 0.02"
    wait = "until [ -e /memory/go ]; do sleep 0.05; done"
    return (
        f"[ -e /memory/go ] && exec sleep 3600; printf '%0{width}d\\n' 0; {wait}; "
        f"i=1; while [ $i -lt {lines} ]; do {write}; done; exit 1"
    )


def read_in_every_way(space: Space, pod: str, lines: int, tail: int) -> None:
    """`tail` lines are in more than one file, and no more than are kept."""

    def numbers(*words: str) -> list[int]:
        return [int(line.split()[-1]) for line in space.kubectl("logs", pod, *words).splitlines()]

    space.wait(pod)
    with space.cluster.popen("kubectl", "-n", space.name, "logs", "-f", pod) as follower:
        assert follower.stdout is not None
        first = follower.stdout.readline()
        space.sh(pod, "touch /memory/go")
        rest, _ = follower.communicate(timeout=60)
    assert [int(line) for line in (first + rest).splitlines()] == list(range(lines))
    until(lambda: space.container(pod)["restartCount"] == 1 and space.container(pod)["ready"])
    kept = numbers("--previous")
    assert kept == list(range(kept[0], lines))
    assert tail <= len(kept) < lines
    assert numbers("--previous", f"--tail={tail}") == kept[-tail:]
    stamp = space.kubectl("logs", pod, "--previous", f"--tail={tail}", "--timestamps").split()[0]
    since = numbers("--previous", f"--since-time={stamp[:19]}Z")
    assert tail <= len(since)
    assert since == kept[-len(since) :]
    limit = len(first) * tail - 1
    limited = space.kubectl("logs", pod, "--previous", f"--limit-bytes={limit}")
    assert len(limited) == limit
    assert [int(line) for line in limited.splitlines()] == kept[:tail]
