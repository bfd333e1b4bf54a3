"""What Ray says of a dead actor, as one line for a user. Pure; it does not import ray."""

from __future__ import annotations

import re

# An exception's last line, as Ray quotes the traceback of a constructor.
CONFIG_ERROR = re.compile(r"(?:^|\.)ConfigError: (.*)$", re.MULTILINE)


def creation_error(error: Exception) -> str:
    """One line for the user out of what Ray says about a dead actor; empty where the process just died."""
    text = str(error)
    found = CONFIG_ERROR.search(text)
    if found:
        return found.group(1).strip()
    if "creation task" not in text:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1]


def task_error(error: Exception) -> str:
    """The same about a function that did not answer: its exception's last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
