"""Chooses nodes for pods: pure, over columns that it changes as if the placed pods were there already.

    pods in queue order ─> groups of one priority and shape ─> rounds:
        nodes that fit, and of these all that share the best score, take one pod each
        their scores and fit are computed again
    no node left ─> a diagnosis, one for all that is left of the group

Within one priority pods of one shape are placed together, so a pod may overtake one of another shape that
came a little earlier in the same batch. Across priorities the order is strict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kube_actors.scheduler.columns.nodes import Nodes
from kube_actors.scheduler.diagnosis import Diagnosis, diagnose
from kube_actors.scheduler.evaluation import Evaluation, Evaluations
from kube_actors.scheduler.framework import Profile
from kube_actors.scheduler.pod import Pod
from kube_actors.scheduler.shape import Shape


@dataclass(frozen=True, slots=True)
class Placement:
    """The pod's resources are subtracted from the node already."""

    pod: Pod
    node: str


@dataclass(frozen=True, slots=True)
class Failure:
    """No node fits."""

    pod: Pod
    diagnosis: Diagnosis


@dataclass(frozen=True, slots=True)
class Plan:
    placements: list[Placement]
    failures: list[Failure]


def plan(nodes: Nodes, pods: Sequence[Pod], profile: Profile, known: Evaluations | None = None) -> Plan:
    """Place as many of `pods` as fit; `pods` come in the order of the queue.

    `known` carries what was computed from one plan to the next, for the same profile; it changes no decision.
    """
    known = known or Evaluations()
    result = Plan([], [])
    for shape, group in _groups(pods):
        rows = place(nodes, known.get(nodes, shape, profile), shape, len(group))
        result.placements.extend(Placement(pod, nodes.names[row]) for pod, row in zip(group, rows, strict=False))
        left = group[len(rows) :]
        if left:
            diagnosis = diagnose(nodes, shape, profile)
            result.failures.extend(Failure(pod, diagnosis) for pod in left)
    return result


def place(nodes: Nodes, evaluation: Evaluation, shape: Shape, count: int) -> list[int]:
    """Rows for up to `count` pods of one shape, in order of preference. The columns have them already."""
    rows: list[int] = []
    while True:
        chosen = evaluation.best(count - len(rows))
        if not chosen.size:
            return rows
        nodes.add_pods(chosen, shape)
        rows.extend(chosen.tolist())
        if len(rows) == count:
            return rows
        evaluation.refresh(chosen)


def _groups(pods: Iterable[Pod]) -> Iterable[tuple[Shape, list[Pod]]]:
    """Pods by priority and shape, in the order of each group's first pod."""
    groups: dict[tuple[int, Shape], list[Pod]] = {}
    for pod in pods:
        groups.setdefault((-pod.priority, pod.shape), []).append(pod)
    # Stable: what came first stays first within a priority.
    for (_, shape), group in sorted(groups.items(), key=lambda item: item[0][0]):
        yield shape, group
