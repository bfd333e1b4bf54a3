"""The effective security context of a container: its own fields over those of the pod."""

from __future__ import annotations

from typing import Any

from kube_actors.api import Obj
from kube_actors.node.container_status import full_name
from kube_actors.node.environment import ConfigFailure
from kube_actors.node.runtime.interface import Image, Security


def security_of(pod: Obj, container: Obj, image: Image) -> Security:
    """Raises ConfigFailure where runAsNonRoot forbids what would run, or cannot know it."""
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
    profile = effective("seccompProfile") or {}
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
        seccomp_unconfined=profile.get("type") == "Unconfined",
    )


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
