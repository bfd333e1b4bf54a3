"""What the machine uses of itself at the moment, in the form of a Summary's `node`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kube_actors.node.eviction.signals import MEMORY, NODE_FS, NODE_INODES, PIDS, Level, Signals, read_signals

_TICKS = os.sysconf("SC_CLK_TCK")
# Columns of /proc/stat's first line in which the machine does nothing; guests' time is in that of users.
_IDLE, _IOWAIT, _STEAL = 3, 4, 7


def cpu_nanoseconds(stat: str) -> int:
    """All cores' time at work since the machine started, from the text of /proc/stat; 0 where it does not tell."""
    words = stat.partition("\n")[0].split()[1 : _STEAL + 2]
    busy = sum(int(word) for column, word in enumerate(words) if column not in (_IDLE, _IOWAIT))
    return busy * 1_000_000_000 // _TICKS


def machine_use(root: Path, time: str) -> dict[str, Any]:
    """`root` lies on the file system of the node. What cannot be read is left out."""
    try:
        cpu = cpu_nanoseconds(Path("/proc/stat").read_text())
    except (OSError, ValueError):
        cpu = 0
    return {"cpu": {"time": time, "usageCoreNanoSeconds": cpu}, **shown(read_signals(root), time)}


def shown(signals: Signals, time: str) -> dict[str, Any]:
    """The machine's signals as fields of a Summary: the same numbers by which pods are evicted."""
    found: dict[str, Any] = {}
    memory = signals.get(MEMORY, Level(0, 0))
    found["memory"] = {
        "time": time,
        "availableBytes": memory.available,
        "usageBytes": memory.capacity - memory.available,
        "workingSetBytes": memory.capacity - memory.available,
    }
    if NODE_FS in signals:
        disk = signals[NODE_FS]
        found["fs"] = {
            "time": time,
            "availableBytes": disk.available,
            "capacityBytes": disk.capacity,
            "usedBytes": disk.capacity - disk.available,
        }
        if NODE_INODES in signals:
            inodes = signals[NODE_INODES]
            found["fs"] |= {
                "inodesFree": inodes.available,
                "inodes": inodes.capacity,
                "inodesUsed": inodes.capacity - inodes.available,
            }
    if PIDS in signals:
        pids = signals[PIDS]
        found["rlimit"] = {"time": time, "maxpid": pids.capacity, "curproc": pids.capacity - pids.available}
    return found
