"""Processes as /proc tells them. A process is named by pid and start time, so that a pid used again is not ours."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from kube_actors.node.runtime.process.shim.files import start_time
from kube_actors.node.runtime.process.shim.supervisor import children

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    start: int

    def alive(self) -> bool:
        return self.pid > 0 and self.start > 0 and start_time(self.pid) == self.start

    def signal(self, number: int) -> None:
        """Nothing happens if it is gone."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def signal_group(self, number: int) -> None:
        """The process group that it leads."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)


def descendants(pid: int) -> Iterator[int]:
    """Children first, then theirs; without `pid` itself."""
    for child in children(pid):
        yield child
        yield from descendants(child)


def kill_descendants(supervisor: Process) -> None:
    """Everything of a container but its supervisor, which takes note of the end."""
    if not supervisor.alive():
        return
    for pid in list(descendants(supervisor.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_rest(process: Process, groups: Sequence[str]) -> None:
    """Everything of a container whose supervisor has gone: what its control groups hold, and its session."""
    for pid in {*_members(groups), *_session(process)}:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _members(groups: Sequence[str]) -> Iterator[int]:
    for group in groups:
        with suppress(OSError), open(os.path.join(group, "cgroup.procs")) as file:
            yield from map(int, file.read().split())


def _session(leader: Process) -> Iterator[int]:
    """The leader may have ended: as long as one of its session is left, nobody gets its pid."""
    if leader.pid <= 0 or start_time(leader.pid) not in (0, leader.start):
        return
    for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
        with suppress(OSError):
            if os.getsid(pid) == leader.pid and start_time(pid) >= leader.start:
                yield pid


def usage(supervisor: Process) -> tuple[int, int]:
    """(nanoseconds of CPU, bytes of memory) of a container.

    The times of those who have ended are in their parents' counts, in the end the supervisor's, so that the sum
    never falls.
    """
    ticks, memory = 0, 0
    for pid in [supervisor.pid, *descendants(supervisor.pid)]:
        with suppress(OSError, IndexError):
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b") ")[2].split()
            user, system, waited_user, waited_system = (int(field) for field in fields[11:15])
            ticks += waited_user + waited_system
            if pid != supervisor.pid:
                ticks += user + system
                memory += int(fields[21]) * _PAGE
    return ticks * 1_000_000_000 // _TICKS, memory
