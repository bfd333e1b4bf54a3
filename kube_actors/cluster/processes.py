"""Processes by identity: a pid alone may belong to somebody else by now, a pid with its start time may not."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that cannot be mistaken for another. `started` is the kernel's start time of it."""

    pid: int
    started: str

    def alive(self) -> bool:
        return start_time(self.pid) == self.started

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal; False where the process has ended."""
        if not self.alive():
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def wait(self, seconds: float) -> bool:
        """Whether the process ends within that time."""
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
        return True


def this_process() -> ProcessId:
    return identify(os.getpid())


def identify(pid: int) -> ProcessId:
    return ProcessId(pid, start_time(pid) or "")


def start_time(pid: int) -> str | None:
    """The start time of a process; None where there is none, or only its exit status is left."""
    if not PROC.joinpath("self", "stat").exists():
        return _start_time_from_ps(pid)
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else fields[19]


def session_members(session: int) -> list[ProcessId]:
    """The processes of a session, by which all descendants of a detached process are found."""
    if not PROC.joinpath("self", "stat").exists():
        return []
    found = []
    for entry in PROC.iterdir():
        fields = _stat(int(entry.name)) if entry.name.isdigit() else None
        if fields is not None and int(fields[3]) == session and fields[0] not in "ZX":
            found.append(ProcessId(int(entry.name), fields[19]))
    return found


def find_by_argument(argument: str) -> ProcessId | None:
    """The session leader that was started with that argument (a name that nobody else has)."""
    if not PROC.joinpath("self", "stat").exists():
        return None
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        fields = _stat(int(entry.name))
        if argument.encode() in arguments and fields is not None and fields[3] == entry.name:
            return ProcessId(int(entry.name), fields[19])
    return None


def end_session(leader: ProcessId, grace: float) -> None:
    """End a process that leads a session, by TERM, and after the grace everything of the session by KILL.

    Nothing is signalled where the leader's pid has become another process.
    """
    members = session_members(leader.pid)
    if start_time(leader.pid) not in (None, leader.started):
        return
    leader.signal(signal.SIGTERM)
    leader.wait(grace)
    deadline = time.monotonic() + 2.0
    while (members := [m for m in members + session_members(leader.pid) if m.alive()]) and time.monotonic() < deadline:
        for member in members:
            member.signal(signal.SIGKILL)
        time.sleep(0.05)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the command, which may contain anything."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _start_time_from_ps(pid: int) -> str | None:
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None
