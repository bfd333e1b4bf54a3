"""Files that change all at once, as pkg/volume/util/atomic_writer.go does it.

    VOLUME/user-visible-name -> ..data/user-visible-name    a link a top entry, made once
    VOLUME/..data            -> ..k3f9x2_a                  replaced by rename: the moment of the update
    VOLUME/..k3f9x2_a/user-visible-name                     the files

A reader that follows the links sees the old files or the new ones. Nothing is touched where the payload is
what is there already.
"""

from __future__ import annotations

import os
import shutil
import tempfile
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
        return False
    new = Path(tempfile.mkdtemp(prefix="..", dir=directory))
    new.chmod(0o755)
    for name, file in payload.items():
        _write(new / name, file)
    give(directory, group, read_only=True)
    _replace_link(directory, new.name)
    _link_entries(directory, payload)
    if old is not None:
        shutil.rmtree(directory / old, ignore_errors=True)
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


def _link_entries(directory: Path, payload: Payload) -> None:
    wanted = {Path(os.path.normpath(name)).parts[0] for name in payload}
    for entry in directory.iterdir():
        if not entry.name.startswith("..") and entry.name not in wanted:
            entry.unlink()
    for name in wanted:
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(Path(DATA) / name)
