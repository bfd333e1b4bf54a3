"""VolumeRestrictions: a claim with the access mode ReadWriteOncePod serves one pod at a time, on whatever node.

Disks of clouds, RBD and iSCSI, of which Kubernetes' plugin knows as well, are no volumes of this cluster.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kube_actors.api.volumes import ONE_POD
from kube_actors.scheduler.columns.arrays import Rows
from kube_actors.scheduler.columns.nodes import Nodes
from kube_actors.scheduler.framework import ClusterEvent, Rejection, Scope
from kube_actors.scheduler.shape import Shape
from kube_actors.scheduler.volumes import Volumes

REASON = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"


class VolumeRestrictions:
    name = "VolumeRestrictions"
    scope = Scope.CLAIMS
    events = ClusterEvent.POD_GONE | ClusterEvent.NODE_ADD | ClusterEvent.VOLUME

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    def filter(self, shape: Shape, nodes: Nodes, rows: Rows) -> Sequence[Rejection]:
        if not any(nodes.claims[key] and self._is_for_one_pod(key) for key in shape.claims):
            return ()
        every = np.ones(nodes.valid[rows].shape, np.bool_)
        # Ending the pod that has the claim would help.
        return (Rejection(REASON, every, ~every),)

    def _is_for_one_pod(self, key: str) -> bool:
        claim = self._volumes.claim(key)
        return claim is not None and ONE_POD in (claim["spec"].get("accessModes") or ())
