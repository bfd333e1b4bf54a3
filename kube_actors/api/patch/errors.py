"""What a patch can be refused for."""

from __future__ import annotations


class PatchError(ValueError):
    """A patch that cannot be applied; `unprocessable` where Kubernetes answers 422 or 400 with it.

    Faults of a strategic merge patch are 500 in Kubernetes: there `internal` is set.
    """

    def __init__(self, message: str, *, internal: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.internal = internal
