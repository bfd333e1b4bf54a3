"""VolumeBinding: a pod goes where its volumes are, or where they can be.

Claims of a class with volumeBindingMode Immediate must be bound before the pod is scheduled; those of
WaitForFirstConsumer are bound, or provisioned, for the node that was chosen (`prebind.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, is_deleting, split_key
from kube_actors.api.volumes import is_fully_bound, waits_for_consumer
from kube_actors.scheduler.columns.arrays import Bools, Rows
from kube_actors.scheduler.columns.nodes import Nodes
from kube_actors.scheduler.framework import ClusterEvent, Rejection, Scope
from kube_actors.scheduler.plugins.node_affinity import any_term
from kube_actors.scheduler.shape import Shape
from kube_actors.scheduler.volumes import Volumes

CONFLICT = "node(s) didn't match PersistentVolume's node affinity"
NOTHING_TO_BIND = "node(s) didn't find available persistent volumes to bind"
UNBOUND = "pod has unbound immediate PersistentVolumeClaims"


class VolumeBinding:
    name = "VolumeBinding"
    scope = Scope.NODE
    events = ClusterEvent.VOLUME | ClusterEvent.NODE_ADD | ClusterEvent.NODE_LABEL

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    def prefilter(self, shape: Shape, nodes: Nodes) -> Bools | str | None:
        """Why no node will do as long as the claims are as they are."""
        for key in shape.claims:
            problem = self._problem(key)
            if problem:
                return problem
        return None

    def filter(self, shape: Shape, nodes: Nodes, rows: Rows) -> Sequence[Rejection]:
        if not shape.claims:
            return ()
        conflict = np.zeros(nodes.valid[rows].shape, np.bool_)
        nothing = conflict.copy()
        for key in shape.claims:
            claim = self._volumes.claim(key)
            if claim is None:
                continue
            if is_fully_bound(claim):
                volume = self._volumes.volume(str(claim["spec"]["volumeName"]))
                if volume is not None:
                    conflict |= ~_reach(volume, nodes, rows)
            else:
                nothing |= ~self._can_bind(claim, nodes, rows)
        found = ((CONFLICT, conflict), (NOTHING_TO_BIND, nothing))
        return [Rejection(reason, rejected, rejected) for reason, rejected in found if rejected.any()]

    def _problem(self, key: str) -> str:
        _, name = split_key(key)
        claim = self._volumes.claim(key)
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if is_deleting(claim):
            return f'persistentvolumeclaim "{name}" is being deleted'
        if is_fully_bound(claim):
            volume_name = str(claim["spec"]["volumeName"])
            if self._volumes.volume(volume_name) is None:
                return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{volume_name}"'
            return ""
        return "" if waits_for_consumer(self._volumes.storage_class(claim)) else UNBOUND

    def _can_bind(self, claim: Obj, nodes: Nodes, rows: Rows) -> Bools:
        """The nodes on which there is a volume for the claim, or where one can be made."""
        found = np.zeros(nodes.valid[rows].shape, np.bool_)
        if self._volumes.can_provision(claim):
            found |= _allowed(self._volumes.storage_class(claim) or {}, nodes, rows)
        for volume in self._volumes.candidates(claim):
            if found.all():
                break
            found |= _reach(volume, nodes, rows)
        return found


def _reach(volume: Obj, nodes: Nodes, rows: Rows) -> Bools:
    required = get_path(volume, "spec", "nodeAffinity", "required")
    if required is None:
        return np.ones(nodes.valid[rows].shape, np.bool_)
    return any_term(required.get("nodeSelectorTerms") or (), nodes, rows)


def _allowed(storage_class: Obj, nodes: Nodes, rows: Rows) -> Bools:
    """allowedTopologies of a class: any of the terms, each of which is all of its labels."""
    terms = storage_class.get("allowedTopologies") or ()
    if not terms:
        return np.ones(nodes.valid[rows].shape, np.bool_)
    as_affinity = [
        {
            "matchExpressions": [
                {"key": each["key"], "operator": "In", "values": each.get("values") or ()}
                for each in term.get("matchLabelExpressions") or ()
            ]
        }
        for term in terms
    ]
    return any_term(as_affinity, nodes, rows)
