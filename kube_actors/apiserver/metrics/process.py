"""This process as the kernel sees it (proc(5))."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from kube_actors.apiserver.metrics.families import family

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


def lines() -> Iterator[str]:
    """Nothing where there is no /proc."""
    rows = _rows()
    for name, kind, text, value in rows:
        yield from family(name, kind, text, (), [((), value)])


def _rows() -> list[tuple[str, str, str, float]]:
    try:
        fields = Path("/proc/self/statm").read_text().split()
        files = len(os.listdir("/proc/self/fd"))
        started = _start_time()
    except OSError:
        return []
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return [
        (
            "process_cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
            used.ru_utime + used.ru_stime,
        ),
        ("process_max_fds", "gauge", "Maximum number of open file descriptors.", limit),
        ("process_open_fds", "gauge", "Number of open file descriptors.", files),
        ("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", int(fields[1]) * _PAGE),
        ("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", started),
        ("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", int(fields[0]) * _PAGE),
    ]


@cache
def _start_time() -> float:
    """The machine's boot and the ticks after which this process began."""
    boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return int(boot.split()[1]) + int(after_name[19]) / _TICKS
