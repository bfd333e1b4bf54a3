"""The Pod Security Standards: what the levels baseline and restricted forbid a pod, in Kubernetes' words. Pure.

    labels of a namespace -> Policy (levels.py) -> evaluate(level and version, pod) -> [Violation]

A check has a version of Kubernetes from which on it holds; a namespace may ask for the rules of an older one.
Contract: k8s.io/pod-security-admission/policy. Not here: what happens then (refuse, warn, audit) is admission's.
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.pod_security import baseline, restricted
from kube_actors.api.pod_security.checks import Violation
from kube_actors.api.pod_security.levels import LATEST, LevelVersion


def evaluate(level: LevelVersion, pod: Obj) -> list[Violation]:
    """What of a pod, or of a pod's template, the level forbids; baseline's checks come first."""
    if level.level == "privileged":
        return []
    checks = list(baseline.CHECKS)
    if level.level == "restricted":
        replaced = {name for check in restricted.CHECKS for name in check.replaces}
        checks = [check for check in checks if check.name not in replaced] + list(restricted.CHECKS)
    minor = LATEST if level.minor is None else level.minor
    found = (check.run(pod, minor) for check in checks)
    return [violation for violation in found if violation is not None]


def details(violations: list[Violation]) -> str:
    """`host namespaces (hostPID=true), hostPort (container "c" uses hostPort 80)`."""
    return ", ".join(f"{one.reason} ({one.detail})" if one.detail else one.reason for one in violations)


def reasons(violations: list[Violation]) -> str:
    return ", ".join(one.reason for one in violations)
