"""Programs that a test talks with; none outlives its `with` block, so that a failure is one test's alone."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self


class Program(subprocess.Popen[bytes]):
    """With pipes to its input, output and errors, unless others are given. Killed when its block is left."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        super().__exit__(kind, error, trace)


def talking(words: Sequence[str], **options: object) -> Program:
    """A program with pipes; `options` are Popen's."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return Program(words, **pipes | options)  # type: ignore[call-overload]


class Terminal:
    """A program on a pseudo-terminal. It and the terminal are gone when its block is left."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.outer, inner = pty.openpty()
        os.set_blocking(self.outer, False)
        try:
            self.process = Program(
                words, stdin=inner, stdout=inner, stderr=inner, env=environment, start_new_session=True
            )
        except BaseException:
            os.close(self.outer)
            raise
        finally:
            os.close(inner)
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            with self.process:
                pass
        finally:
            os.close(self.outer)

    def type(self, text: str) -> None:
        os.write(self.outer, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """As a window whose user drags it. The signal is ours to send: the terminal controls no session."""
        termios.tcsetwinsize(self.outer, (rows, columns))
        self.process.send_signal(signal.SIGWINCH)

    def until(self, text: str, seconds: float = 20.0) -> str:
        """What was shown up to and with `text`."""
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self.outer], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.outer, 65536).decode()
                except OSError:
                    raise AssertionError(self.seen) from None
        shown, _, self.seen = self.seen.partition(text)
        return shown + text

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(20)
