"""What is left of the machine, by kubelet's names of signals."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MEMORY = "memory.available"
NODE_FS, NODE_INODES = "nodefs.available", "nodefs.inodesFree"
PIDS = "pid.available"
SIGNALS = (MEMORY, NODE_FS, NODE_INODES, PIDS)


@dataclass(frozen=True, slots=True)
class Level:
    """Bytes or pieces."""

    available: int
    capacity: int


Signals = Mapping[str, Level]


def read_signals(root: Path) -> Signals:
    """The machine's signals; `root` lies on the file system of the node. What cannot be read is left out."""
    found: dict[str, Level] = {}
    memory = _memory()
    if memory is not None:
        found[MEMORY] = memory
    try:
        disk = os.statvfs(root)
    except OSError:
        pass
    else:
        found[NODE_FS] = Level(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)
        if disk.f_files:
            found[NODE_INODES] = Level(disk.f_favail, disk.f_files)
    pids = _pids()
    if pids is not None:
        found[PIDS] = pids
    return found


def _memory() -> Level | None:
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line)
        return Level(int(lines["MemAvailable"].split()[0]) * 1024, int(lines["MemTotal"].split()[0]) * 1024)
    except (OSError, KeyError, ValueError):
        return None


def _pids() -> Level | None:
    """The last field but one of /proc/loadavg is running/all threads."""
    try:
        limit = int(Path("/proc/sys/kernel/pid_max").read_text())
        used = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return None
    return Level(max(limit - used, 0), limit)
