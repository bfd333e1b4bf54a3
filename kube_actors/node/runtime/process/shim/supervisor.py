"""Runs one container: its command, its streams, its end."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import selectors
import signal
import sys
import time
from typing import Any

from . import command, files, frames, isolate, kernel
from .attached import AttachServer, take_terminal
from .logfile import LogFile

# How long after the command's end its output is awaited, from processes that resist even KILL.
DRAIN_SECONDS = 2.0
_READ = 65536


class Supervisor:
    """The life of one container.

    start -> RUNNING written -> loop until the command ended -> the rest killed -> output drained -> EXITED written
    """

    def __init__(self, folder: str) -> None:
        """Raises OSError, such as where the container has a supervisor already."""
        self._folder = folder
        # Through a descriptor: what comes to be under this name after the folder's removal is another container's.
        self._files = f"/proc/self/fd/{os.open(folder, os.O_PATH | os.O_DIRECTORY)}"
        # Of two agents after one another each may have begun to start it.
        os.close(os.open(os.path.join(self._files, files.CLAIM), os.O_CREAT | os.O_EXCL, 0o600))
        self._config = files.read(os.path.join(self._files, files.CONFIG))
        self._selector = selectors.DefaultSelector()
        self._log = LogFile(os.path.join(self._files, files.LOG), **self._config["logs"])
        self._outputs: dict[int, tuple[bytes, int]] = {}
        self._exit_code: int | None = None
        self._pid = 0
        self._state: dict[str, Any] = {
            "state": files.CREATED,
            "shim_pid": os.getpid(),
            "shim_start": files.start_time(os.getpid()),
            "boot": files.boot_id(),
        }

    def start(self) -> None:
        """Raises CommandError; then the state says EXITED, as of a container that ended at once."""
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        self._watch_children()
        try:
            stdin = self._spawn()
        except command.CommandError as exc:
            now = time.time_ns() / 1e9
            self._write_state(state=files.EXITED, started_at=0.0, finished_at=now, exit_code=exc.code, error=str(exc))
            raise
        # What no file tells of, no agent would ever end.
        try:
            self._attached = AttachServer(
                self._selector, self._files, files.SOCKET, stdin, bool(self._config["stdin_once"])
            )
            self._watch_owner()
            self._record(
                state=files.RUNNING, pid=self._pid, start=files.start_time(self._pid), started_at=time.time_ns() / 1e9
            )
            # Who removes a container takes its config away before he looks for what runs; so one of us sees the other.
            os.stat(os.path.join(self._files, files.CONFIG))
        except OSError:
            self._end_the_rest()
            raise

    def run(self) -> None:
        while self._exit_code is None:
            for key, events in self._selector.select():
                key.data(events)
        self._end_the_rest()
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._outputs and time.monotonic() < deadline:
            for key, events in self._selector.select(0.1):
                key.data(events)
        self._log.close(time.time_ns())
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self._files, files.SOCKET))
        self._write_state(
            state=files.EXITED, finished_at=time.time_ns() / 1e9, exit_code=self._exit_code, oom=self._was_oom()
        )
        self._attached.send(frames.encode_exit(self._exit_code))
        self._attached.close()

    def _spawn(self) -> int:
        """Fork and exec; returns the descriptor behind the command's standard input."""
        if self._config["tty"]:
            outer, inner = pty.openpty()
            ours, theirs = [outer], [inner, inner, inner]
            # A descriptor of its own: the other one is closed when the terminal's last user has gone.
            stdin = os.dup(outer)
        else:
            (out, out_w), (err, err_w) = os.pipe(), os.pipe()
            stdin_r, stdin = os.pipe() if self._config["stdin"] else (os.open(os.devnull, os.O_RDONLY), -1)
            ours, theirs = [out, err], [stdin_r, out_w, err_w]
        failed, failing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            self._child(theirs, failing)
        for descriptor in {*theirs, failing}:
            os.close(descriptor)
        with open(failed, "rb") as pipe:
            failure = pipe.read()
        if failure:
            os.waitpid(self._pid, 0)
            message, code = json.loads(failure)
            raise command.CommandError(message, code)
        for descriptor, stream, kind in zip(ours, (b"stdout", b"stderr"), (frames.STDOUT, frames.STDERR), strict=False):
            os.set_blocking(descriptor, False)
            self._outputs[descriptor] = stream, kind
            self._selector.register(descriptor, selectors.EVENT_READ, self._reader(descriptor))
        return stdin

    def _child(self, streams: list[int], failing: int) -> None:
        code = command.SETUP_FAILED
        try:
            os.setsid()
            for number, descriptor in enumerate(streams):
                os.dup2(descriptor, number)
            if self._config["tty"]:
                take_terminal(0)
            for path in self._config["cgroups"]:
                with contextlib.suppress(OSError), open(os.path.join(path, "cgroup.procs"), "w") as file:
                    file.write("0")
            command.lower_oom_score(self._config["oom_score_adj"])
            isolate.isolate(command.isolation_of(self._config, self._folder))
            command.become(self._config | {"dies_with_parent": True}, self._config["command"])
        except command.CommandError as exc:
            os.write(failing, json.dumps([str(exc), exc.code]).encode())
        except OSError as exc:
            os.write(failing, json.dumps([str(exc), code]).encode())
        finally:
            os._exit(code)

    def _reader(self, descriptor: int) -> Any:
        def read(_events: int) -> None:
            try:
                data = os.read(descriptor, _READ)
            except BlockingIOError:
                return
            except OSError:
                # EIO is how a terminal says that its last user has gone.
                data = b""
            if not data:
                self._selector.unregister(descriptor)
                os.close(descriptor)
                del self._outputs[descriptor]
                return
            stream, kind = self._outputs[descriptor]
            self._log.write(stream, data, time.time_ns())
            self._attached.send(frames.encode(kind, data))

        return read

    def _watch_children(self) -> None:
        wake, waker = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

        def woken(_events: int) -> None:
            numbers = os.read(wake, 4096)
            for number in (signal.SIGTERM, signal.SIGINT):
                # The machine shuts down: the container gets its chance.
                if number in numbers:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(self._pid, number)
            self._reap()

        self._selector.register(wake, selectors.EVENT_READ, woken)

    def _watch_owner(self) -> None:
        """A cluster that is only in memory ends with its process, however that ends; so do its pods."""
        pid, start = self._config["owner"]
        if not pid:
            return
        try:
            owner = os.pidfd_open(pid)
        except OSError:
            # It has just ended, or the kernel has no such descriptors: then the pods stay.
            owner = -1
        if files.start_time(pid) != start:
            self._kill_children()
        elif owner >= 0:
            self._selector.register(owner, selectors.EVENT_READ, lambda _events: self._owner_ended(owner))

    def _owner_ended(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)
        self._kill_children()

    def _kill_children(self) -> None:
        for pid in children(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _reap(self) -> bool:
        """Take in everybody who has ended; whether any child is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._pid:
                self._exit_code = code_of(status)

    def _end_the_rest(self) -> None:
        """What the command left behind goes with it, as with the first process of a PID namespace."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._reap() and time.monotonic() < deadline:
            self._kill_children()
            time.sleep(0.005)

    def _was_oom(self) -> bool:
        for path in self._config["cgroups"]:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError), open(os.path.join(path, name)) as file:
                    for line in file:
                        word, _, count = line.strip().partition(" ")
                        if word == "oom_kill" and count.isdigit() and int(count) > 0:
                            return True
        return False

    def _record(self, **changes: Any) -> None:
        """Raises OSError."""
        self._state |= changes
        files.write_atomically(os.path.join(self._files, files.STATE), self._state)

    def _write_state(self, **changes: Any) -> None:
        # A full disk loses the end; the agent then sees a supervisor that has gone.
        with contextlib.suppress(OSError):
            self._record(**changes)


def code_of(status: int) -> int:
    """The exit code as shells and Kubernetes count it: 128 + the signal's number for a signal."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(word) for word in file.read().split()]
    return found


def supervise(folder: str) -> None:
    """Fork into the background, start the command, tell how it went on standard output, supervise it."""
    told, telling = os.pipe()
    if os.fork() != 0:
        os.close(telling)
        with open(told, "rb") as pipe:
            sys.stdout.buffer.write(pipe.read())
        return
    os.close(told)
    os.chdir("/")
    # The agent's pipes are not ours to hold open.
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    answer: dict[str, Any] = {}
    try:
        supervisor = Supervisor(folder)
        supervisor.start()
    except (command.CommandError, OSError) as exc:
        answer = {"error": str(exc)}
    os.write(telling, json.dumps(answer).encode())
    os.close(telling)
    if not answer:
        supervisor.run()
