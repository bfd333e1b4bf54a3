"""Where audit events go: a file of JSON lines that is renamed when it is full, and removed when it is old.

Kubernetes: --audit-log-path, --audit-log-maxsize, --audit-log-maxbackup, --audit-log-maxage. Lines are written by a
thread, many at once. When it falls behind, or the disk is full, lines are dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
from collections import deque
from collections.abc import Sequence

import structlog

from kube_actors.aio.clock import Clock
from kube_actors.aio.tasks import Tasks
from kube_actors.api.errors import ConfigError
from kube_actors.apiserver.config import AuditConfig

log = structlog.get_logger(__name__)

WAITING = 50_000
GATHER_SECONDS = 0.05


class AuditLog:
    """Raises ConfigError for a file that cannot be opened."""

    def __init__(self, config: AuditConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._lines: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._tasks = Tasks("apiserver-audit")
        self._size = 0
        self._file = -1
        self.dropped = 0

    async def start(self) -> None:
        self._open()
        self._tasks.spawn_forever(self._run(), "write")

    async def stop(self) -> None:
        """Write what waits."""
        await self._tasks.stop()
        if self._file >= 0:
            with contextlib.suppress(OSError):
                self._write(self._take())
            os.close(self._file)
            self._file = -1

    def add(self, line: bytes) -> None:
        """One event. Never waits."""
        if len(self._lines) >= WAITING:
            self.dropped += 1
            return
        self._lines.append(line)
        self._news.set()

    async def _run(self) -> None:
        failing = False
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._news.clear()
            lines = self._take()
            try:
                await asyncio.to_thread(self._write, lines)
                failing = False
            except OSError as error:
                self.dropped += len(lines)
                if not failing:
                    log.error("the audit log cannot be written", path=str(self._config.path), reason=error.strerror)
                failing = True

    def _take(self) -> list[bytes]:
        lines = list(self._lines)
        self._lines.clear()
        return lines

    def _write(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            if self._size and self._size + len(line) + 1 > self._config.max_bytes:
                self._rotate()
            os.write(self._file, line + b"\n")
            self._size += len(line) + 1

    def _open(self) -> None:
        path = self._config.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._size = os.fstat(self._file).st_size
        except OSError as error:
            raise ConfigError(f"cannot open the audit log {path}: {error.strerror}") from error

    def _rotate(self) -> None:
        path = self._config.path
        stamp = dt.datetime.fromtimestamp(self._clock.now(), dt.UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
        os.close(self._file)
        path.rename(path.with_name(f"{path.stem}-{stamp}{path.suffix}"))
        self._open()
        self._remove_old()

    def _remove_old(self) -> None:
        path, now = self._config.path, self._clock.now()
        backups = sorted(path.parent.glob(f"{path.stem}-*{path.suffix}"), reverse=True)
        kept = self._config.max_backups or len(backups)
        for number, backup in enumerate(backups):
            old = self._config.max_days and backup.stat().st_mtime + self._config.max_days * 86400 < now
            if number >= kept or old:
                backup.unlink(missing_ok=True)
