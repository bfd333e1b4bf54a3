"""What is happening now, with the time it has taken: one line on a terminal, plain lines elsewhere.

Nothing is shown for what takes less than a second.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

QUIET_SECONDS = 1.0


class Progress:
    """A status line on stderr. `steps` prints each text when it changes, where there is no terminal."""

    def __init__(self, text: str = "", *, steps: bool = False) -> None:
        self._text = text
        self._steps = steps
        self._live: Live | None = None
        self._since = time.monotonic()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True)
            self._live = Live(console=console, refresh_per_second=8, transient=True, get_renderable=self._render)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """What happens from now on."""
        if text == self._text:
            return
        self._text = text
        if self._live is None and self._steps:
            print(f"{text} ...", file=sys.stderr, flush=True)

    def note(self, line: str) -> None:
        """A line that stays."""
        if self._live is not None:
            self._live.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def _render(self) -> RenderableType:
        from rich.spinner import Spinner
        from rich.text import Text

        elapsed = time.monotonic() - self._since
        if elapsed < QUIET_SECONDS or not self._text:
            return Text("")
        spinner = Spinner("dots", text=Text(f"{self._text} ({elapsed:.0f} s)"))
        return spinner.render(time.monotonic())
