"""System calls that Python has no function for."""

from __future__ import annotations

import ctypes
import os
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_NOATIME, MS_NODIRATIME = 32, 1024, 2048
MS_UNBINDABLE = 1 << 17
UMOUNT_NOFOLLOW = 8
MS_BIND, MS_REC, MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_RELATIME = 4096, 16384, 1 << 18, 1 << 19, 1 << 20, 1 << 21

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_CHILD_SUBREAPER = 1, 38, 36

# The number of the call is the same on all architectures; MOUNT_ATTR_RDONLY is 1.
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _text(value: str | None) -> bytes | None:
    return None if value is None else os.fsencode(value)


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    _check(_libc.setns(descriptor, kind), "setns")


def mount(source: str | None, target: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    result = _libc.mount(_text(source), _text(target), _text(kind), ctypes.c_ulong(flags), _text(options))
    _check(result, f"mount {source or kind} on {target}")


def unmount(path: str) -> None:
    _check(_libc.umount2(_text(path), UMOUNT_NOFOLLOW), f"unmount {path}")


def set_read_only(path: str, read_only: bool, *, recursive: bool = False) -> None:
    """mount_setattr; ENOSYS before Linux 5.12."""
    attributes = struct.pack("=QQQQ", int(read_only), int(not read_only), 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    result = _libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR), ctypes.c_int(_AT_FDCWD), _text(path), ctypes.c_uint(flags), attributes,
        ctypes.c_size_t(len(attributes)),
    )  # fmt: skip
    _check(result, f"make {path} {'read-only' if read_only else 'writable'}")


def prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), "prctl")


def sethostname(name: str) -> None:
    encoded = name.encode()
    _check(_libc.sethostname(encoded, ctypes.c_size_t(len(encoded))), "sethostname")
