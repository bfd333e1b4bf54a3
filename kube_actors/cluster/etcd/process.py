"""One etcd process: started in a session of its own, so that it outlives who started it, and found again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kube_actors.aio.clock import Clock, SystemClock
from kube_actors.api.errors import ConfigError
from kube_actors.cluster.etcd.command import environment
from kube_actors.cluster.etcd.files import MemberFolder, Running
from kube_actors.cluster.processes import ProcessId, identify

LOOK_SECONDS = 0.1
LOG_BYTES = 10 << 20
# The part of the log in which the reason of an end is looked for.
TAIL_BYTES = 32 << 10


@dataclass(slots=True)
class EtcdProcess:
    """`child` is None for a process that was adopted: it has another parent."""

    id: ProcessId
    log: Path
    log_start: int
    child: subprocess.Popen[bytes] | None = None

    def alive(self) -> bool:
        if self.child is not None:
            # Takes the exit status, so that no zombie stays.
            return self.child.poll() is None
        return self.id.alive()

    async def stop(self, grace: float, clock: Clock) -> None:
        """TERM, and after the grace KILL. Returns when it has ended."""
        self.id.signal(signal.SIGTERM)
        deadline = clock.now() + grace
        while self.alive():
            if clock.now() >= deadline:
                self.id.signal(signal.SIGKILL)
            await clock.sleep(LOOK_SECONDS)

    def reason(self) -> str:
        """Why it ended, in its own words: the last error that it logged since it was started."""
        try:
            with open(self.log, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self.log_start, size - TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            text = ""
        return reason_in(text) or f"it ended without a word; see {self.log}"


def launch(folder: MemberFolder, settled: Sequence[str], more: Sequence[str], log: Path) -> EtcdProcess:
    """Start it and put it on record. Raises ConfigError where the program cannot be run."""
    _rotate(log)
    with open(log, "ab") as output:
        start = output.tell()
        try:
            child = subprocess.Popen(
                [*settled, *more],
                env=environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd=folder.path,
            )
        except OSError as error:
            raise ConfigError(f"store.binary: cannot run {settled[0]}: {error.strerror}") from error
    process = EtcdProcess(identify(child.pid), log, start, child)
    folder.set_running(Running(process.id, tuple(settled)))
    return process


def find(folder: MemberFolder, log: Path) -> tuple[EtcdProcess, tuple[str, ...]] | None:
    """The process on record, where it is alive still, and its settled flags."""
    running = folder.running()
    if running is None or not running.process.alive():
        return None
    size = log.stat().st_size if log.exists() else 0
    return EtcdProcess(running.process, log, size), running.flags


async def end(root: Path, name: str, grace: float = 3.0, clock: Clock | None = None) -> None:
    """End what runs for a member that nobody looks after any more."""
    running = MemberFolder(root, name).running()
    if running is not None:
        await EtcdProcess(running.process, Path(os.devnull), 0).stop(grace, clock or SystemClock())


def reason_in(text: str) -> str:
    """The last error of zap's JSON lines, in one line; else the last line that is no part of a stack."""
    plain = ""
    for line in reversed([line.strip() for line in text.splitlines() if line.strip()]):
        entry = None
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
        if isinstance(entry, dict):
            if entry.get("level") in ("fatal", "panic", "error") or entry.get("error"):
                said = [str(entry[key]) for key in ("error", "msg") if entry.get(key)]
                return " ".join(said[0].split())[:300]
        elif not plain and not line.startswith(("goroutine", "/", "main.", "created by", "\t")):
            plain = line[:300]
    return plain


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))
