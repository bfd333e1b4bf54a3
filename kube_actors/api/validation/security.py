"""Security contexts of pods and containers."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
_LABELLING = ("MountOption", "Recursive")
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


def container_security(causes: Causes, context: Obj, spec: Obj, path: str) -> None:
    """The security context of a container of a pod with that spec."""
    privileged = context.get("privileged")
    if privileged and not SETTINGS.allow_privileged:
        causes.forbidden(f"{path}.privileged", "disallowed by cluster policy")
    _identity(causes, context, "runAsUser", path)
    _identity(causes, context, "runAsGroup", path)
    if "procMount" in context and context["procMount"] not in ("Default", "Unmasked"):
        causes.unsupported(f"{path}.procMount", context["procMount"], ("Default", "Unmasked"))
    if context.get("procMount") == "Unmasked" and spec.get("hostUsers") is not False:
        causes.invalid(f"{path}.procMount", "Unmasked", "`hostUsers` must be false to use `Unmasked`")
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
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        causes.invalid(f"{where}.shareProcessNamespace", True, text)
    if context.get("sysctls"):
        _sysctls(causes, context["sysctls"], spec, f"{where}.sysctls")
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
    change = context.get("seLinuxChangePolicy")
    if change is not None and change not in _LABELLING:
        causes.unsupported(f"{where}.seLinuxChangePolicy", change, _LABELLING)


def _sysctls(causes: Causes, sysctls: list[Obj], spec: Obj, path: str) -> None:
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
        _of_host(causes, name, spec, f"{path}[{index}].name")
        seen.add(name)


_NET_SYSCTLS, _IPC_SYSCTLS = ("net.",), ("fs.mqueue.", "kernel.shm", "kernel.msg", "kernel.sem")


def _of_host(causes: Causes, name: str, spec: Obj, path: str) -> None:
    """A sysctl of a namespace that the pod shares with its host would change the host."""
    dotted = name.replace("/", ".")
    if spec.get("hostNetwork") and dotted.startswith(_NET_SYSCTLS):
        causes.invalid(path, name, "may not be specified when 'hostNetwork' is true")
    elif spec.get("hostIPC") and dotted.startswith(_IPC_SYSCTLS):
        causes.invalid(path, name, "may not be specified when 'hostIPC' is true")


_SYSTEMS = ("linux", "windows")
_NOT_WINDOWS = "cannot be set for a windows pod"
_LINUX_POD = (
    "appArmorProfile", "seLinuxOptions", "hostUsers", "hostPID", "hostIPC", "seccompProfile", "fsGroup",
    "fsGroupChangePolicy", "sysctls", "shareProcessNamespace", "runAsUser", "runAsGroup", "supplementalGroups",
    "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
# These are fields of the pod itself; the second two are plain booleans in Go, which false leaves unset.
_OF_POD, _PLAIN = ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"), ("hostPID", "hostIPC")
_LINUX_CONTAINER = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip


def operating_system(causes: Causes, spec: Obj, path: str) -> None:
    """What a pod for one operating system may not set."""
    name = (spec.get("os") or {}).get("name", "")
    if not name:
        causes.required(f"{path}.os.name", "cannot be empty")
    elif name not in _SYSTEMS:
        causes.unsupported(f"{path}.os", name, _SYSTEMS)
    elif name == "linux":
        _linux(causes, spec, path)
    else:
        _windows(causes, spec, path)


def _contexts(spec: Obj, path: str) -> Iterator[tuple[Obj, str]]:
    """The security contexts of all containers, and where they are."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            if container.get("securityContext"):
                yield container["securityContext"], f"{path}.{field}[{index}].securityContext"


def _linux(causes: Causes, spec: Obj, path: str) -> None:
    whole = (spec.get("securityContext") or {}, f"{path}.securityContext")
    for context, where in (whole, *_contexts(spec, path)):
        if "windowsOptions" in context:
            causes.forbidden(f"{where}.windowsOptions", "windows options cannot be set for a linux pod")


def _windows(causes: Causes, spec: Obj, path: str) -> None:
    context = spec.get("securityContext") or {}
    for field in _LINUX_POD:
        holder, where = (spec, path) if field in _OF_POD else (context, f"{path}.securityContext")
        if holder.get(field) if field in (*_PLAIN, "sysctls") else field in holder:
            causes.forbidden(f"{where}.{field}", _NOT_WINDOWS)
    for own, where in _contexts(spec, path):
        for field in _LINUX_CONTAINER:
            if field in own:
                causes.forbidden(f"{where}.{field}", _NOT_WINDOWS)
