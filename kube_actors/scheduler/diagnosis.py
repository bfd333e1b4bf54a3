"""Why a shape fits nowhere, node by node, in Kubernetes' words.

    0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). no new claims to deallocate,
    preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not
    helpful for scheduling.

A node is counted under the reasons of the first plugin that rejects it (all reasons of that plugin).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kube_actors.scheduler.columns.arrays import Bools
from kube_actors.scheduler.columns.nodes import Nodes
from kube_actors.scheduler.framework import Profile
from kube_actors.scheduler.shape import Shape

NO_NODES = "no nodes available to schedule pods"
# What the PostFilter plugins of Kubernetes 1.36 say: DynamicResources, then DefaultPreemption.
NO_CLAIMS = "no new claims to deallocate"
NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NEVER_PREEMPTS = "not eligible due to preemptionPolicy=Never."
# Kubernetes cuts the note of an event there.
LIMIT = 1024


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`plugins` rejected the pod: what helps against any of them is worth another try."""

    message: str
    plugins: frozenset[str]


def diagnose(nodes: Nodes, shape: Shape, profile: Profile) -> Diagnosis:
    """Ask every plugin again, this time for the reasons."""
    if not nodes.count:
        return Diagnosis(NO_NODES, frozenset(plugin.name for plugin in profile.filters))
    left: Bools = nodes.valid[nodes.all].copy()
    reasons: Counter[str] = Counter()
    plugins: set[str] = set()
    for prefilter in profile.prefilters:
        narrowed = prefilter.prefilter(shape, nodes)
        if narrowed is None:
            continue
        if isinstance(narrowed, str):
            message = _message(nodes.count, f" {narrowed}.", _preemption(nodes.count, 0, shape))
            return Diagnosis(message, frozenset((prefilter.name,)))
        reasons[f"node(s) didn't satisfy plugin(s) [{prefilter.name}]"] += int((left & ~narrowed).sum())
        plugins.add(prefilter.name)
        left &= narrowed
    resolvable = 0
    for plugin in profile.filters:
        rejections = plugin.filter(shape, nodes, nodes.all)
        rejected = np.zeros(left.shape, np.bool_)
        unresolvable = np.zeros(left.shape, np.bool_)
        for rejection in rejections:
            reasons[rejection.reason] += int((rejection.nodes & left).sum())
            rejected |= rejection.nodes
            unresolvable |= rejection.nodes & rejection.unresolvable
        if (rejected & left).any():
            plugins.add(plugin.name)
        resolvable += int((rejected & left & ~unresolvable).sum())
        left &= ~rejected
    counts = histogram(reasons)
    message = _message(nodes.count, f" {counts}." if counts else "", _preemption(nodes.count, resolvable, shape))
    return Diagnosis(message, frozenset(plugins))


def histogram(reasons: Mapping[str, int]) -> str:
    """`1 Insufficient cpu, 2 node(s) were unschedulable`: sorted as texts, as Kubernetes sorts them."""
    return ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items() if count))


def _message(count: int, why: str, preemption: str) -> str:
    return f"0/{count} nodes are available:{why} {NO_CLAIMS}, preemption: {preemption}"[:LIMIT]


def _preemption(count: int, resolvable: int, shape: Shape) -> str:
    """What DefaultPreemption says where it finds nobody to evict."""
    if shape.never_preempts:
        return NEVER_PREEMPTS
    counts = histogram({NO_VICTIMS: resolvable, NOT_HELPFUL: count - resolvable})
    return f"0/{count} nodes are available: {counts}."
