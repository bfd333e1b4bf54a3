"""Files that change all at once, as pkg/volume/util/atomic_writer.go does it.

    VOLUME/user-visible-name -> ..data/user-visible-name    a link a top entry, made once
    VOLUME/..data            -> ..2026_11_26_09_03_01.73    replaced by rename: the moment of the update
    VOLUME/..2026_11_26_09_03_01.73/user-visible-name       the files

A reader that follows the links sees the old files or the new ones. Nothing is touched where the payload is
what is there already.
"""

from __future__ import annotations

import os
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path

from kube_actors.node.volumes.ownership import give, may_give
from kube_actors.node.volumes.payload import File, Payload

DATA = "..data"
_DATA_NEW = "..data_tmp"


def write_atomically(directory: Path, payload: Payload, group: int | None = None) -> bool:
    """Make the directory show `payload`; whether anything changed. `group`: see `ownership`."""
    directory.mkdir(parents=True, exist_ok=True)
    link = directory / DATA
    old = Path(os.readlink(link)) if link.is_symlink() else None
    if old is not None and _holds(directory / old, payload):
        # An agent may have died before it linked them.
        _link_entries(directory, payload)
        return False
    _drop_others(directory, old)
    new = directory / f"..{datetime.now(UTC):%Y_%m_%d_%H_%M_%S}.{secrets.randbelow(1 << 32)}"
    new.mkdir()
    new.chmod(0o755)
    for name, file in payload.items():
        _write(new / name, file)
    give(directory, group, read_only=True)
    _replace_link(directory, new.name)
    _link_entries(directory, payload)
    _drop_others(directory, Path(new.name))
    return True


def _holds(directory: Path, payload: Payload) -> bool:
    """Whether the directory has these files with this content, and no others."""
    found = {str(each.relative_to(directory)): each for each in directory.rglob("*") if not each.is_dir()}
    if found.keys() != {os.path.normpath(name) for name in payload}:
        return False
    return all(found[os.path.normpath(name)].read_bytes() == file.data for name, file in payload.items())


def _write(path: Path, file: File) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.data)
    if file.user is not None and may_give():
        os.chown(path, file.user, -1)
    path.chmod(file.mode)


def _replace_link(directory: Path, target: str) -> None:
    temporary = directory / _DATA_NEW
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.rename(directory / DATA)


def _drop_others(directory: Path, kept: Path | None) -> None:
    """The files of before, and those that were never shown: the agent died, or the space was too small."""
    for entry in directory.iterdir():
        if entry.name.startswith("..") and not entry.is_symlink() and Path(entry.name) != kept:
            shutil.rmtree(entry, ignore_errors=True)


def _link_entries(directory: Path, payload: Payload) -> None:
    wanted = {Path(os.path.normpath(name)).parts[0] for name in payload}
    for entry in directory.iterdir():
        # A folder is a place for another volume.
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in wanted:
            entry.unlink()
    for name in wanted:
        link = directory / name
        if not os.path.lexists(link):
            link.symlink_to(Path(DATA) / name)
