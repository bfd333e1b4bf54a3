"""The patches of the Kubernetes API as pure functions: JSON patch, merge patch, strategic merge patch.

Each returns a new object and leaves its arguments as they are; parts that do not change may be shared. `three_way`
makes the strategic merge patch that `kubectl apply` sends.
"""

from kube_actors.api.patch.errors import PatchError
from kube_actors.api.patch.json_patch import json_patch
from kube_actors.api.patch.merge import merge_diff, merge_patch
from kube_actors.api.patch.strategic import strategic_merge
from kube_actors.api.patch.three_way import three_way, three_way_merge

__all__ = ["PatchError", "json_patch", "merge_diff", "merge_patch", "strategic_merge", "three_way", "three_way_merge"]
