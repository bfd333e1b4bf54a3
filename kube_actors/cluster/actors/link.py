"""What an actor on a Ray of several nodes asks the supervisor for: the plan as it is now, and signatures.

The authority's key stays on the master. A component elsewhere makes its own keys and has their public halves
signed, over Ray's calls: who may call actors of the cluster may also run code beside the authority.
"""

from __future__ import annotations

from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError

from kube_actors.cluster.desired import NAMESPACE, SUPERVISOR
from kube_actors.cluster.pki import Authority, Subject
from kube_actors.cluster.plan import ClusterPlan
from kube_actors.rpc.errors import RpcError

ANSWER_SECONDS = 10.0


def current_plan() -> ClusterPlan:
    """Raises RpcError (transient) while the supervisor is away."""
    plan: ClusterPlan = _ask("plan")
    return plan


class SupervisorsAuthority(Authority):
    """The cluster's authority, from wherever. Raises RpcError (transient) while the supervisor is away."""

    def __init__(self) -> None:
        self.ca = _ask("authority")

    def sign(self, public_key: bytes, subject: Subject) -> bytes:
        signed: bytes = _ask("sign", public_key, subject)
        return signed


def _ask(method: str, *arguments: Any) -> Any:
    try:
        supervisor = ray.get_actor(SUPERVISOR, namespace=NAMESPACE)
        return ray.get(getattr(supervisor, method).remote(*arguments), timeout=ANSWER_SECONDS)
    except (ValueError, RayActorError, GetTimeoutError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise RpcError("UNAVAILABLE", f"the supervisor does not answer: {reason}") from error
