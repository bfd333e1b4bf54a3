"""ImageLocality: prefer nodes that have the pod's images, the more the larger and the wider spread they are."""

from __future__ import annotations

import numpy as np

from kube_actors.scheduler.columns.arrays import Ints, Rows
from kube_actors.scheduler.columns.nodes import Nodes
from kube_actors.scheduler.framework import MAX_SCORE, Normalize, Scope
from kube_actors.scheduler.shape import Shape

MB = 1024 * 1024
LOW = 23 * MB
HIGH_PER_CONTAINER = 1000 * MB


class ImageLocality:
    name = "ImageLocality"
    scope = Scope.NODE
    normalize = Normalize.NO

    def score(self, shape: Shape, nodes: Nodes, rows: Rows) -> Ints | None:
        known = [nodes.images.keys[image] for image in shape.images if image in nodes.images.keys]
        if not known or not nodes.count:
            return None
        sizes = nodes.images.counts[known]
        # Images that few nodes have count little, or their few nodes would get all pods.
        spread = (sizes > 0).sum(axis=1, keepdims=True) / nodes.count
        total = (sizes[:, rows] * spread).astype(np.int64).sum(axis=0)
        high = HIGH_PER_CONTAINER * len(shape.images)
        score: Ints = MAX_SCORE * (np.clip(total, LOW, high) - LOW) // (high - LOW)
        return score
