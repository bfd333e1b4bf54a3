"""Backups by the clock: `store: {backup: {interval: 1h, keep: 24, folder: /var/backups/kube}}`.

Whoever owns the store runs this beside it. The store sees a reader like any other; what fails here is
logged, counted, tried again later and shown by `kactl status`, and is no concern of the store's.

    FOLDER/NAME-20260102T030405Z.backup     the newest `keep` of them; others in the folder are left alone
    backups.json                            in the cluster's folder: what was made, what failed
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.clock import Clock, SystemClock, rfc3339
from kube_actors.aio.tasks import Tasks
from kube_actors.api.errors import KubeActorsError
from kube_actors.cluster.pki import write_private
from kube_actors.cluster.plan import BackupPlan
from kube_actors.store.backup.export import Choices, export
from kube_actors.store.backup.files import remove_abandoned
from kube_actors.store.backup.wire import StoreWire

log = structlog.get_logger(__name__)

# A store that has just been made, or restored, is given that long before its first backup.
FIRST_SECONDS = 60.0
# After a failure; never longer than the interval.
RETRY = Backoff(initial=30.0, maximum=600.0)
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class BackupStatus:
    """What `kactl status` shows. Counts are of the cluster's life, not of the process's."""

    made: int = 0
    failed: int = 0
    # In a row, up to now: 0 means that the newest attempt succeeded.
    failing: int = 0
    last: str = ""
    last_path: str = ""
    last_keys: int = 0
    last_revision: int = 0
    last_error: str = ""
    last_error_at: str = ""


class ScheduledBackups:
    """A component. Crash contract: durable are the backups, by their final names; a killed one leaves a
    temporary file that the next removes. When the next is due is read from the newest backup's name."""

    def __init__(
        self,
        plan: BackupPlan,
        cluster: str,
        status: Path,
        make_wire: Callable[[], StoreWire],
        clock: Clock | None = None,
    ) -> None:
        self._plan = plan
        self._folder = Path(plan.folder)
        self._cluster = cluster
        self._status_path = status
        self._make_wire = make_wire
        self._clock = clock or SystemClock()
        self._tasks = Tasks("backups")
        self._begun = False
        self.status = BackupStatus()

    async def start(self) -> None:
        """Returns at once and never fails: a cluster without backups is better than none."""
        if self._begun:
            return
        self._begun = True
        self.status = await asyncio.to_thread(read_status, self._status_path)
        self._tasks.spawn_forever(self._run(), "scheduled")

    async def stop(self) -> None:
        """A backup that is under way is given up. May be called twice."""
        await self._tasks.stop()

    async def _run(self) -> None:
        pause = await asyncio.to_thread(self._until_due)
        while True:
            await self._clock.sleep(pause)
            try:
                await self._back_up()
            except Exception as error:  # noqa: BLE001  (the boundary: whatever fails, the next one is tried)
                self._note_failure(error)
                pause = min(RETRY.delay(self.status.failing), self._plan.interval)
            else:
                pause = self._plan.interval
            await asyncio.to_thread(self._write_status)

    def _until_due(self) -> float:
        try:
            made = backups_in(self._folder, self._cluster)
        except OSError:
            made = []
        if not made:
            return min(FIRST_SECONDS, self._plan.interval)
        return min(max(_made_at(made[-1]) + self._plan.interval - self._clock.now(), 0.0), self._plan.interval)

    async def _back_up(self) -> None:
        now = self._clock.now()
        stamp = dt.datetime.fromtimestamp(now, dt.UTC).strftime(_STAMP)
        target = self._folder / f"{self._cluster}-{stamp}.backup"
        await asyncio.to_thread(_prepare, self._folder)
        async with self._make_wire() as wire:
            made = await export(wire, target, Choices(self._cluster), clock=self._clock)
        self.status = dataclasses.replace(
            self.status,
            made=self.status.made + 1,
            failing=0,
            last=rfc3339(now),
            last_path=str(target),
            last_keys=made.counts.keys,
            last_revision=made.revision,
        )
        log.info("backup made", path=str(target), revision=made.revision, keys=made.counts.keys, bytes=made.size)
        await asyncio.to_thread(self._prune)

    def _prune(self) -> None:
        for old in backups_in(self._folder, self._cluster)[: -self._plan.keep]:
            try:
                old.unlink()
            except OSError as error:
                log.warning("an old backup cannot be removed", path=str(old), reason=error.strerror)

    def _note_failure(self, error: Exception) -> None:
        reason = " ".join(str(error).split()) or type(error).__name__
        self.status = dataclasses.replace(
            self.status,
            failed=self.status.failed + 1,
            failing=self.status.failing + 1,
            last_error=reason,
            last_error_at=rfc3339(self._clock.now()),
        )
        expected = isinstance(error, KubeActorsError | OSError)
        log.error("backup failed", reason=reason, failing=self.status.failing, exc_info=None if expected else error)

    def _write_status(self) -> None:
        try:
            write_private(self._status_path, json.dumps(dataclasses.asdict(self.status), indent=2).encode())
        except OSError as error:
            log.warning("the state of backups cannot be written", path=str(self._status_path), reason=error.strerror)


def backups_in(folder: Path, cluster: str) -> list[Path]:
    """The scheduled backups of a cluster, the oldest first. Raises OSError."""
    pattern = re.compile(re.escape(cluster) + r"-\d{8}T\d{6}Z\.backup")
    return sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name))


def read_status(path: Path) -> BackupStatus:
    """What was written last; a blank one where there is nothing readable."""
    try:
        return BackupStatus(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return BackupStatus()


def describe(status: BackupStatus) -> str:
    """One line for the user."""
    if not status.last and not status.failing:
        return "none made yet"
    text = f"{status.made} made, last {status.last} ({status.last_keys} keys)" if status.last else "none made"
    if status.failed:
        text += f", {status.failed} failed"
    if status.failing:
        text += f"; FAILING since {status.failing} attempts, {status.last_error_at}: {status.last_error}"
    return text


def _prepare(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    remove_abandoned(folder)


def _made_at(path: Path) -> float:
    stamp = path.name.removesuffix(".backup").rpartition("-")[2]
    try:
        return dt.datetime.strptime(stamp, _STAMP).replace(tzinfo=dt.UTC).timestamp()
    except ValueError:
        return 0.0
