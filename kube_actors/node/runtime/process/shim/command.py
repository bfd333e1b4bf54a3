"""Becoming the container's command: isolation, limits, user, working directory, exec."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
from typing import Any

from . import isolate, kernel

# What a shell says of a command that is not there, or that is no program.
NOT_FOUND, NOT_EXECUTABLE, SETUP_FAILED = 127, 126, 128


class CommandError(Exception):
    """The command could not be started; `code` is the exit code to show."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def isolation_of(config: dict[str, Any], folder: str) -> isolate.Isolation:
    mounts = tuple(isolate.MountPlan(**mount) for mount in config["mounts"])
    return isolate.Isolation(
        config["isolation"], config["hostname"], mounts, folder, config["image_root"], config["read_only_root"]
    )


def become(config: dict[str, Any], command: list[str]) -> None:
    """Never returns but by CommandError. What was isolated before stays; the caller is a fresh child."""
    _restore_signals()
    _change_user(config)
    try:
        # The command is ended with its supervisor. Asked for last, because a change of user forgets it.
        if config.get("dies_with_parent"):
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        if config["no_new_privileges"]:
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    except OSError as exc:
        raise CommandError(str(exc), SETUP_FAILED) from exc
    environment = dict(config["env"])
    directory = config["working_dir"] or "/"
    try:
        os.chdir(directory)
    except OSError as exc:
        raise CommandError(
            f'chdir to cwd ("{directory}") failed: {(exc.strerror or "").lower()}', SETUP_FAILED
        ) from exc
    program = find_program(command[0], environment.get("PATH", ""), config["python"])
    if program is None:
        text = f'exec: "{command[0]}": executable file not found in $PATH'
        if "/" in command[0]:
            text = f'exec: "{command[0]}": stat {command[0]}: no such file or directory'
        raise CommandError(text, NOT_FOUND)
    try:
        os.execve(program, command, environment)
    except OSError as exc:
        code = NOT_FOUND if exc.errno == errno.ENOENT else NOT_EXECUTABLE
        raise CommandError(f'exec: "{command[0]}": {(exc.strerror or "").lower()}', code) from exc


def find_program(name: str, path: str, python: str) -> str | None:
    """By the container's PATH; `python3` is at least the interpreter that runs the node."""
    if "/" in name:
        return name if os.path.exists(name) else None
    found = shutil.which(name, path=path)
    if found is None and name in ("python", "python3") and os.access(python, os.X_OK):
        return python
    return found


def _restore_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for name in ("SIGPIPE", "SIGXFSZ", "SIGCHLD", "SIGTERM", "SIGINT", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.set_wakeup_fd(-1)


def _change_user(config: dict[str, Any]) -> None:
    """Without root's rights the container runs as whoever runs the node; the agent has said so."""
    user, group = config["user"], config["group"]
    if os.geteuid() != 0 or (user is None and group is None and not config["groups"]):
        return
    try:
        if group is not None:
            os.setgid(group)
        elif user is not None:
            os.setgid(0)
        os.setgroups(config["groups"])
        if user is not None:
            os.setuid(user)
    except OSError as exc:
        raise CommandError(f"setting the user: {exc.strerror}", SETUP_FAILED) from exc


def lower_oom_score(score: int) -> None:
    """Without the right to lower it, it stays what it is."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(score))
