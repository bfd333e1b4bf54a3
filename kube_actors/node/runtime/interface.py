"""What the node needs of a container runtime: sandboxes, containers, images, streams.

Ideas and words are those of Kubernetes' Container Runtime Interface. A sandbox is what the containers
of a pod share (network, hostname); it has an address. Everything a runtime made carries the pod's
identity as labels, so that `list_pods` finds it again after a restart of the node agent: the runtime,
not the agent, is the record of what runs.

All methods are idempotent where a second call makes sense (stop, remove). They raise RuntimeFailure
and its children, whose text goes to the user in the pod's status and events.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol, runtime_checkable

from kube_actors.api.errors import KubeActorsError

# What a runtime says of a sandbox that asks for them.
NO_USER_NAMESPACES = 'RuntimeClass handler "" does not support user namespaces'
UNCONFINED = "unconfined"
MIN_SHARES, MAX_SHARES = 2, 262_144
CPU_PERIOD_US = 100_000


class RuntimeFailure(KubeActorsError):
    """The runtime could not do it. `reason` is what Kubernetes shows, such as CreateContainerError."""

    def __init__(self, message: str, reason: str = "RuntimeError") -> None:
        super().__init__(message)
        self.reason = reason


class ImageFailure(RuntimeFailure):
    """An image is not here and cannot be had: ErrImagePull, ErrImageNeverPull, InvalidImageName."""


class NoSuchContainer(RuntimeFailure):
    """A container or sandbox that is gone."""


class ContainerState(Enum):
    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class PortMapping:
    container_port: int
    host_port: int
    protocol: str = "TCP"
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class DeviceGrant:
    """Which devices of an extended resource a container of the pod has, by the ids of their maker."""

    container: str
    resource: str
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """Resources as the kernel takes them, of a container or of a pod, which may change while it runs; 0: none."""

    cpu_shares: int = MIN_SHARES
    cpu_quota_us: int = 0  # per CPU_PERIOD_US
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """What the containers of a pod share."""

    namespace: str
    name: str
    uid: str
    hostname: str
    # The address the pod shall have, chosen by the node from its range; empty with host_network.
    ip: str = ""
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    # False: its users are others than the machine's, which no runtime here can give.
    host_users: bool = True
    share_processes: bool = False
    dns_servers: tuple[str, ...] = ()
    dns_searches: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    # (address, hostnames) lines of /etc/hosts besides the pod's own.
    host_aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ports: tuple[PortMapping, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    attempt: int = 0
    labels: tuple[tuple[str, str], ...] = ()
    # Of all its containers. The record gives them back: that is where they are remembered.
    devices: tuple[DeviceGrant, ...] = ()
    # Of all its containers together, where the runtime may make control groups of pods.
    qos_class: str = "BestEffort"
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Mount:
    host_path: str
    container_path: str
    read_only: bool = False
    # private, rslave (HostToContainer) or rshared (Bidirectional).
    propagation: str = "private"
    # Of a read-only mount: whether the mounts below are read-only too. Disabled, IfPossible or Enabled.
    recursive_read_only: str = "Disabled"


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """A block device of the node in a container, to be read and written."""

    host_path: str
    container_path: str


@dataclass(frozen=True, slots=True)
class Security:
    """The effective security context of a container."""

    user: int | None = None
    # What the image says, where `user` does not; empty: root.
    image_user: str = ""
    group: int | None = None
    supplemental_groups: tuple[int, ...] = ()
    privileged: bool = False
    read_only_root: bool = False
    no_new_privileges: bool = False
    add_capabilities: tuple[str, ...] = ()
    drop_capabilities: tuple[str, ...] = ()
    # Empty: the runtime's own profile; unconfined; or the JSON of a profile.
    seccomp: str = ""
    # Empty: the runtime's own profile; unconfined; or a profile's name.
    app_armor: str = ""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    name: str
    image: str
    # None: the image's own entrypoint and command.
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    block_devices: tuple[BlockDevice, ...] = ()
    limits: Limits = field(default_factory=Limits)
    oom_score_adj: int = 1000
    security: Security = field(default_factory=Security)
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    stop_signal: str = ""
    # Its own, one a device resource of the node; a grant without ids hides them where nothing else does.
    devices: tuple[DeviceGrant, ...] = ()
    # 0 for the first run of the container, then the restart count.
    attempt: int = 0
    # What the container was made from. A record that gives it back lets the node see a changed definition;
    # a runtime that cannot keep it leaves it empty.
    spec_hash: str = ""
    # The image as it was resolved, for status.imageID: web@sha256:..., or its id where no registry has it.
    image_ref: str = ""
    # The id of a container of the pod whose processes this one sees; empty: those that the sandbox says.
    process_target: str = ""


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """A container as the runtime knows it. Times are seconds since the epoch, 0 where not reached."""

    id: str  # with scheme: docker://…, process://…
    name: str
    attempt: int
    state: ContainerState
    image: str
    image_id: str
    created_at: float
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    spec_hash: str = ""
    # What was asked for it last; None where the runtime does not tell.
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A sandbox and its containers (all attempts that still exist) as the runtime knows them."""

    sandbox_id: str
    namespace: str
    name: str
    uid: str
    attempt: int
    ready: bool
    ip: str
    created_at: float
    containers: tuple[ContainerRecord, ...] = ()
    devices: tuple[DeviceGrant, ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is on the node. `names` are its tags, `digests` its names in registries: web@sha256:..."""

    id: str
    names: tuple[str, ...]
    size_bytes: int
    # What its processes run as: a number, or a name that only the image knows.
    user: int | None = None
    user_name: str = ""
    digests: tuple[str, ...] = ()
    # Never removed: the runtime itself needs it.
    pinned: bool = False
    # A copy that the runtime made of what the user keeps elsewhere: it may be made again.
    is_copy: bool = False


@dataclass(frozen=True, slots=True)
class LogRotation:
    """containerLogMaxSize and containerLogMaxFiles of a kubelet: what is kept of a container's output."""

    max_bytes: int = 10 << 20
    max_files: int = 5


@dataclass(frozen=True, slots=True)
class LogOptions:
    """`since` is seconds since the epoch; `tail` None: all lines."""

    follow: bool = False
    timestamps: bool = False
    tail: int | None = None
    since: float = 0.0
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ContainerStats:
    """cpu_nanoseconds counts up from the container's start; memory is the working set."""

    cpu_nanoseconds: int
    memory_bytes: int


class ExecSession(Protocol):
    """A process inside a container and its streams."""

    async def write_stdin(self, data: bytes) -> None: ...

    async def close_stdin(self) -> None: ...

    async def resize(self, width: int, height: int) -> None: ...

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """(1, stdout) and (2, stderr) chunks until both are closed."""
        ...

    async def wait(self) -> int:
        """The exit code."""
        ...

    async def close(self) -> None: ...


class Runtime(Protocol):
    """A container runtime. Methods may run concurrently for different pods, never for one pod."""

    name: str

    async def start(self) -> None:
        """Raises ConfigError with one line for the user where the runtime cannot work here."""
        ...

    async def stop(self) -> None:
        """Let go; everything that runs goes on running."""
        ...

    async def version(self) -> str:
        """For status.nodeInfo.containerRuntimeVersion: docker://20.10.24."""
        ...

    async def list_pods(self) -> list[PodRecord]: ...

    async def pod(self, uid: str) -> PodRecord | None: ...

    def changes(self) -> AsyncIterator[str]:
        """UIDs of pods in which something started or ended. It may miss some; the node relists."""
        ...

    async def run_sandbox(self, spec: SandboxSpec) -> PodRecord: ...

    async def update_pod_limits(self, sandbox_id: str, limits: Limits) -> None:
        """Give a pod as a whole other limits; nothing happens where pods have no control groups."""
        ...

    async def stop_sandbox(self, sandbox_id: str) -> None: ...

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Remove it with its containers and logs."""
        ...

    async def sweep(self, known: Collection[str]) -> None:
        """Remove what pods have left behind outside of sandboxes and containers, but for those of these uids."""
        ...

    def shortcomings(self, spec: SandboxSpec | ContainerSpec) -> Sequence[tuple[str, str]]:
        """(reason, message) of what a pod as a whole or a container asks for and does not get here, for its events."""
        ...

    def sees(self, folder: Path) -> bool:
        """Whether containers get what this node has mounted on the folder. Raises OSError where that cannot be told."""
        ...

    async def create_container(self, sandbox_id: str, spec: ContainerSpec) -> str: ...

    async def start_container(self, container_id: str) -> None:
        """Not cut short half way: after a cancellation too the records tell what runs."""
        ...

    async def update_limits(self, container_id: str, limits: Limits) -> None:
        """Give a container that runs other limits, all of them, without a restart."""
        ...

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        """Stop signal, then KILL after the grace. Returns when it has ended."""
        ...

    async def remove_container(self, container_id: str) -> None: ...

    async def image(self, name: str) -> Image | None:
        """The image if it is on the node."""
        ...

    async def pull(self, name: str, auth: dict[str, str] | None = None) -> Image:
        """Raises ImageFailure."""
        ...

    async def images(self) -> list[Image]: ...

    async def remove_image(self, image_id: str) -> None:
        """With all its names. Raises RuntimeFailure where something uses it; nothing happens if it is not there."""
        ...

    async def images_in_use(self) -> frozenset[str]:
        """The ids of the images of all containers, also of those that are not ours and of dead ones."""
        ...

    async def image_folder(self) -> Path | None:
        """A folder on the file system where images lie; None where that is not this machine's."""
        ...

    async def unpack(self, image: Image, folder: Path) -> Path:
        """The image's files as a folder: `folder`/ID where they have to be copied. Raises RuntimeFailure, OSError."""
        ...

    def logs(self, container_id: str, options: LogOptions) -> AsyncIterator[bytes]:
        """Chunks of stdout and stderr, interleaved as written, whole lines where possible."""
        ...

    async def exec(self, container_id: str, command: tuple[str, ...], *, stdin: bool, tty: bool) -> ExecSession: ...

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> ExecSession: ...

    async def stats(self, container_id: str) -> ContainerStats: ...

    async def disk_use(self, container_id: str) -> int:
        """Bytes that it has written: into its own file system, which goes with it, and to its logs."""
        ...


@runtime_checkable
class Simulation(Protocol):
    """A runtime behind which there is no machine: no files for volumes, no addresses that could be dialled.

    The node keeps no files for its pods, and asks the runtime itself for the results of probes and hooks.
    """

    async def probe(self, container_id: str, kind: str) -> bool:
        """Whether a startup, liveness or readiness probe of the container succeeds now."""
        ...
