"""Security contexts of pods and containers."""

from __future__ import annotations

import re
from typing import Any

from kube_actors.api import Obj
from kube_actors.api.gotext import go_json
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.settings import SETTINGS
from kube_actors.api.validation.windows import windows_options

_ID_RANGE = "must be between 0 and 2147483647, inclusive"
_ID_MAX = 2**31 - 1
_SYSCTL_FORMAT = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
_SYSCTL = re.compile(_SYSCTL_FORMAT)
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_CONTAINER_FIELDS = (
    ("Capabilities", "capabilities"), ("Privileged", "privileged"), ("SELinuxOptions", "seLinuxOptions"),
    ("WindowsOptions", "windowsOptions"), ("RunAsUser", "runAsUser"), ("RunAsGroup", "runAsGroup"),
    ("RunAsNonRoot", "runAsNonRoot"), ("ReadOnlyRootFilesystem", "readOnlyRootFilesystem"),
    ("AllowPrivilegeEscalation", "allowPrivilegeEscalation"), ("ProcMount", "procMount"),
    ("SeccompProfile", "seccompProfile"), ("AppArmorProfile", "appArmorProfile"),
)  # fmt: skip


def _identity(causes: Causes, context: Obj, field: str, path: str) -> None:
    value = context.get(field)
    if value is not None and not 0 <= value <= _ID_MAX:
        causes.invalid(f"{path}.{field}", value, _ID_RANGE)


def _profile(causes: Causes, profile: Obj, path: str, name: str, supported: tuple[str, ...]) -> None:
    """A seccomp or AppArmor profile: a local one needs a path, the others have none."""
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    if kind == "Localhost":
        if not local:
            causes.required(f"{path}.localhostProfile", f"must be set when {name} type is Localhost")
        elif name == "seccomp":
            if local.startswith("/"):
                causes.invalid(f"{path}.localhostProfile", local, "must be a relative path")
            if ".." in local.split("/"):
                causes.invalid(f"{path}.localhostProfile", local, "must not contain '..'")
        return
    if kind not in supported:
        if not kind:
            causes.required(f"{path}.type", "type is required when seccompProfile is set" if name == "seccomp" else "")
        else:
            causes.unsupported(f"{path}.type", kind, supported)
    if local is not None:
        causes.invalid(f"{path}.localhostProfile", local, f"can only be set when {name} type is Localhost")


def profiles(causes: Causes, context: Obj, path: str) -> None:
    """The seccomp profile of a context."""
    if "seccompProfile" in context:
        _profile(causes, context["seccompProfile"], f"{path}.seccompProfile", "seccomp", _PROFILES)


def apparmor(causes: Causes, context: Obj, path: str) -> None:
    """The AppArmor profile of a context."""
    if "appArmorProfile" in context:
        _profile(causes, context["appArmorProfile"], f"{path}.appArmorProfile", "AppArmor", _PROFILES)


def container_security(causes: Causes, context: Obj, path: str) -> None:
    """The security context of a container."""
    privileged = context.get("privileged")
    if privileged and not SETTINGS.allow_privileged:
        causes.forbidden(f"{path}.privileged", "disallowed by cluster policy")
    _identity(causes, context, "runAsUser", path)
    _identity(causes, context, "runAsGroup", path)
    if "procMount" in context and context["procMount"] not in ("Default", "Unmasked"):
        causes.unsupported(f"{path}.procMount", context["procMount"], ("Default", "Unmasked"))
    profiles(causes, context, path)
    if context.get("allowPrivilegeEscalation") is False:
        if privileged:
            text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            causes.invalid(path, _internal(context), text)
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            causes.invalid(path, _internal(context), text)
    if "windowsOptions" in context:
        windows_options(causes, context["windowsOptions"], f"{path}.windowsOptions")
    apparmor(causes, context, path)


def _internal(context: Obj) -> Raw:
    """A container's security context as Go's internal struct is printed."""
    shown: dict[str, Any] = {name: context.get(field) for name, field in _CONTAINER_FIELDS}
    for name in ("SeccompProfile", "AppArmorProfile"):
        if shown[name]:
            profile = shown[name]
            shown[name] = {"Type": profile.get("type"), "LocalhostProfile": profile.get("localhostProfile")}
    if shown["Capabilities"]:
        capabilities = shown["Capabilities"]
        shown["Capabilities"] = {"Add": capabilities.get("add"), "Drop": capabilities.get("drop")}
    return Raw(go_json(shown))


def pod_security(causes: Causes, context: Obj, spec: Obj, path: str) -> None:
    """The security context of a pod; `path` is the pod's spec."""
    where = f"{path}.securityContext"
    _identity(causes, context, "fsGroup", where)
    _identity(causes, context, "runAsUser", where)
    _identity(causes, context, "runAsGroup", where)
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        if not 0 <= group <= _ID_MAX:
            causes.invalid(f"{where}.supplementalGroups[{index}]", group, _ID_RANGE)
    if context.get("sysctls"):
        _sysctls(causes, context["sysctls"], f"{where}.sysctls")
    if "fsGroupChangePolicy" in context:
        causes_of = ("Always", "OnRootMismatch")
        if context["fsGroupChangePolicy"] not in causes_of:
            causes.unsupported(f"{where}.fsGroupChangePolicy", context["fsGroupChangePolicy"], causes_of)
    profiles(causes, context, where)
    if "windowsOptions" in context:
        windows_options(causes, context["windowsOptions"], f"{where}.windowsOptions")
    apparmor(causes, context, where)
    if "supplementalGroupsPolicy" in context and context["supplementalGroupsPolicy"] not in ("Merge", "Strict"):
        value = context["supplementalGroupsPolicy"]
        causes.unsupported(f"{where}.supplementalGroupsPolicy", value, ("Merge", "Strict"))


def _sysctls(causes: Causes, sysctls: list[Obj], path: str) -> None:
    seen: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        name = sysctl.get("name", "")
        if not name:
            causes.required(f"{path}[{index}].name")
        elif len(name) > names.SUBDOMAIN_MAX or not _SYSCTL.match(name):
            text = f"must have at most {names.SUBDOMAIN_MAX} characters and match regex {_SYSCTL_FORMAT}"
            causes.invalid(f"{path}[{index}].name", name, text)
        elif name in seen:
            causes.duplicate(f"{path}[{index}].name", name)
        seen.add(name)


def operating_system(causes: Causes, spec: Obj, path: str) -> None:
    """What a pod for one operating system may not set."""
    name = (spec.get("os") or {}).get("name")
    if name is None:
        return
    if name not in ("linux", "windows"):
        if not name:
            causes.required(f"{path}.os.name")
        else:
            causes.unsupported(f"{path}.os", name, ("linux", "windows"))
        return
    context = spec.get("securityContext") or {}
    if name == "linux":
        if "windowsOptions" in context:
            causes.forbidden(f"{path}.securityContext.windowsOptions", "windows options cannot be set for a linux pod")
        return
    text = "cannot be set for a windows pod"
    for field in ("appArmorProfile", "seLinuxOptions"):
        if field in context:
            causes.forbidden(f"{path}.securityContext.{field}", text)
    for field in ("hostUsers", "hostPID", "hostIPC"):
        if spec.get(field) or (field == "hostUsers" and field in spec):
            causes.forbidden(f"{path}.{field}", text)
    fields = (
        "seccompProfile", "fsGroup", "fsGroupChangePolicy", "seLinuxChangePolicy", "sysctls", "runAsUser",
        "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy",
    )  # fmt: skip
    for field in fields:
        if field in context:
            causes.forbidden(f"{path}.securityContext.{field}", text)
