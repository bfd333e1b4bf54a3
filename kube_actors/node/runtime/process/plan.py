"""What the supervisor shall run, from what the node wants. Pure but for the paths it names."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import asdict
from typing import Any

from kube_actors.node.devices import grants
from kube_actors.node.devices.nvidia import RESOURCE as NVIDIA_GPU
from kube_actors.node.runtime.interface import (
    UNCONFINED,
    ContainerSpec,
    Image,
    LogRotation,
    RuntimeFailure,
    SandboxSpec,
)
from kube_actors.node.runtime.process.images import HOST, path_of
from kube_actors.node.runtime.process.shim.isolate import NONE, ROOT

# What a container has of environment before its own, as container images give it.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Without mount namespaces: the folder below which the mount paths are, as symbolic links.
ROOT_VARIABLE = "KUBE_ACTORS_ROOT"
# Nothing keeps a process from a device but its own library, which reads these.
DEVICE_VARIABLES = {NVIDIA_GPU: ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")}


def sandbox_content(spec: SandboxSpec, now: float, boot: str) -> dict[str, Any]:
    return {
        "namespace": spec.namespace,
        "name": spec.name,
        "attempt": spec.attempt,
        "ip": spec.ip,
        "hostname": spec.hostname,
        "host_network": spec.host_network,
        "created_at": now,
        "stopped": False,
        "boot": boot,
        "devices": grants.encode(spec.devices),
        "ports": [[each.container_port, each.host_port, each.protocol, each.host_ip] for each in spec.ports],
    }


def container_content(
    spec: ContainerSpec,
    sandbox: dict[str, Any],
    image: Image,
    *,
    image_root: str,
    mode: str,
    python: str,
    environ: dict[str, str],
    mounts_root: str,
    resolv_conf: str,
    now: float,
    logs: LogRotation = LogRotation(),  # noqa: B008
    owner: tuple[int, int] = (0, 0),
) -> dict[str, Any]:
    """The content of config.json. `environ` is the node's own environment; `owner` the pid and start of the process
    with which the container ends, zeros for none. Raises RuntimeFailure."""
    command = [*(spec.command or ()), *(spec.args or ())]
    if not command:
        raise RuntimeFailure(
            f"container {spec.name} has no command, and the process runtime takes none from image {spec.image}: "
            "set command in the manifest",
            "CreateContainerError",
        )
    if image_root and mode == NONE:
        raise RuntimeFailure(
            f"image {spec.image} needs a root of its own, which this machine does not allow without user namespaces",
            "CreateContainerError",
        )
    _refuse(spec)
    security = spec.security
    return {
        "command": command,
        "env": _environment(spec, sandbox, image_root, mode, environ, mounts_root),
        "working_dir": spec.working_dir,
        "mounts": [] if mode == NONE else _mounts(spec, resolv_conf),
        "isolation": mode,
        "image_root": image_root,
        "hostname": sandbox["hostname"],
        "user": security.user,
        "group": security.group,
        "groups": list(security.supplemental_groups),
        "no_new_privileges": security.no_new_privileges,
        "oom_score_adj": spec.oom_score_adj,
        "limits": asdict(spec.limits),
        "read_only_root": security.read_only_root,
        "cgroups": [],
        "stdin": spec.stdin,
        "stdin_once": spec.stdin_once,
        "tty": spec.tty,
        "stop_signal": spec.stop_signal,
        "python": python,
        "image": spec.image,
        "image_id": image.id,
        "created_at": now,
        "spec_hash": spec.spec_hash,
        "logs": asdict(logs),
        "owner": list(owner),
    }


def _refuse(spec: ContainerSpec) -> None:
    """What would be another thing than was asked for."""
    if spec.block_devices:
        raise RuntimeFailure("the process runtime has no volumeDevices", "CreateContainerError")
    if any(mount.recursive_read_only == "Enabled" for mount in spec.mounts):
        raise RuntimeFailure("the process runtime has no recursive read-only mounts", "CreateContainerError")


def _environment(
    spec: ContainerSpec,
    sandbox: dict[str, Any],
    image_root: str,
    mode: str,
    environ: dict[str, str],
    mounts_root: str,
) -> dict[str, str]:
    """The node's own variables stay out, but for where programs are on this machine."""
    home = "/root" if image_root else environ.get("HOME", "/")
    path = DEFAULT_PATH if image_root else environ.get("PATH", DEFAULT_PATH)
    environment = {"PATH": path, "HOME": home, "HOSTNAME": sandbox["hostname"]}
    if spec.tty:
        environment["TERM"] = "xterm"
    if mode == NONE:
        environment[ROOT_VARIABLE] = mounts_root
    for grant in spec.devices:
        environment |= dict.fromkeys(DEVICE_VARIABLES.get(grant.resource, ()), ",".join(grant.ids))
    return environment | dict(spec.env)


def _mounts(spec: ContainerSpec, resolv_conf: str) -> list[dict[str, Any]]:
    mounts = [
        {
            "source": mount.host_path,
            "target": os.path.normpath(mount.container_path),
            "read_only": mount.read_only,
            "propagation": mount.propagation,
        }
        for mount in spec.mounts
    ]
    if resolv_conf and not any(mount["target"] == "/etc/resolv.conf" for mount in mounts):
        mounts.append(
            {"source": resolv_conf, "target": "/etc/resolv.conf", "read_only": False, "propagation": "private"}
        )
    return mounts


def shortcomings(
    spec: ContainerSpec, mode: str, euid: int, *, limited: bool, kernel: str = platform.release()
) -> list[tuple[str, str]]:
    """What of the specification cannot be had here. `limited`: the node may make control groups."""
    found = []
    if path_of(spec.image) is None and spec.image != HOST:
        text = f'the process runtime has no images: "{spec.image}" is ignored, commands run on the machine\'s files'
        found.append(("ImageIgnored", text))
    security, lacks = spec.security, []
    if security.user not in (None, euid) and (euid != 0 or mode not in (ROOT, NONE)):
        lacks.append(f"it runs as user {euid}, not {security.user}: the node has no root rights")
    if security.read_only_root and (mode == NONE or not has_recursive_attributes(kernel)):
        lacks.append("its root file system is not read-only")
    if security.add_capabilities or security.drop_capabilities:
        lacks.append("its capabilities are those of its user")
    if security.seccomp not in ("", UNCONFINED) or security.app_armor not in ("", UNCONFINED):
        lacks.append("it has no seccomp and no AppArmor profile")
    if lacks:
        found.append(("LessConfined", f"The process runtime confines the container less: {'; '.join(lacks)}"))
    if not limited and (spec.limits.cpu_quota_us or spec.limits.memory_bytes):
        found.append(("LimitsIgnored", "The node may make no control groups: limits of cpu and memory are not kept"))
    return found


def shortcomings_of_pod(spec: SandboxSpec) -> list[tuple[str, str]]:
    """What of the pod as a whole cannot be had: its sysctls would be the machine's, whose network and IPC it has."""
    if not spec.sysctls:
        return []
    names = ", ".join(name for name, _ in spec.sysctls)
    return [("SysctlsIgnored", f"The process runtime has no network and IPC of the pod's own: {names} not set")]


def has_recursive_attributes(kernel: str) -> bool:
    """Linux 5.12 and later make a whole tree read-only at once."""
    numbers = [int(part) for part in re.findall(r"\d+", kernel)[:2]]
    return numbers >= [5, 12]


def links(spec: ContainerSpec) -> list[tuple[str, str]]:
    """Without mount namespaces: (path below the container's root folder, what it shall point to)."""
    return [(os.path.normpath(mount.container_path).lstrip("/"), mount.host_path) for mount in spec.mounts]
