"""One step of a DaemonSet's rolling update. Pure; runs only where no node lacks a pod or has one too many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, is_deleting
from kube_actors.controllers.daemonset.pods import Template
from kube_actors.controllers.intstr import scaled
from kube_actors.controllers.pods import is_available

Delete = list[Obj]
Nodes = list[str]


@dataclass(frozen=True, slots=True)
class Limits:
    """How many nodes may lack an available pod, and how many may have a second one."""

    surge: int
    unavailable: int


def limits_of(owner: Obj, desired: int) -> Limits:
    """Both rounded up, and of `desired` nodes; never both 0, or a rollout could not move."""
    rolling = get_path(owner, "spec", "updateStrategy", "rollingUpdate", default={})
    surge = scaled(rolling.get("maxSurge", 0), desired, round_up=True)
    unavailable = scaled(rolling.get("maxUnavailable", 1), desired, round_up=True)
    if desired > 0 and surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(surge, unavailable)


def allows_surge(owner: Obj) -> bool:
    return limits_of(owner, 100).surge > 0


def plan_step(
    owner: Obj, nodes: Mapping[str, Sequence[Obj]], wanted: Sequence[str], template: Template, now: float
) -> tuple[Delete, Nodes]:
    """(old pods to delete, nodes that get a second pod). `nodes` maps each node to its pods, `wanted` are those
    that should have one."""
    limits = limits_of(owner, len(wanted))
    pairs = {node: _pair(nodes.get(node, ()), template) for node in {*nodes, *wanted}}
    min_ready = owner["spec"].get("minReadySeconds", 0)
    step = _Step(pairs, min_ready, now)
    if limits.surge == 0:
        return step.replace(limits.unavailable), []
    return step.surge(limits.surge)


class _Pair:
    """The new and the old pod of a node; `crowded` where there are several of a sort."""

    def __init__(self, new: Sequence[Obj], old: Sequence[Obj]) -> None:
        self.crowded = len(new) > 1 or len(old) > 1
        self.new = new[0] if new else None
        self.old = old[0] if old else None


def _pair(pods: Iterable[Obj], template: Template) -> _Pair:
    staying = [pod for pod in pods if not is_deleting(pod)]
    return _Pair([pod for pod in staying if template.made(pod)], [pod for pod in staying if not template.made(pod)])


class _Step:
    def __init__(self, pairs: Mapping[str, _Pair], min_ready: int, now: float) -> None:
        self.pairs = sorted(pairs.items())
        self._min_ready = min_ready
        self._now = now

    def _available(self, pod: Obj) -> bool:
        return is_available(pod, self._min_ready, self._now)

    def replace(self, allowed: int) -> Delete:
        """Old pods that are not available go at once, others as far as the promise allows."""
        unavailable = 0
        lost: Delete = []
        candidates: Delete = []
        for _, pair in self.pairs:
            if pair.crowded or (pair.new is None) == (pair.old is None):
                # Being put in order elsewhere: nothing available is counted on.
                unavailable += 1
            elif pair.new is not None:
                unavailable += not self._available(pair.new)
            elif pair.old is not None and not self._available(pair.old):
                lost.append(pair.old)
                unavailable += 1
            elif pair.old is not None:
                candidates.append(pair.old)
        return [*lost, *candidates[: max(allowed - unavailable, 0)]]

    def surge(self, allowed: int) -> tuple[Delete, Nodes]:
        """A second pod first; the old one goes once the new one is available."""
        surging = 0
        done: Delete = []
        lost: Nodes = []
        candidates: Nodes = []
        for node, pair in self.pairs:
            if pair.crowded:
                surging += 1
            elif pair.old is None:
                continue
            elif pair.new is None:
                (candidates if self._available(pair.old) else lost).append(node)
            elif self._available(pair.new):
                done.append(pair.old)
            else:
                surging += 1
        return done, [*lost, *candidates[: max(allowed - surging, 0)]]
