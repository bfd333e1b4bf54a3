"""Where log lines go: structlog over the standard library, one readable or JSON line an event.

A program configures it once. A library user who configured structlog or logging keeps what he chose.
"""

from __future__ import annotations

import logging
import logging.handlers
import sys
from pathlib import Path
from typing import Any

import structlog

FILE_BYTES = 10 << 20
FILE_COUNT = 3


def configure(
    *, level: str = "INFO", as_json: bool = False, file: Path | None = None, stream: Any = None, **bound: str
) -> None:
    """Log to `stream` (stderr by default) and, as JSON, to a rotating file. `bound` is part of every line."""
    handlers: list[logging.Handler] = [_handler(logging.StreamHandler(stream or sys.stderr), as_json)]
    if file is not None:
        rotating = logging.handlers.RotatingFileHandler(file, maxBytes=FILE_BYTES, backupCount=FILE_COUNT, delay=True)
        handlers.append(_handler(rotating, True))
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(level)
    _structlog(bound)


def leave_to_logging() -> None:
    """For use as a library: events go to the standard library's loggers, unless structlog is configured."""
    if not structlog.is_configured():
        _structlog({})


def _structlog(bound: dict[str, str]) -> None:
    def bind(_: Any, __: str, event: Any) -> Any:
        return {**bound, **event}

    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            bind,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _handler(handler: logging.Handler, as_json: bool) -> logging.Handler:
    # Plain tracebacks: the rich ones print local variables, which may be secrets.
    render: Any = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    if as_json:
        render = structlog.processors.JSONRenderer()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info if as_json else _as_is,
                render,
            ],
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)],
        )
    )
    return handler


def _as_is(_: Any, __: str, event: Any) -> Any:
    return event
