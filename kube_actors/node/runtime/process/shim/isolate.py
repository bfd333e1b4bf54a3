"""A container's own view of the file system: its volumes at their paths, perhaps a root of its own.

Where a volume's path does not exist on the machine it cannot be made there, for the machine's files are not ours to
change. Instead the nearest directory that exists is covered, in the container's mount namespace only, by an empty
one in memory into which everything that was there is bound, and in which the path is then made:

    volume at /etc/app/conf, the machine has /etc:   tmpfs on /etc, each entry of /etc bound into it, mkdir app/conf
    volume at /data, the machine has no /data:       tmpfs as new root, each entry of / bound into it, mkdir data
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass

from . import kernel

# How much the namespaces of this machine allow: nothing, all of it with root's rights, or through a user namespace.
NONE, ROOT, USER = "none", "root", "user"


@dataclass(frozen=True)
class MountPlan:
    source: str
    target: str
    read_only: bool = False
    propagation: str = "private"


@dataclass(frozen=True)
class Isolation:
    """`image_root` empty: the machine's own root. `scratch` is a directory of the container."""

    mode: str
    hostname: str
    mounts: tuple[MountPlan, ...]
    scratch: str
    image_root: str = ""
    read_only_root: bool = False


def enter_namespaces(mode: str) -> None:
    """Leave the machine's mount and host name namespaces. Raises OSError."""
    if mode == USER:
        uid, gid = os.geteuid(), os.getegid()
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    else:
        kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS)
    # Mounts of the machine that come later are seen, ours are not seen there.
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_SLAVE)


def isolate(plan: Isolation) -> None:
    """Everything up to a chroot; the caller then changes user and executes. Raises OSError."""
    if plan.mode == NONE:
        return
    enter_namespaces(plan.mode)
    with contextlib.suppress(OSError):
        kernel.sethostname(plan.hostname)
    root = ""
    if plan.image_root:
        root = os.path.join(plan.scratch, "root")
        _mount_image(plan.image_root, root, plan)
        _mount_system(root)
    targets = sorted(plan.mounts, key=lambda mount: mount.target.count("/"))
    if not root and any(_nearest("", mount.target) == "/" for mount in targets):
        root = os.path.join(plan.scratch, "root")
        os.makedirs(root, exist_ok=True)
        _cover("/", root)
    for mount in targets:
        _mount_volume(mount, root)
    if plan.read_only_root:
        _make_read_only(root)
    if root:
        os.chroot(root)
        os.chdir("/")


def _mount_image(image: str, root: str, plan: Isolation) -> None:
    """Copy-on-write where the kernel can, else the folder itself."""
    for name in ("root", "upper", "work"):
        os.makedirs(os.path.join(plan.scratch, name), exist_ok=True)
    upper, work = os.path.join(plan.scratch, "upper"), os.path.join(plan.scratch, "work")
    options = f"lowerdir={_escaped(image)},upperdir={_escaped(upper)},workdir={_escaped(work)}"
    try:
        kernel.mount("overlay", root, "overlay", 0, options + (",userxattr" if plan.mode == USER else ""))
    except OSError:
        kernel.mount(image, root, flags=kernel.MS_BIND | kernel.MS_REC)


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(",", "\\,").replace(":", "\\:")


def _mount_system(root: str) -> None:
    for name in ("proc", "dev", "sys", "etc/resolv.conf"):
        source, target = f"/{name}", os.path.join(root, name)
        if not os.path.exists(source):
            continue
        with contextlib.suppress(OSError):
            _make_target(source, target)
            kernel.mount(source, target, flags=kernel.MS_BIND | kernel.MS_REC)


def _mount_volume(mount: MountPlan, root: str) -> None:
    target = _inside(root, mount.target)
    if not os.path.exists(root + target):
        covered = _nearest(root, target)
        if covered != "/" and not _own(root, covered):
            _cover(root + covered, root + covered)
        _make_target(mount.source, root + target)
    kernel.mount(mount.source, root + target, flags=kernel.MS_BIND | kernel.MS_REC)
    propagation = {"private": kernel.MS_PRIVATE, "rslave": kernel.MS_SLAVE, "rshared": kernel.MS_SHARED}
    kernel.mount("none", root + target, flags=kernel.MS_REC | propagation[mount.propagation])
    _volumes.add(root + target)
    if mount.read_only:
        kept = _kept_flags(root + target)
        kernel.mount("none", root + target, flags=kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY | kept)


def _make_read_only(root: str) -> None:
    """All but the volumes that are writable, and what every container may write to."""
    kept = [*_volumes, f"{root}/proc", f"{root}/dev"]
    writable = [point for point in _writable_mounts() if any(f"{point}/".startswith(f"{each}/") for each in kept)]
    try:
        kernel.set_read_only(root or "/", True, recursive=True)
        for point in writable:
            kernel.set_read_only(point, False)
    except OSError as exc:
        # An older kernel; the pod has been told.
        if exc.errno != errno.ENOSYS:
            raise


def _writable_mounts() -> list[str]:
    with open("/proc/self/mountinfo") as file:
        rows = [line.split(" ") for line in file]
    # Blanks in a path are written as octal numbers.
    paths = [(row[4].encode().decode("unicode_escape").encode("latin-1").decode(), row[5]) for row in rows]
    return [path for path, options in paths if "rw" in options.split(",")]


def _kept_flags(path: str) -> int:
    """A user namespace may not drop what the machine's mount has."""
    flags, kept = os.statvfs(path).f_flag, 0
    pairs = (
        (os.ST_NOSUID, kernel.MS_NOSUID), (os.ST_NODEV, kernel.MS_NODEV), (os.ST_NOEXEC, kernel.MS_NOEXEC),
        (os.ST_NOATIME, kernel.MS_NOATIME), (os.ST_NODIRATIME, kernel.MS_NODIRATIME),
        (os.ST_RELATIME, kernel.MS_RELATIME),
    )  # fmt: skip
    for seen, kernel_flag in pairs:
        if flags & seen:
            kept |= kernel_flag
    return kept


def _inside(root: str, path: str) -> str:
    """The path with the symbolic links of its existing part followed, within `root`: /var/run/x -> /run/x."""
    resolved = "/"
    parts = [part for part in path.split("/") if part and part != "."]
    followed = 0
    while parts:
        part = parts.pop(0)
        if part == "..":
            resolved = os.path.dirname(resolved)
            continue
        here = os.path.join(resolved, part)
        if os.path.islink(root + here) and followed < 40:
            followed += 1
            link = os.readlink(root + here)
            if link.startswith("/"):
                resolved = "/"
            parts = [piece for piece in link.split("/") if piece and piece != "."] + parts
            continue
        resolved = here
    return resolved


def _nearest(root: str, path: str) -> str:
    """The nearest existing directory at or above the path, within `root`."""
    path = _inside(root, path)
    while path != "/" and not os.path.exists(root + path):
        path = os.path.dirname(path)
    return path


def _own(root: str, path: str) -> bool:
    """Whether new directories may be made here: memory of ours, a volume, or the container's copy of an image."""
    full = root + path
    if full in _covered or any(full == volume or full.startswith(f"{volume}/") for volume in _volumes):
        return True
    return bool(root) and os.stat(full).st_dev == os.stat(root).st_dev


# Of this process, which isolates once. Paths as the machine sees them.
_covered: set[str] = set()
_volumes: set[str] = set()


def _cover(source: str, target: str) -> None:
    """Put a directory in memory on `target`, with everything of `source` bound into it."""
    original = os.open(source, os.O_PATH | os.O_DIRECTORY)
    mode = stat.S_IMODE(os.fstat(original).st_mode)
    # Listed before it is covered, and without what we make there ourselves.
    entries = sorted(os.scandir(source), key=lambda entry: entry.name)
    kernel.mount("tmpfs", target, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, f"mode={mode:o},size=1m")
    # Else binding the directory in which `target` is would bring all of this along once more.
    kernel.mount("none", target, flags=kernel.MS_UNBINDABLE)
    _covered.add(target)
    for entry in entries:
        here, there = f"/proc/self/fd/{original}/{entry.name}", os.path.join(target, entry.name)
        with contextlib.suppress(FileNotFoundError):
            if entry.is_symlink():
                os.symlink(os.readlink(here), there)
                continue
            if entry.is_dir(follow_symlinks=False):
                os.mkdir(there)
            else:
                os.close(os.open(there, os.O_CREAT | os.O_WRONLY, 0o644))
            kernel.mount(here, there, flags=kernel.MS_BIND | kernel.MS_REC)
    os.close(original)


def _make_target(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
