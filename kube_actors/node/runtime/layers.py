"""Root file systems out of tars, one layer over another."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


class LayerError(Exception):
    """The tar is none of a root file system."""


def apply_layer(archive: tarfile.TarFile, root: Path) -> None:
    """Extract into `root`, over what is there. Nothing is ever written outside of it. Raises LayerError, OSError.

    `.wh.NAME` removes NAME of the layers below, `.wh..wh..opq` all that they have in its folder. Devices are left
    out, set-uid bits are cleared.
    """
    try:
        archive.extractall(root, members=_members(archive, root.resolve()), numeric_owner=True, filter="tar")
    except tarfile.TarError as error:
        raise LayerError(str(error)) from error


def _members(archive: tarfile.TarFile, root: Path) -> Iterator[tarfile.TarInfo]:
    """What is to be extracted, after its place was made free."""
    written: set[Path] = set()
    for member in archive:
        # A name from the root or from here: the same.
        path = root / member.name.lstrip("/")
        if path == root:
            continue
        _require_inside(path.parent, root, member)
        if path.name == OPAQUE:
            _clear(path.parent, written)
        elif path.name.startswith(WHITEOUT):
            _remove(path.with_name(path.name.removeprefix(WHITEOUT)))
        elif member.isfile() or member.isdir() or member.issym() or member.islnk():
            if member.islnk():
                _require_inside((root / member.linkname.lstrip("/")).parent, root, member)
            if not (member.isdir() and path.is_dir() and not path.is_symlink()):
                _remove(path)
            written.add(path)
            yield member


def _require_inside(path: Path, root: Path, member: tarfile.TarInfo) -> None:
    if not path.resolve().is_relative_to(root):
        raise LayerError(f"{member.name!r} leads out of the image")


def _clear(folder: Path, written: set[Path]) -> None:
    """Remove what lower layers left; what this layer has written before its mark stays."""
    for each in list(folder.iterdir()) if folder.is_dir() else ():
        if each not in written:
            _remove(each)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
