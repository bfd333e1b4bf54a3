"""How simulated containers behave: values, and the rules by which a container gets one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from kube_actors.api.errors import ConfigError


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
    """The first rule that fits decides, else `default`. `sandbox_seconds`: how long a sandbox takes."""

    default: Behaviour = Behaviour()
    rules: tuple[Rule, ...] = ()
    sandbox_seconds: float = 0.0

    def behaviour_of(self, labels: Mapping[str, str], container: str, image: str) -> Behaviour:
        for rule in self.rules:
            if rule.fits(labels, container, image):
                return rule.behaviour
        return self.default

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> SimulatedConfig:
        """From a mapping as YAML gives it: {default: {...}, rules: [{labels, container, image, behaviour}]}.

        Raises ConfigError for keys that do not exist.
        """
        known = _checked(data, {"default", "rules", "sandbox_seconds"}, "simulated runtime")
        rules = []
        for each in known.get("rules") or ():
            rule = _checked(each, {"labels", "container", "image", "behaviour"}, "rule of the simulated runtime")
            rules.append(Rule(**(rule | {"behaviour": _behaviour(rule.get("behaviour") or {})})))
        return cls(_behaviour(known.get("default") or {}), tuple(rules), float(known.get("sandbox_seconds") or 0.0))


def _behaviour(data: Mapping[str, Any]) -> Behaviour:
    return Behaviour(**_checked(data, {each.name for each in fields(Behaviour)}, "behaviour"))


def _checked(data: Mapping[str, Any], known: set[str], what: str) -> dict[str, Any]:
    unknown = sorted(data.keys() - known)
    if unknown:
        raise ConfigError(f"{what}: unknown key {unknown[0]}; known are {', '.join(sorted(known))}")
    return dict(data)
