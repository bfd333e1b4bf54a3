"""What this machine lets an engine on it do."""

from __future__ import annotations

from pathlib import Path

_CAP_SYS_RESOURCE = 24
LOWEST = -1000


def lowest_oom_score(status: str) -> int:
    """The lowest oom_score_adj that a container may get, from /proc/self/status.

    Where a machine's bounding set lacks CAP_SYS_RESOURCE (a container, some virtual machines), runc dies without a
    word while it sets a negative score. The engine then lacks it as we do.
    """
    for line in status.splitlines():
        if line.startswith("CapBnd:"):
            return LOWEST if int(line.split()[1], 16) >> _CAP_SYS_RESOURCE & 1 else 0
    return LOWEST


def this_machine() -> int:
    try:
        return lowest_oom_score(Path("/proc/self/status").read_text())
    except OSError:
        return LOWEST
