"""What a control group uses, as the kernel counts it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

# Files of version 2 and 1: what is used, and which line of memory.stat is the file cache that could go at once.
_MEMORY = (("memory.current", "inactive_file"), ("memory.usage_in_bytes", "total_inactive_file"))


def working_set(groups: Sequence[str]) -> int | None:
    """Bytes of a container by its groups, one in each hierarchy: what is used less the file cache that could go at
    once, as cAdvisor counts it. None where no group counts memory."""
    for group in map(Path, groups):
        for file, cache in _MEMORY:
            with suppress(OSError):
                used = int((group / file).read_text())
                return max(used - _line(group / "memory.stat", cache), 0)
    return None


def _line(file: Path, name: str) -> int:
    """The number behind a name, of a file of such lines. Raises OSError."""
    for line in file.read_text().splitlines():
        word, _, number = line.partition(" ")
        if word == name:
            return int(number)
    return 0
