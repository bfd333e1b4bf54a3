"""run FOLDER | enter FOLDER TTY COMMAND... | probe"""

from __future__ import annotations

import os
import sys

from . import isolate, kernel
from .enter import enter
from .supervisor import supervise


def main(arguments: list[str]) -> int:
    if arguments[0] == "run":
        supervise(arguments[1])
        return 0
    if arguments[0] == "enter":
        return enter(arguments[1], arguments[3:], arguments[2] == "tty")
    sys.stdout.write(probe())
    return 0


def probe() -> str:
    """How much isolation this machine allows; it is tried, because there are many reasons why it may not."""
    mode = isolate.ROOT if os.geteuid() == 0 else isolate.USER
    if os.geteuid() == 0 and not _works(mode):
        mode = isolate.USER
        return mode if _works(mode) else isolate.NONE
    return mode if _works(mode) else isolate.NONE


def _works(mode: str) -> bool:
    pid = os.fork()
    if pid == 0:
        try:
            isolate.enter_namespaces(mode)
            kernel.mount("tmpfs", "/proc", "tmpfs")
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0
