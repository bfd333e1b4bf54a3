"""The entry point of kactl."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from .parser import build

# What a shell gives for a program that Ctrl-C ended.
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Never a traceback, unless KACTL_DEBUG asks for it."""
    parsed = build().parse_args(arguments)
    try:
        return run_parsed(parsed)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `kactl get pods | head`: the reader has enough. Python would complain when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the boundary: whatever happens, the user gets one line
        if os.environ.get("KACTL_DEBUG"):
            raise
        return _report(error)
    finally:
        _close_loop()


def run_parsed(parsed: argparse.Namespace) -> int:
    """Run the command of a parsed command line."""
    return int(import_module(f".{parsed.module}", __package__).run(parsed) or 0)


def _close_loop() -> None:
    """Only where a command had one: importing it would cost the others time."""
    module = sys.modules.get("kube_actors.cluster.loop")
    if module is not None:
        module.close()


def _report(error: Exception) -> int:
    from .failure import Failure, line_of

    print(line_of(error), file=sys.stderr)
    return error.code if isinstance(error, Failure) else 1


if __name__ == "__main__":
    sys.exit(main())
