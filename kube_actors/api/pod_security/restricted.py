"""The level restricted: a pod has to give up what it does not need. A Windows pod is asked less from 1.25 on."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.meta import get_path
from kube_actors.api.pod_security.baseline import PROFILES, seccomp_profile
from kube_actors.api.pod_security.checks import (
    Check,
    Rule,
    Violation,
    containers,
    containers_of,
    context_of,
    in_user_namespace,
    named,
    plural,
    pod_context,
    quoted,
    setters,
)

_VOLUMES = frozenset((
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected",
    "secret",
))  # fmt: skip
# In the order in which Kubernetes looks for what a volume is.
_FORBIDDEN_VOLUMES = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs", "rbd",
    "flexVolume", "cinder", "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte", "azureDisk",
    "portworxVolume", "scaleIO", "storageos",
)  # fmt: skip


def _not_on_windows(rule: Rule) -> Rule:
    def relaxed(pod: Obj) -> Violation | None:
        return None if get_path(pod, "spec", "os", "name") == "windows" else rule(pod)

    return relaxed


def _not_in_user_namespace(rule: Rule) -> Rule:
    def relaxed(pod: Obj) -> Violation | None:
        return None if in_user_namespace(pod) else rule(pod)

    return relaxed


def privilege_escalation(pod: Obj) -> Violation | None:
    names = named(pod, lambda one: context_of(one).get("allowPrivilegeEscalation") is not False)
    if not names:
        return None
    detail = f"{containers(names)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", detail)


def capabilities(pod: Obj) -> Violation | None:
    def keeps(container: Obj) -> bool:
        return "ALL" not in get_path(container, "securityContext", "capabilities", "drop", default=[])

    def extra(container: Obj) -> set[str]:
        return set(get_path(container, "securityContext", "capabilities", "add", default=[])) - {"NET_BIND_SERVICE"}

    parts = []
    if names := named(pod, keeps):
        parts.append(f'{containers(names)} must set securityContext.capabilities.drop=["ALL"]')
    if names := named(pod, extra):
        added = sorted(set().union(*(extra(one) for one in containers_of(pod))))
        parts.append(f"{containers(names)} must not include {quoted(added)} in securityContext.capabilities.add")
    return Violation("unrestricted capabilities", "; ".join(parts)) if parts else None


def volumes(pod: Obj) -> Violation | None:
    bad = [one for one in pod["spec"].get("volumes") or () if not _VOLUMES & one.keys()]
    if not bad:
        return None
    kinds = sorted({next((kind for kind in _FORBIDDEN_VOLUMES if kind in one), "unknown") for one in bad})
    verb = "uses" if len(bad) == 1 else "use"
    names = quoted(one["name"] for one in bad)
    what = f"restricted volume {plural('type', len(kinds))} {quoted(kinds)}"
    return Violation("restricted volume types", f"{plural('volume', len(bad))} {names} {verb} {what}")


def run_as_non_root(pod: Obj) -> Violation | None:
    reason, whole = "runAsNonRoot != true", pod_context(pod).get("runAsNonRoot")
    who = setters(whole is False, named(pod, lambda one: context_of(one).get("runAsNonRoot") is False))
    if who:
        return Violation(reason, f"{who} must not set securityContext.runAsNonRoot=false")
    silent = [] if whole else named(pod, lambda one: context_of(one).get("runAsNonRoot") is None)
    if not silent:
        return None
    return Violation(reason, f"pod or {containers(silent)} must set securityContext.runAsNonRoot=true")


def run_as_user(pod: Obj) -> Violation | None:
    def root(context: Obj) -> bool:
        return context.get("runAsUser") == 0

    who = setters(root(pod_context(pod)), named(pod, lambda one: root(context_of(one))))
    return Violation("runAsUser=0", f"{who} must not set runAsUser=0") if who else None


def seccomp(pod: Obj) -> Violation | None:
    refused = seccomp_profile(pod)
    if refused is not None:
        return refused

    def missing(context: Obj) -> bool:
        return context.get("seccompProfile") is None

    silent = named(pod, lambda one: missing(context_of(one))) if missing(pod_context(pod)) else []
    if not silent:
        return None
    allowed = " or ".join(f'"{one}"' for one in PROFILES)
    detail = f"pod or {containers(silent)} must set securityContext.seccompProfile.type to {allowed}"
    return Violation("seccompProfile", detail)


CHECKS = (
    Check("allowPrivilegeEscalation", ((8, privilege_escalation), (25, _not_on_windows(privilege_escalation)))),
    Check(
        "capabilities_restricted",
        ((22, capabilities), (25, _not_on_windows(capabilities))),
        replaces=("capabilities_baseline",),
    ),
    Check("restrictedVolumes", ((0, volumes),), replaces=("hostPathVolumes",)),
    Check("runAsNonRoot", ((0, run_as_non_root), (35, _not_in_user_namespace(run_as_non_root)))),
    Check("runAsUser", ((23, run_as_user), (35, _not_in_user_namespace(run_as_user)))),
    Check(
        "seccompProfile_restricted",
        ((19, seccomp), (25, _not_on_windows(seccomp))),
        replaces=("seccompProfile_baseline",),
    ),
)
