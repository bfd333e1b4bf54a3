"""Members of tars that nobody vouches for: each is made inside of one folder, or not at all.

tarfile's own filters do not exist before Python 3.11.4 (Debian 12 has 3.11.2), and let a hard link to an absolute path
pass. So nothing here is left to tarfile but reading.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from contextlib import suppress
from pathlib import Path, PurePosixPath

# No set-uid, set-gid and sticky bits, and only the owner writes.
MODE = 0o755


class Refused(Exception):
    """The name leads out of the folder, or the member is what does not belong into files that are taken over."""


def inside(root: Path, name: str) -> Path:
    """Where in `root` a member of that name is, be it absolute or not; its folder is free of links. Raises Refused."""
    if ".." in PurePosixPath(name).parts or "\0" in name:
        raise Refused(f"{name!r} leads out of {root}")
    top, path = os.path.realpath(root), root / name.lstrip("/")
    if path == root:
        return Path(top)
    # Not Path.resolve(), which raises RuntimeError for a link to itself.
    folder = Path(os.path.realpath(path.parent))
    if not folder.is_relative_to(top):
        raise Refused(f"{name!r} leads out of {root}")
    return folder / path.name


def make(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path, path: Path, mode: int) -> None:
    """Make what `member` is at `path`, which `inside` gave, in place of a file that is there.

    A folder gets no mode yet, for more may have to be made in it. Raises Refused for a device or a pipe, OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        path.mkdir(exist_ok=True)
        return
    source = inside(root, member.linkname) if member.islnk() else None
    if source == path:
        return
    if member.issym() or member.islnk() or member.isfile():
        path.unlink(missing_ok=True)
    if source is not None:
        # What a link points to is not linked: that may be anywhere.
        try:
            os.link(source, path, follow_symlinks=False)
        except FileNotFoundError as error:
            raise Refused(f"{member.name!r} is a link to {member.linkname!r}, which is not there") from error
    elif member.issym():
        if "\0" in member.linkname:
            raise Refused(f"{member.name!r} is a link to no path")
        path.symlink_to(member.linkname)
    elif member.isfile() and (content := archive.extractfile(member)) is not None:
        with content, path.open("xb") as file:
            shutil.copyfileobj(content, file)
            os.fchmod(file.fileno(), mode)
        # A time that no file can have is none.
        with suppress(OverflowError, ValueError):
            os.utime(path, (member.mtime, member.mtime))
    else:
        raise Refused(f"{member.name!r} is a special file")
