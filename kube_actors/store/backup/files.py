"""Putting a backup in place: under a temporary name first, whole and synced before it gets its own.

A killed backup leaves only its temporary file, `.NAME.kactl-partial`. Who writes one holds a lock on it, so
the next backup into the folder can tell those that nobody writes any more, and removes them.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kube_actors.store.backup.format import MAGIC, BackupError

PARTIAL = ".kactl-partial"
# A write of LMDB that does not fit leaves less than that free.
NEARLY_FULL = 4 << 20


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """A file that becomes `target` when the block ends without an error, and vanishes else.

    Raises BackupError in one line for a folder or a disk that does not allow it.
    """
    _check_target(target)
    folder = target.parent
    partial = folder / f".{target.name}{PARTIAL}"
    try:
        remove_abandoned(folder)
        file = _create(partial)
    except OSError as error:
        raise BackupError(f"cannot write into {folder}: {error.strerror}") from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(partial, target)
        sync_folder(folder)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise BackupError(f"cannot write {target}: {error.strerror or error}") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def remove_abandoned(folder: Path) -> int:
    """Remove the temporary files of killed backups; how many there were."""
    removed = 0
    for path in folder.glob(f".*{PARTIAL}"):
        try:
            with open(path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
                removed += 1
        except OSError:
            # Somebody writes it, or has just finished, or it is not ours to remove.
            continue
    return removed


def reason_of(error: Exception, folder: Path) -> str:
    """Why writing below a folder failed. LMDB calls a full disk an input/output error now and then."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    usage = os.statvfs(folder)
    if usage.f_bavail * usage.f_frsize < NEARLY_FULL:
        return os.strerror(errno.ENOSPC)
    return str(error)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_target(target: Path) -> None:
    """What is there may be replaced by a backup only if it is one."""
    try:
        if target.is_dir():
            raise BackupError(f"{target} is a folder; give the name of a file")
        if not target.parent.is_dir():
            raise BackupError(f"the folder {target.parent} does not exist; make it, or choose another")
        if target.exists():
            with open(target, "rb") as file:
                start = file.read(len(MAGIC))
            if start and start != MAGIC:
                raise BackupError(f"{target} exists and is no backup; choose another name")
    except OSError as error:
        raise BackupError(f"cannot write {target}: {error.strerror}") from error


def _create(partial: Path) -> IO[bytes]:
    """Backups hold Secrets: nobody else may read them, whatever the umask."""
    while True:
        file = os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT, 0o600), "wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(file, partial):
                os.fchmod(file.fileno(), 0o600)
                file.truncate(0)
                return file
            file.close()
        except BlockingIOError:
            file.close()
            name = partial.name[1 : -len(PARTIAL)]
            raise BackupError(f"another backup is writing {partial.parent / name}; wait for it") from None
        except BaseException:
            file.close()
            raise


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Whether the name still stands for this file: another backup may have cleared it away meanwhile."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False
