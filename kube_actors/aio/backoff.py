"""Exponential backoff with jitter, as a value without IO."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays of `initial`, `initial * factor`, ... up to `maximum` seconds.

    `jitter` spreads each delay by that fraction to both sides, so that clients that failed together
    do not come back together.
    """

    initial: float = 0.1
    factor: float = 2.0
    maximum: float = 30.0
    jitter: float = 0.1

    def delay(self, failures: int) -> float:
        """Seconds to wait after that many failures in a row; 0 after none."""
        if failures <= 0:
            return 0.0
        exponent = min(failures - 1, 64)
        base = min(self.initial * self.factor**exponent, self.maximum)
        return base * (1.0 + self.jitter * random.uniform(-1.0, 1.0))
