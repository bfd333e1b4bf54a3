"""What a container is and what became of it, as files: config.json of the agent, state.json of the shim."""

from __future__ import annotations

import json
import os
from typing import Any

CONFIG, CLAIM, STATE, LOG, SOCKET = "config.json", "claimed", "state.json", "log", "io.sock"

CREATED, RUNNING, EXITED = "created", "running", "exited"


def write_atomically(path: str, content: dict[str, Any]) -> None:
    """A reader sees the old content or the new one, never a part."""
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w") as file:
        json.dump(content, file)
    os.replace(temporary, path)


def read(path: str) -> dict[str, Any]:
    """Raises OSError and ValueError."""
    with open(path) as file:
        content: dict[str, Any] = json.load(file)
    return content


def start_time(pid: int) -> int:
    """When a process started, in ticks since boot: with the pid it names a process for good. 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field is the command in parentheses, which may hold anything.
            fields = file.read().rpartition(b") ")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""
