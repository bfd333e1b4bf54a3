"""A further process in a running container: exec."""

from __future__ import annotations

import os
import sys
from typing import Any

from . import command, files, isolate, kernel
from .attached import take_terminal


def enter(folder: str, words: list[str], tty: bool) -> int:
    """Become the command inside the container; returns an exit code only where that failed."""
    config = files.read(os.path.join(folder, files.CONFIG))
    state = files.read(os.path.join(folder, files.STATE))
    pid = int(state.get("pid", 0))
    try:
        if state["state"] != files.RUNNING or files.start_time(pid) != state["start"]:
            raise command.CommandError("container is not running", command.SETUP_FAILED)
        if tty:
            take_terminal(0)
        for path in config["cgroups"]:
            _join_cgroup(path)
        if config["isolation"] != isolate.NONE:
            _join_namespaces(pid, config)
        # An agent that is killed takes the sessions of its users along.
        command.become(config | {"dies_with_parent": True}, words)
    except command.CommandError as exc:
        return _fail(str(exc), exc.code)
    except OSError as exc:
        return _fail(str(exc), command.SETUP_FAILED)
    return 0


def _join_namespaces(pid: int, config: dict[str, Any]) -> None:
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY)
    kinds = [("mnt", kernel.CLONE_NEWNS), ("uts", kernel.CLONE_NEWUTS)]
    if config["isolation"] == isolate.USER:
        kinds.insert(0, ("user", kernel.CLONE_NEWUSER))
    descriptors = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), kind) for name, kind in kinds]
    for descriptor, kind in descriptors:
        kernel.setns(descriptor, kind)
        os.close(descriptor)
    # A change of mount namespace leads to its root, which need not be the container's.
    os.fchdir(root)
    os.chroot(".")
    os.close(root)


def _join_cgroup(path: str) -> None:
    try:
        with open(os.path.join(path, "cgroup.procs"), "w") as file:
            file.write("0")
    except OSError:
        return


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"{message}\n")
    return code
