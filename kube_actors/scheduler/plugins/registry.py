"""The default profile: kube-scheduler's plugins in kube-scheduler's order, with its weights.

The order of filters decides which reason a node is counted under: that of the first that rejects it.
"""

from __future__ import annotations

from kube_actors.scheduler.framework import Profile
from kube_actors.scheduler.plugins.image_locality import ImageLocality
from kube_actors.scheduler.plugins.node_affinity import NodeAffinity
from kube_actors.scheduler.plugins.node_name import NodeName
from kube_actors.scheduler.plugins.node_ports import NodePorts
from kube_actors.scheduler.plugins.node_resources_balanced_allocation import NodeResourcesBalancedAllocation
from kube_actors.scheduler.plugins.node_resources_fit import NodeResourcesFit
from kube_actors.scheduler.plugins.node_unschedulable import NodeUnschedulable
from kube_actors.scheduler.plugins.scheduling_gates import SchedulingGates
from kube_actors.scheduler.plugins.taint_toleration import TaintToleration
from kube_actors.scheduler.plugins.volume_binding import VolumeBinding
from kube_actors.scheduler.plugins.volume_restrictions import VolumeRestrictions
from kube_actors.scheduler.volumes import Volumes


def default_profile(volumes: Volumes | None = None) -> Profile:
    """`volumes` None: claims are not looked at, as in plans over nodes alone."""
    affinity, taints, fit = NodeAffinity(), TaintToleration(), NodeResourcesFit()
    binding = () if volumes is None else (VolumeBinding(volumes),)
    restrictions = () if volumes is None else (VolumeRestrictions(volumes),)
    return Profile(
        pre_enqueue=(SchedulingGates(),),
        prefilters=(affinity, *binding),
        filters=(NodeUnschedulable(), NodeName(), taints, affinity, NodePorts(), fit, *restrictions, *binding),
        scores=(
            (taints, 3),
            (affinity, 2),
            (fit, 1),
            (NodeResourcesBalancedAllocation(), 1),
            (ImageLocality(), 1),
        ),
    )
