"""podFailurePolicy: what a failed pod means for its Job. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, name_of, namespace_of

IGNORE, FAIL_JOB, FAIL_INDEX, COUNT = "Ignore", "FailJob", "FailIndex", "Count"


@dataclass(frozen=True, slots=True)
class Match:
    """The action of the first rule that fits (none: empty); `message` is why the Job fails, for FailJob."""

    action: str = ""
    message: str = ""

    @property
    def counted(self) -> bool:
        """Whether the failure counts towards the backoff limits."""
        return self.action != IGNORE


def match(policy: Obj | None, pod: Obj) -> Match:
    for number, rule in enumerate((policy or {}).get("rules") or ()):
        action = rule.get("action", "")
        if (codes := rule.get("onExitCodes")) is not None:
            if (status := _container(pod, codes)) is None:
                continue
            code = status["state"]["terminated"]["exitCode"]
            text = f"Container {status['name']} for pod {_name(pod)} failed with exit code {code}"
        else:
            if (kind := _condition(pod, rule.get("onPodConditions") or ())) is None:
                continue
            text = f"Pod {_name(pod)} has condition {kind}"
        if action == FAIL_JOB:
            return Match(action, f"{text} matching {action} rule at index {number}")
        if action in (IGNORE, FAIL_INDEX, COUNT):
            return Match(action)
    return Match()


def _name(pod: Obj) -> str:
    return f"{namespace_of(pod)}/{name_of(pod)}"


def _container(pod: Obj, codes: Obj) -> Obj | None:
    """The first container that ended with a code of the rule; containers before init containers."""
    for kind in ("containerStatuses", "initContainerStatuses"):
        for status in get_path(pod, "status", kind, default=[]):
            code = get_path(status, "state", "terminated", "exitCode", default=0)
            named = codes.get("containerName") in (None, status.get("name"))
            if code and named and _fits(code, codes):
                found: Obj = status
                return found
    return None


def _fits(code: int, codes: Obj) -> bool:
    listed = code in (codes.get("values") or ())
    return listed if codes.get("operator") == "In" else codes.get("operator") == "NotIn" and not listed


def _condition(pod: Obj, patterns: Iterable[Obj]) -> str | None:
    for condition in get_path(pod, "status", "conditions", default=[]):
        for pattern in patterns:
            wanted = (pattern.get("type"), pattern.get("status", "True"))
            if (condition.get("type"), condition.get("status")) == wanted:
                return str(condition["type"])
    return None
