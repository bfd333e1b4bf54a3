"""The effective security context of a container: its own fields over those of the pod."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kube_actors.api import Obj
from kube_actors.node.containers.environment import ConfigFailure
from kube_actors.node.runtime.interface import UNCONFINED, Image, RuntimeFailure, Security
from kube_actors.node.status.container_status import full_name


def security_of(pod: Obj, container: Obj, image: Image, seccomp_folder: Path) -> Security:
    """`seccomp_folder` has the profiles of type Localhost.

    Raises ConfigFailure where runAsNonRoot forbids what would run, or cannot know it; RuntimeFailure without the
    seccomp profile.
    """
    shared: Obj = pod["spec"].get("securityContext") or {}
    own: Obj = container.get("securityContext") or {}

    def effective(key: str) -> Any:
        value = own.get(key)
        return shared.get(key) if value is None else value

    user = effective("runAsUser")
    if effective("runAsNonRoot"):
        _require_non_root(pod, container, user, image)
    capabilities = own.get("capabilities") or {}
    groups = [int(each) for each in shared.get("supplementalGroups") or ()]
    if shared.get("fsGroup") is not None:
        groups.append(int(shared["fsGroup"]))
    group = effective("runAsGroup")
    return Security(
        user=None if user is None else int(user),
        image_user=image.user_name or str(image.user or ""),
        group=None if group is None else int(group),
        supplemental_groups=tuple(dict.fromkeys(groups)),
        privileged=bool(own.get("privileged")),
        read_only_root=bool(own.get("readOnlyRootFilesystem")),
        no_new_privileges=own.get("allowPrivilegeEscalation") is False,
        add_capabilities=tuple(capabilities.get("add") or ()),
        drop_capabilities=tuple(capabilities.get("drop") or ()),
        seccomp=_seccomp(effective("seccompProfile") or {}, seccomp_folder),
        app_armor=_app_armor(effective("appArmorProfile") or {}),
    )


def _seccomp(profile: Obj, folder: Path) -> str:
    if profile.get("type") == "Unconfined":
        return UNCONFINED
    if profile.get("type") != "Localhost":
        return ""
    file = folder / str(profile["localhostProfile"])
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror or "").lower() if isinstance(error, OSError) else "not a text"
        text = f'failed to generate seccomp spec opts: cannot load seccomp profile "{file}": open {file}: {why}'
        raise RuntimeFailure(text, "CreateContainerError") from error


def _app_armor(profile: Obj) -> str:
    if profile.get("type") == "Localhost":
        return str(profile["localhostProfile"])
    return UNCONFINED if profile.get("type") == "Unconfined" else ""


def _require_non_root(pod: Obj, container: Obj, user: int | None, image: Image) -> None:
    who = f'(pod: "{full_name(pod)}", container: {container["name"]})'
    if user == 0:
        raise ConfigFailure(f"container's runAsUser breaks non-root policy {who}")
    if user is not None:
        return
    if image.user_name:
        text = f"image has non-numeric user ({image.user_name}), cannot verify user is non-root"
        raise ConfigFailure(f"container has runAsNonRoot and {text} {who}")
    if not image.user:
        raise ConfigFailure(f"container has runAsNonRoot and image will run as root {who}")
