"""How simulated containers behave: values, and the rules by which a container gets one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The life of a container. Seconds count from its start."""

    # From the start to running, and for an image that is not on the node, its pull before that.
    start_seconds: float = 0.0
    pull_seconds: float = 0.0
    # None: for ever.
    run_seconds: float | None = None
    exit_code: int = 0
    oom_killed: bool = False
    # The first runs end as above, later ones live for ever; None: all end.
    failing_runs: int | None = None
    # The share of runs, 0 to 1, that end with `failure_code` after `failure_seconds`, whatever is said above.
    failure_rate: float = 0.0
    failure_seconds: float = 1.0
    failure_code: int = 1
    # Answers of probes.
    started_after: float = 0.0
    ready_after: float = 0.0
    unhealthy_after: float | None = None
    # From the stop signal to the end; longer than the grace: killed.
    stop_seconds: float = 0.0
    image_missing: bool = False
    log: str = ""
    cpu_milli: int = 10
    memory_bytes: int = 16 << 20


@dataclass(frozen=True, slots=True)
class Rule:
    """What is empty fits everything."""

    behaviour: Behaviour
    labels: Mapping[str, str] = field(default_factory=dict)
    container: str = ""
    image: str = ""

    def fits(self, labels: Mapping[str, str], container: str, image: str) -> bool:
        return (
            self.container in ("", container)
            and self.image in ("", image)
            and all(labels.get(key) == value for key, value in self.labels.items())
        )


@dataclass(frozen=True, slots=True)
class SimulatedConfig:
    """The first rule that fits decides, else `default`. `sandbox_seconds`: how long a sandbox takes.

    `seed` decides which runs fail; `capacity` is what each simulated node has, by resource name, where it is not
    to be what this machine has.
    """

    default: Behaviour = Behaviour()
    rules: tuple[Rule, ...] = ()
    sandbox_seconds: float = 0.0
    seed: int = 0
    capacity: Mapping[str, str] = field(default_factory=dict)

    def behaviour_of(self, labels: Mapping[str, str], container: str, image: str) -> Behaviour:
        for rule in self.rules:
            if rule.fits(labels, container, image):
                return rule.behaviour
        return self.default

    def ending(self, behaviour: Behaviour, run: str, attempt: int) -> tuple[float, int] | None:
        """After how many seconds that attempt of a container ends by itself, and with which code; None: it does not.

        `run` names the container, by names that stay the same when a scenario is played again.
        """
        if behaviour.failure_rate and _share(self.seed, run, attempt) < behaviour.failure_rate:
            return behaviour.failure_seconds, behaviour.failure_code
        failing = behaviour.failing_runs
        if behaviour.run_seconds is None or (failing is not None and attempt >= failing):
            return None
        return behaviour.run_seconds, behaviour.exit_code


def _share(seed: int, run: str, attempt: int) -> float:
    """A number from 0 to 1 that looks random and is always the same."""
    digest = hashlib.blake2b(f"{seed}/{run}/{attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
