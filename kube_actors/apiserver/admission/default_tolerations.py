"""DefaultTolerationSeconds: a pod stays five minutes on a node that is not ready or not reachable."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.apiserver.admission.chain import Attributes
from kube_actors.apiserver.admission.pods import new_pod_spec

SECONDS = 300
TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerationSeconds:
    async def admit(self, attributes: Attributes) -> None:
        spec = new_pod_spec(attributes)
        if spec is None:
            return
        tolerations = list(spec.get("tolerations") or ())
        missing = [taint for taint in TAINTS if not any(_tolerates(one, taint) for one in tolerations)]
        for taint in missing:
            tolerations.append(
                {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}
            )
        if missing:
            spec["tolerations"] = tolerations

    async def validate(self, attributes: Attributes) -> None:
        """Nothing to refuse."""


def _tolerates(toleration: Obj, taint: str) -> bool:
    """Whether the pod has said itself what shall happen under that taint."""
    return toleration.get("key") in (taint, None, "") and toleration.get("effect") in ("NoExecute", None, "")
