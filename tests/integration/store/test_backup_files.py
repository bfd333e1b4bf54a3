"""A backup is put in place whole or not at all, whatever happens to the process or the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from kube_actors.store.backup.files import PARTIAL, remove_abandoned, replacing
from kube_actors.store.backup.format import BackupError


def _fail(file: IO[bytes], written: bytes) -> None:
    file.write(written)
    raise RuntimeError


def test_a_backup_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "a.backup"
    with pytest.raises(RuntimeError), replacing(target) as file:
        _fail(file, b"half")
    assert list(tmp_path.iterdir()) == []
    with replacing(target) as file:
        file.write(b"KABACKUP one")
        assert not target.exists()
    assert target.read_bytes() == b"KABACKUP one"
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(RuntimeError), replacing(target) as file:
        _fail(file, b"")
    assert target.read_bytes() == b"KABACKUP one"


def test_only_a_backup_is_replaced_by_a_backup(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("my only copy")
    with pytest.raises(BackupError, match="exists and is no backup"), replacing(tmp_path / "notes"):
        pass
    with pytest.raises(BackupError, match="is a folder"), replacing(tmp_path):
        pass
    with pytest.raises(BackupError, match=r"the folder .* does not exist"), replacing(tmp_path / "x" / "y"):
        pass
    assert (tmp_path / "notes").read_text() == "my only copy"


def test_two_backups_to_one_file_at_once_are_refused(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as file:
        file.write(b"KABACKUP")
        with pytest.raises(BackupError, match="another backup is writing"), replacing(tmp_path / "a"):
            pass
    assert (tmp_path / "a").read_bytes() == b"KABACKUP"


KILLED = """
import os, signal, sys
from pathlib import Path
from kube_actors.store.backup.files import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"x" * 1000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_backup_leaves_is_removed_by_the_next(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a")], check=False).returncode == -9
    assert [path.name for path in tmp_path.iterdir()] == [f".a{PARTIAL}"]
    with replacing(tmp_path / "b") as file:
        file.write(b"KABACKUP")
        # That one is being written: not abandoned.
        assert remove_abandoned(tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_full_disk_is_one_line_and_the_older_backup_stays(tiny: Callable[[int], Path]) -> None:
    folder = tiny(1)
    target = folder / "a"
    target.write_bytes(b"KABACKUP older")
    with pytest.raises(BackupError, match=r"cannot write .*: No space left on device"), replacing(target) as file:
        file.write(os.urandom(4 << 20))
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert target.read_bytes() == b"KABACKUP older"
