"""Which nodes fit a shape and how well, kept current while pods of that shape are placed."""

from __future__ import annotations

import numpy as np

from kube_actors.scheduler.columns.arrays import Bools, Ints, Rows
from kube_actors.scheduler.columns.nodes import Nodes
from kube_actors.scheduler.framework import MAX_SCORE, Normalize, Profile, Scope, ScorePlugin
from kube_actors.scheduler.shape import Shape

NONE: Ints = np.zeros(0, np.intp)
PODS_MATTER = (Scope.ROW, Scope.CLAIMS, Scope.CLUSTER)
# Shapes whose evaluations are kept.
REMEMBERED = 128


class Evaluation:
    """`best` rows for one shape; good for one epoch of the nodes."""

    def __init__(self, nodes: Nodes, shape: Shape, profile: Profile) -> None:
        self._nodes, self._shape, self._profile = nodes, shape, profile
        self._pods = nodes.resources.index("pods")
        # Asked once for this shape: the raw scores and what they become depend on no pod.
        self._static = [(plugin, weight) for plugin, weight in profile.scores if plugin.scope is Scope.NODE]
        self._dynamic = [(plugin, weight) for plugin, weight in profile.scores if plugin.scope is not Scope.NODE]
        anywhere = (Scope.CLAIMS, Scope.CLUSTER) if shape.claims else (Scope.CLUSTER,)
        self._everywhere = any(
            plugin.scope in anywhere for plugin in (*profile.filters, *(plugin for plugin, _ in profile.scores))
        )
        self._version = nodes.version
        self._eligible = self._find_eligible()
        self._fits = self._eligible & self._passes(nodes.all, PODS_MATTER)
        self._fixed = np.zeros(self._fits.shape, np.int64)
        self._relative: list[tuple[ScorePlugin, int, Ints]] = []
        self._read_static()
        self._scores = self._dynamic_scores(nodes.all)

    def best(self, limit: int) -> Ints:
        """The rows with the best score, at most `limit`: of equal ones those with fewest pods."""
        if not self._fits.any():
            return NONE
        total = np.where(self._fits, self._scores + self._fixed + self._normalized(), -1)
        ties = np.flatnonzero(total == total.max())
        if self._everywhere:
            limit = 1
        if len(ties) > limit:
            pods = self._nodes.resources.requested[self._pods, ties]
            ties = ties[np.argsort(pods, kind="stable")[:limit]]
        return ties

    def catch_up(self) -> None:
        """Take in what pods came and went since the last look."""
        rows = self._nodes.rows_changed_since(self._version)
        if len(rows):
            self.refresh(rows)

    def refresh(self, rows: Ints) -> None:
        """The pods on these rows changed, and on no others."""
        self._version = self._nodes.version
        again: Rows = self._nodes.all if self._everywhere else rows
        self._fits[again] = self._eligible[again] & self._passes(again, PODS_MATTER)
        self._scores[again] = self._dynamic_scores(again)

    def _find_eligible(self) -> Bools:
        """The nodes that the pod may use at all, whatever runs there."""
        rows = self._nodes.all
        eligible = self._nodes.valid[rows] & self._passes(rows, (Scope.NODE,))
        for plugin in self._profile.prefilters:
            narrowed = plugin.prefilter(self._shape, self._nodes)
            if isinstance(narrowed, str):
                return np.zeros(eligible.shape, np.bool_)
            if narrowed is not None:
                eligible &= narrowed
        return eligible

    def _passes(self, rows: Rows, scopes: tuple[Scope, ...]) -> Bools:
        passes = np.ones(self._nodes.valid[rows].shape, np.bool_)
        for plugin in self._profile.filters:
            if plugin.scope in scopes:
                for rejection in plugin.filter(self._shape, self._nodes, rows):
                    passes &= ~rejection.nodes
        return passes

    def _read_static(self) -> None:
        for plugin, weight in self._static:
            raw = plugin.score(self._shape, self._nodes, self._nodes.all)
            if raw is None:
                continue
            if plugin.normalize is Normalize.NO:
                self._fixed += weight * raw
            elif raw.max(initial=0) > 0:
                self._relative.append((plugin, weight, raw))

    def _dynamic_scores(self, rows: Rows) -> Ints:
        total = np.zeros(self._nodes.valid[rows].shape, np.int64)
        for plugin, weight in self._dynamic:
            raw = plugin.score(self._shape, self._nodes, rows)
            if raw is not None:
                total += weight * raw
        return total

    def _normalized(self) -> Ints | int:
        """Scores that are relative to the best of the nodes that fit now."""
        total: Ints | int = 0
        for plugin, weight, raw in self._relative:
            total = total + weight * normalized(raw, plugin.normalize, self._fits)
        return total


def normalized(raw: Ints, how: Normalize, fits: Bools) -> Ints:
    """0..100 relative to the largest raw score among the nodes that fit (helper.DefaultNormalizeScore)."""
    largest = int(raw[fits].max(initial=0))
    if how is Normalize.NO:
        return raw
    if largest == 0:
        return np.full(raw.shape, MAX_SCORE if how is Normalize.DOWN else 0, np.int64)
    scaled: Ints = np.minimum(raw, largest) * MAX_SCORE // largest
    return MAX_SCORE - scaled if how is Normalize.DOWN else scaled


class Evaluations:
    """Evaluations of the shapes seen lately, so that a pod of a known shape costs what changed since.

    Those of another epoch, or of other columns, are dropped.
    """

    def __init__(self) -> None:
        self._of: tuple[Nodes | None, int] = (None, 0)
        self._known: dict[Shape, Evaluation] = {}

    def get(self, nodes: Nodes, shape: Shape, profile: Profile) -> Evaluation:
        """The current evaluation of that shape."""
        if self._of != (nodes, nodes.epoch) or len(self._known) >= REMEMBERED:
            self._known.clear()
            self._of = (nodes, nodes.epoch)
        if shape.claims:
            # Depends on volumes, whose changes no epoch tells.
            return Evaluation(nodes, shape, profile)
        found = self._known.get(shape)
        if found is None:
            found = self._known[shape] = Evaluation(nodes, shape, profile)
        else:
            found.catch_up()
        return found
