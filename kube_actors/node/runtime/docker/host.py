"""What this machine lets an engine on it do, and see."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from kube_actors.node.runtime.interface import UNCONFINED, RuntimeFailure

_PEER_CREDENTIALS = struct.Struct("3i")
_CAP_SYS_RESOURCE = 24
LOWEST = -1000
_APP_ARMOR = Path("/sys/kernel/security/apparmor/profiles")


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


def require_app_armor(profile: str, loaded: Path = _APP_ARMOR) -> None:
    """Docker would look for it at the start only. Raises RuntimeFailure, in containerd's words, where the kernel has no
    such profile; where the kernel does not tell us, Docker is left to find out."""
    if profile in ("", UNCONFINED):
        return
    try:
        lines = loaded.read_text().splitlines()
    except OSError:
        return
    if not any(line.startswith(f"{profile} (") for line in lines):
        reason = f"failed to generate apparmor spec opts: apparmor profile not found {profile}"
        raise RuntimeFailure(f"failed to get container spec opts: {reason}", "CreateContainerError")


def sees(engine_socket: str, folder: Path) -> bool:
    """Whether the engine has the same file system as we at the folder.

    It has not where one of us lives among other mounts, as an agent in a container does. Raises OSError where the
    engine's socket takes no connection.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setblocking(False)
        connection.connect(engine_socket)
        pid, _, _ = _PEER_CREDENTIALS.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
        )
    try:
        # A process that is none of ours here is 0.
        return Path(f"/proc/{pid}/root{folder}").stat().st_dev == folder.stat().st_dev
    except OSError:
        return False
