"""Whether a container that ended is started again: restartPolicy of the pod, of the container, and its rules."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.node.pods.view import ContainerView, Role, Run

ALWAYS, ON_FAILURE, NEVER = "Always", "OnFailure", "Never"


def policy_of(pod: Obj, view: ContainerView) -> str:
    """The restart policy that holds for the container."""
    if view.role is Role.EPHEMERAL:
        return NEVER
    if view.role is Role.SIDECAR:
        return ALWAYS
    own = view.spec.get("restartPolicy")
    if own:
        return str(own)
    policy = str(pod["spec"].get("restartPolicy") or ALWAYS)
    # An init container of a pod that always restarts is repeated until it succeeds, not after.
    return ON_FAILURE if view.role is Role.INIT and policy == ALWAYS else policy


def restarts(pod: Obj, view: ContainerView, run: Run) -> bool:
    """Whether the container is to run again after `run` ended."""
    if view.role is Role.EPHEMERAL:
        return False
    if run.replaced:
        return True
    if view.role is not Role.SIDECAR and _rule_says_restart(view.spec, run.exit_code):
        return True
    policy = policy_of(pod, view)
    return policy == ALWAYS or (policy == ON_FAILURE and run.exit_code != 0)


def _rule_says_restart(spec: Obj, exit_code: int) -> bool:
    for rule in spec.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        listed = exit_code in (codes.get("values") or ())
        if rule.get("action") == "Restart" and listed == (codes.get("operator") == "In"):
            return True
    return False
