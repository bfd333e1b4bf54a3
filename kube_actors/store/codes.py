"""gRPC status codes by number and name, for the one message that carries them as data."""

from __future__ import annotations

_NAMES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
_NUMBERS = {name: number for number, name in enumerate(_NAMES)}


def code_name(number: int) -> str:
    return _NAMES[number] if 0 <= number < len(_NAMES) else "UNKNOWN"


def code_number(name: str) -> int:
    return _NUMBERS.get(name, 2)
