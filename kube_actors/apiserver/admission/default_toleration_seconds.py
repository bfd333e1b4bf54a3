"""DefaultTolerationSeconds: a pod stays five minutes on a node that is not ready or not reachable."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.resources import PODS, Resource
from kube_actors.apiserver.admission.chain import Attributes, Operation, Plugin
from kube_actors.apiserver.admission.pods import spec_of

SECONDS = 300
TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerationSeconds(Plugin):
    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        return operation in (Operation.CREATE, Operation.UPDATE) and resource is PODS and not subresource

    async def admit(self, attributes: Attributes) -> None:
        spec = spec_of(attributes)
        tolerations = list(spec.get("tolerations") or ())
        missing = [taint for taint in TAINTS if not any(_tolerates(one, taint) for one in tolerations)]
        for taint in missing:
            tolerations.append(
                {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}
            )
        if missing:
            spec["tolerations"] = tolerations


def _tolerates(toleration: Obj, taint: str) -> bool:
    """Whether the pod has said itself what shall happen under that taint."""
    return toleration.get("key") in (taint, None, "") and toleration.get("effect") in ("NoExecute", None, "")
