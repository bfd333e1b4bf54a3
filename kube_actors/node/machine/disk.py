"""How much of the disk files take."""

from __future__ import annotations

import os
from pathlib import Path


def disk_use(folder: Path) -> int:
    """The bytes of all files below, as they lie on the disk. What goes while it is measured is left out."""
    total = 0
    for directory, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(directory, name)).st_blocks * 512
            except OSError:
                continue
    return total
