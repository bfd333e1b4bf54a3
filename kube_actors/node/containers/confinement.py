"""Pods whose confinement the node cannot or must not give are refused, as kubelet's admission handlers do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kube_actors.api import Obj
from kube_actors.node.containers.sysctls import forbidden
from kube_actors.node.pods.actions import Failure
from kube_actors.node.pods.view import specs


def refuses(pod: Obj, allowed_sysctls: Iterable[str], *, app_armor: bool) -> Failure | None:
    """Why the node does not take the pod. `app_armor`: whether its kernel has it."""
    if reason := forbidden(pod, allowed_sysctls):
        return Failure("SysctlForbidden", reason)
    if (pod["spec"].get("os") or {}).get("name", "linux") != "linux":
        return Failure("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    if not app_armor and _needs_app_armor(pod):
        return Failure("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")
    if _strict_groups(pod) and not all(_has_group(each) for each in _contexts(pod)):
        # An engine leaves the groups of the image's /etc/group out only where it is told the user's own.
        text = "SupplementalGroupsPolicy=Strict is not supported in this node"
        return Failure("SupplementalGroupsPolicyNotSupported", text)
    return None


def _contexts(pod: Obj) -> Iterator[Obj]:
    """The security context of each container, completed by the pod's."""
    shared: Obj = pod["spec"].get("securityContext") or {}
    for container, _ in specs(pod):
        own: Obj = container.get("securityContext") or {}
        yield shared | {key: value for key, value in own.items() if value is not None}


def _needs_app_armor(pod: Obj) -> bool:
    profiles = [each.get("appArmorProfile") or {} for each in _contexts(pod)]
    return any(each.get("type", "Unconfined") != "Unconfined" for each in profiles)


def _strict_groups(pod: Obj) -> bool:
    return (pod["spec"].get("securityContext") or {}).get("supplementalGroupsPolicy") == "Strict"


def _has_group(context: Obj) -> bool:
    return context.get("runAsGroup") is not None
