"""As much of the ELF format as it takes to pack a program with what it needs to run."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

_PT_LOAD, _PT_INTERP = 1, 3


def is_elf(data: bytes) -> bool:
    """A 64-bit little-endian ELF file, which is all that the machines we run on have."""
    return data[:6] == b"\x7fELF\x02\x01"


def interpreter(data: bytes) -> str | None:
    """The dynamic loader that a program asks for; None for a static one or a library."""
    for kind, offset, size in _segments(data):
        if kind == _PT_INTERP:
            return data[offset : offset + size].rstrip(b"\0").decode()
    return None


def without_debug(data: bytes) -> bytes:
    """The file without what no segment loads: sections of debuggers and linkers, at its end, often most of it."""
    end = max((offset + size for _, offset, size in _segments(data)), default=len(data))
    if end >= len(data):
        return data
    header = bytearray(data[:64])
    struct.pack_into("<Q", header, 0x28, 0)  # no section table: e_shoff,
    struct.pack_into("<HH", header, 0x3C, 0, 0)  # e_shnum and e_shstrndx
    return bytes(header) + data[64:end]


def libraries(loader: str, program: Path) -> list[Path]:
    """The shared libraries of a program or library, as the loader itself finds them."""
    done = subprocess.run([loader, "--list", str(program)], capture_output=True, check=False, timeout=30)
    found = []
    for line in done.stdout.decode(errors="replace").splitlines():
        # "libz.so.1 => /lib/libz.so.1 (0x...)"; the loader itself and the vDSO have no arrow.
        if "=> /" in line:
            found.append(Path(line.split("=> ", 1)[1].rsplit(" (", 1)[0]))
    return found


def _segments(data: bytes) -> list[tuple[int, int, int]]:
    """(type, offset, size in the file) of each program header."""
    (table,) = struct.unpack_from("<Q", data, 0x20)
    size, count = struct.unpack_from("<HH", data, 0x36)
    found = []
    for index in range(count):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", data, table + index * size)
        found.append((kind, offset, length))
    return found
