"""Annotations of pods that mean something to Kubernetes, most of them older than the fields that replaced them."""

from __future__ import annotations

import re

from kube_actors.api import Obj
from kube_actors.api.gotext import go_quote
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.paths import descending_path

MIRROR = "kubernetes.io/config.mirror"
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_COST = "controller.kubernetes.io/pod-deletion-cost"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_COST_FORMAT = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_INT32 = 2**31
# The type of a profile -> how the annotations write it; a local one is `localhost/` and its name.
_SECCOMP_TYPES = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default", "docker/default")}
_APPARMOR_TYPES: dict[str, tuple[str, ...]] = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default",)}
_LOCAL = "localhost/"


def pod_annotations(causes: Causes, values: dict[str, str], spec: Obj, path: str) -> None:
    """The annotations of a pod or of a template (ValidatePodSpecificAnnotations)."""
    if MIRROR in values and not spec.get("nodeName"):
        text = "must set spec.nodeName if mirror pod annotation is set"
        causes.invalid(f"{path}[{MIRROR}]", values[MIRROR], text)
    cost = values.get(_COST)
    if cost is not None and not _is_cost(cost):
        causes.invalid(f"{path}[{_COST}]", cost, "must be a 32bit integer")
    for key, profile in values.items():
        if key == _SECCOMP_POD or key.startswith(_SECCOMP_CONTAINER):
            _seccomp(causes, profile, f"{path}.{key}")
    for key, profile in values.items():
        if key.startswith(APPARMOR):
            _apparmor(causes, key, profile, spec, path)


def _is_cost(text: str) -> bool:
    # A leading plus or zero would sort otherwise as text.
    return bool(_COST_FORMAT.fullmatch(text)) and text[0] != "+" and -_INT32 <= int(text) < _INT32


def _seccomp(causes: Causes, profile: str, path: str) -> None:
    if profile.startswith(_LOCAL):
        descending_path(causes, path, profile.removeprefix(_LOCAL))
    elif profile not in ("runtime/default", "docker/default", "unconfined"):
        causes.invalid(path, profile, "must be a valid seccomp profile")


def _apparmor(causes: Causes, key: str, profile: str, spec: Obj, path: str) -> None:
    name = key.removeprefix(APPARMOR)
    fields = ("initContainers", "containers", "ephemeralContainers")
    if not any(container.get("name") == name for field in fields for container in spec.get(field) or ()):
        causes.invalid(f"{path}[{key}]", name, "container not found")
    if profile not in ("", "runtime/default", "unconfined") and not profile.startswith(_LOCAL):
        causes.invalid(f"{path}[{key}]", profile, f"invalid AppArmor profile name: {go_quote(profile)}")


def matching_profiles(causes: Causes, values: dict[str, str], spec: Obj, path: str) -> None:
    """Where an annotation and a field both name a profile, they name the same."""
    if not values:
        return
    context = spec.get("securityContext") or {}
    where = f"{path}.securityContext.seccompProfile"
    _same(causes, values.get(_SECCOMP_POD), context.get("seccompProfile"), where, _SECCOMP_TYPES)
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            own, name = container.get("securityContext") or {}, container.get("name", "")
            where = f"{path}.{field}[{index}].securityContext"
            given = values.get(_SECCOMP_CONTAINER + name)
            _same(causes, given, own.get("seccompProfile"), f"{where}.seccompProfile", _SECCOMP_TYPES)
            if (spec.get("os") or {}).get("name") != "windows":
                profile = own.get("appArmorProfile") or context.get("appArmorProfile")
                given = values.get(APPARMOR + name)
                _same(causes, given, profile, f"{where}.appArmorProfile", _APPARMOR_TYPES)


def _same(
    causes: Causes, annotation: str | None, profile: Obj | None, path: str, types: dict[str, tuple[str, ...]]
) -> None:
    if annotation is None or profile is None:
        return
    name, kind = "seccomp" if path.endswith("seccompProfile") else "apparmor", profile.get("type", "")
    if (kind in types and annotation not in types[kind]) or (kind == "Localhost" and not annotation.startswith(_LOCAL)):
        causes.forbidden(f"{path}.type", f"{name} type in annotation and field must match")
    elif kind == "Localhost" and annotation.removeprefix(_LOCAL) != profile.get("localhostProfile"):
        causes.forbidden(f"{path}.localhostProfile", f"{name} profile in annotation and field must match")
