"""What we want, as the JSON that Docker's container create takes. Pure.

What the containers of a pod share stands on the pause container, because Docker refuses it on a member of
another container's network: hostname, DNS, hosts, ports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kube_actors.node.devices import grants
from kube_actors.node.devices.nvidia import RESOURCE as NVIDIA_GPU
from kube_actors.node.runtime.docker.dns import docker_options, reachable_servers, resolv_conf
from kube_actors.node.runtime.docker.names import DEVICES, MODES, RESOLV_CONF, Identity, Owner, without_scheme
from kube_actors.node.runtime.interface import (
    CPU_PERIOD_US,
    MIN_SHARES,
    BlockDevice,
    ContainerSpec,
    DeviceGrant,
    Limits,
    LogRotation,
    Mount,
    PortMapping,
    SandboxSpec,
    Security,
)

Json = dict[str, Any]

# The kernel's largest, by which it shows that there is no limit. Docker refuses to be told -1.
NO_MEMORY_LIMIT = (1 << 63) - 4096
# Docker's own default, of engines since 25.0, is as far as possible.
_RECURSIVE: dict[str, Json] = {
    "Disabled": {"ReadOnlyNonRecursive": True},
    "Enabled": {"ReadOnlyForceRecursive": True},
}
# The pause container must outlive its members when memory runs out.
PAUSE_OOM_SCORE = -998
# The engine's driver for an extended resource, and what it is asked for.
DRIVERS = {NVIDIA_GPU: ("nvidia", "gpu")}


@dataclass(frozen=True, slots=True)
class SandboxModes:
    """What a container has to know of its sandbox; kept as a label on the pause container."""

    host_ipc: bool = False
    host_pid: bool = False
    share_processes: bool = False

    @classmethod
    def of(cls, spec: SandboxSpec) -> SandboxModes:
        return cls(spec.host_ipc, spec.host_pid, spec.share_processes)

    @classmethod
    def parse(cls, label: str) -> SandboxModes:
        words = label.split(",")
        return cls("host-ipc" in words, "host-pid" in words, "share-processes" in words)

    def label(self) -> str:
        words = {"host-ipc": self.host_ipc, "host-pid": self.host_pid, "share-processes": self.share_processes}
        return ",".join(word for word, is_set in words.items() if is_set)


def sandbox_config(
    spec: SandboxSpec,
    owner: Owner,
    image: str,
    network: str,
    lowest_oom_score: int = -1000,
    *,
    cgroup_parent: str = "",
    refuse_dns_server: bool = False,
) -> Json:
    """No restart policy: a pause container that Docker restarts has a new network, of which its running members
    know nothing. A sandbox that ended is replaced with its containers, as the kubelet does."""
    identity = Identity.of_sandbox(spec).labels()
    shared = {MODES: SandboxModes.of(spec).label(), RESOLV_CONF: resolv_conf(spec)}
    if spec.devices:
        shared[DEVICES] = grants.encode(spec.devices)
    config: Json = {
        "Image": image,
        "Labels": dict(spec.labels) | owner.labels() | identity | shared,
        "HostConfig": {
            "NetworkMode": "host" if spec.host_network else network,
            "IpcMode": "host" if spec.host_ipc else "shareable",
            "LogConfig": _log_config(LogRotation()),
            "CgroupParent": cgroup_parent,
            "CpuShares": MIN_SHARES,
            "OomScoreAdj": max(PAUSE_OOM_SCORE, lowest_oom_score),
            "SecurityOpt": ["no-new-privileges"],
            "Dns": reachable_servers(spec),
            "DnsSearch": list(spec.dns_searches),
            "DnsOptions": docker_options(spec, refuse_server=refuse_dns_server),
            "ExtraHosts": [f"{name}:{ip}" for ip, names in spec.host_aliases for name in names],
            "Sysctls": dict(spec.sysctls),
        },
    }
    if spec.host_pid:
        config["HostConfig"]["PidMode"] = "host"
    if not spec.host_network:
        config["Hostname"] = spec.hostname
        ports, bindings = _ports(spec.ports)
        config["ExposedPorts"] = ports
        config["HostConfig"]["PortBindings"] = bindings
        if spec.ip:
            config["NetworkingConfig"] = {"EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": spec.ip}}}}
    return config


def _ports(mappings: Sequence[PortMapping]) -> tuple[Json, Json]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for mapping in mappings:
        if mapping.host_port:
            key = f"{mapping.container_port}/{mapping.protocol.lower()}"
            bindings.setdefault(key, []).append({"HostIp": mapping.host_ip, "HostPort": str(mapping.host_port)})
    return {key: {} for key in bindings}, bindings


def container_config(
    spec: ContainerSpec,
    identity: Identity,
    owner: Owner,
    sandbox: SandboxModes,
    lowest_oom_score: int = -1000,
    *,
    logs: LogRotation = LogRotation(),  # noqa: B008
    cgroup_parent: str = "",
    podman: bool = False,
) -> Json:
    """Entrypoint and Cmd follow Kubernetes' table: a command drops the image's arguments, Docker does the same."""
    config: Json = {
        "Image": spec.image,
        "Labels": owner.labels() | identity.labels(),
        "Env": [f"{name}={value}" for name, value in spec.env],
        "WorkingDir": spec.working_dir,
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin_once,
        "Tty": spec.tty,
        # Kubernetes has its own probes.
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "NetworkMode": f"container:{identity.sandbox_id}",
            "IpcMode": "host" if sandbox.host_ipc else f"container:{identity.sandbox_id}",
            "LogConfig": _log_config(logs),
            "Mounts": [_mount(mount) for mount in spec.mounts],
            "Devices": [_device(device) for device in spec.block_devices],
            "CgroupParent": cgroup_parent,
            **_limits(spec.limits),
            "OomScoreAdj": max(spec.oom_score_adj, lowest_oom_score),
            **_security(spec.security),
        },
    }
    if podman:
        # With Docker who joins a network has its hostname too, and may not ask for it.
        config["HostConfig"]["UTSMode"] = f"container:{identity.sandbox_id}"
    if requests := _device_requests(spec.devices):
        config["HostConfig"]["DeviceRequests"] = requests
    if sandbox.host_pid:
        config["HostConfig"]["PidMode"] = "host"
    elif sandbox.share_processes:
        config["HostConfig"]["PidMode"] = f"container:{identity.sandbox_id}"
    elif spec.process_target:
        config["HostConfig"]["PidMode"] = f"container:{without_scheme(spec.process_target)}"
    if spec.command:
        config["Entrypoint"] = list(spec.command)
    if spec.args:
        config["Cmd"] = list(spec.args)
    if spec.stop_signal:
        config["StopSignal"] = spec.stop_signal
    if user := _user(spec.security):
        config["User"] = user
    return config


def _log_config(logs: LogRotation) -> Json:
    """Whatever the engine's default driver is, its logs have to be readable. A size without a unit is bytes."""
    return {"Type": "json-file", "Config": {"max-size": str(logs.max_bytes), "max-file": str(logs.max_files)}}


def _user(security: Security) -> str:
    if security.user is None and security.group is None:
        return ""
    user = (security.image_user or "0") if security.user is None else str(security.user)
    return user if security.group is None else f"{user}:{security.group}"


def _mount(mount: Mount) -> Json:
    propagation = {"private": "rprivate", "rslave": "rslave", "rshared": "rshared"}[mount.propagation]
    options: Json = {"Propagation": propagation}
    if mount.read_only:
        options |= _RECURSIVE.get(mount.recursive_read_only, {})
    return {
        "Type": "bind",
        "Source": mount.host_path,
        "Target": mount.container_path,
        "ReadOnly": mount.read_only,
        "BindOptions": options,
    }


def _device_requests(devices: Sequence[DeviceGrant]) -> list[Json]:
    requests = []
    for grant in devices:
        if grant.ids and grant.resource in DRIVERS:
            driver, capability = DRIVERS[grant.resource]
            requests.append({"Driver": driver, "DeviceIDs": list(grant.ids), "Capabilities": [[capability]]})
    return requests


def _device(device: BlockDevice) -> Json:
    return {"PathOnHost": device.host_path, "PathInContainer": device.container_path, "CgroupPermissions": "rwm"}


def _limits(limits: Limits) -> Json:
    resources: Json = {"CpuShares": limits.cpu_shares}
    if limits.cpu_quota_us:
        resources |= {"CpuPeriod": CPU_PERIOD_US, "CpuQuota": limits.cpu_quota_us}
    if limits.memory_bytes:
        # Equal to Memory: no swap, as Kubernetes counts memory without it.
        resources |= {"Memory": limits.memory_bytes, "MemorySwap": limits.memory_bytes}
    return resources


def update_config(limits: Limits) -> Json:
    """For a container that runs, where Docker leaves alone what is not said or 0: no limit has to be said."""
    memory = limits.memory_bytes or NO_MEMORY_LIMIT
    return {
        "CpuShares": limits.cpu_shares,
        "CpuPeriod": CPU_PERIOD_US,
        "CpuQuota": limits.cpu_quota_us or -1,
        "Memory": memory,
        "MemorySwap": memory,
    }


def limits_of(host_config: Json) -> Limits:
    """What a container was created with or updated to, from Docker's inspect."""
    quota, memory = host_config.get("CpuQuota") or 0, host_config.get("Memory") or 0
    return Limits(
        cpu_shares=host_config.get("CpuShares") or 0,
        cpu_quota_us=max(0, quota),
        memory_bytes=memory if memory < NO_MEMORY_LIMIT else 0,
    )


def _security(security: Security) -> Json:
    options = []
    if security.no_new_privileges:
        options.append("no-new-privileges")
    if security.seccomp:
        options.append(f"seccomp={security.seccomp}")
    if security.app_armor:
        options.append(f"apparmor={security.app_armor}")
    return {
        "Privileged": security.privileged,
        "ReadonlyRootfs": security.read_only_root,
        "CapAdd": list(security.add_capabilities),
        "CapDrop": list(security.drop_capabilities),
        "GroupAdd": [str(group) for group in security.supplemental_groups],
        "SecurityOpt": options,
    }
