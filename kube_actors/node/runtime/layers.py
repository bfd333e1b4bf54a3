"""Root file systems out of tars, one layer over another."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Container
from operator import itemgetter
from pathlib import Path

from kube_actors import archives

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


class LayerError(Exception):
    """The tar is none of a root file system."""


def apply_layer(archive: tarfile.TarFile, root: Path) -> None:
    """Extract into `root`, over what is there. Nothing is ever written outside of it. Raises LayerError, OSError.

    `.wh.NAME` removes NAME of the layers below, `.wh..wh..opq` all that they have in its folder. Devices are left
    out, set-uid bits are cleared. Owners are kept where the node is root.
    """
    try:
        written = _extract(archive, root)
        # Last, and the deepest first, for a folder may be one that nobody writes to.
        for _, member in sorted(written.items(), key=itemgetter(0), reverse=True):
            if member.isdir():
                _finish(archives.inside(root, member.name), member)
    except (tarfile.TarError, archives.Refused, OverflowError) as error:
        raise LayerError(str(error)) from error


def _extract(archive: tarfile.TarFile, root: Path) -> dict[Path, tarfile.TarInfo]:
    """What was made, and where."""
    written: dict[Path, tarfile.TarInfo] = {}
    top = root.resolve()
    for member in archive:
        path = archives.inside(root, member.name)
        if path == top:
            continue
        if path.name == OPAQUE:
            _clear(path.parent, written)
        elif path.name.startswith(WHITEOUT):
            hidden = path.name.removeprefix(WHITEOUT)
            if hidden in ("", ".", ".."):
                raise archives.Refused(f"{member.name!r} hides no file")
            _remove(path.with_name(hidden))
        elif member.isfile() or member.isdir() or member.issym() or member.islnk():
            if not (member.isdir() and path.is_dir() and not path.is_symlink()):
                _remove(path)
            archives.make(archive, member, root, path, member.mode & archives.MODE)
            written[path] = member
            if not member.isdir():
                _own(path, member)
    return written


def _own(path: Path, member: tarfile.TarInfo) -> None:
    if os.geteuid() == 0:
        os.chown(path, member.uid, member.gid, follow_symlinks=False)


def _finish(folder: Path, member: tarfile.TarInfo) -> None:
    if folder.is_dir() and not folder.is_symlink():
        _own(folder, member)
        folder.chmod(member.mode & archives.MODE)


def _clear(folder: Path, written: Container[Path]) -> None:
    """Remove what lower layers left; what this layer has written before its mark stays."""
    for each in list(folder.iterdir()) if folder.is_dir() else ():
        if each not in written:
            _remove(each)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
