"""`cluster.json`: what runs under a name on this machine, so that another process finds or ends it.

It is written before anything is started and removed after everything has ended. What a killed `up`
leaves behind is therefore always on record, and the next `up` or `down` clears it away.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from kube_actors.api.errors import ConfigError
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.pki import write_private
from kube_actors.cluster.processes import ProcessId

STARTING = "starting"
RUNNING = "running"
STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class RayRecord:
    """The Ray that was started for the cluster. `leader` leads the session of all its processes."""

    address: str
    dashboard: str
    temp_dir: str
    leader: ProcessId


@dataclass(frozen=True, slots=True)
class ClusterRecord:
    """`owner` is the process that runs it (embedded) or that is starting it."""

    name: str
    mode: str
    phase: str
    owner: ProcessId
    runtime: str = ""
    rest: str = ""
    grpc: str = ""
    token_grpc: str = ""
    kubeconfig: str = ""
    # Names of the node agents' Node objects.
    nodes: tuple[str, ...] = ()
    # Where its state is, if not beside this file.
    data: str = ""
    ray: RayRecord | None = field(default=None)

    @property
    def live(self) -> bool:
        """Whether the processes are there (they may still be starting, or be stuck)."""
        if self.ray is not None:
            return self.ray.leader.alive()
        return self.owner.alive()


def write(paths: ClusterPaths, record: ClusterRecord) -> None:
    """Put the record in place. Raises ConfigError."""
    try:
        paths.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(paths.record, json.dumps(dataclasses.asdict(record), indent=2).encode())
    except OSError as error:
        raise ConfigError(f"cannot write {paths.record}: {error.strerror}") from error


def read(paths: ClusterPaths) -> ClusterRecord | None:
    """The record, None where there is none or where it is no record of this version."""
    try:
        content = json.loads(paths.record.read_text())
        return _parse(content)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {paths.record}: {error.strerror}") from error


def remove(paths: ClusterPaths) -> None:
    paths.record.unlink(missing_ok=True)


def _parse(content: dict[str, Any]) -> ClusterRecord:
    ray = content.pop("ray", None)
    owner = ProcessId(**content.pop("owner"))
    nodes = tuple(content.pop("nodes"))
    return ClusterRecord(
        **content,
        owner=owner,
        nodes=nodes,
        ray=RayRecord(**{**ray, "leader": ProcessId(**ray["leader"])}) if ray else None,
    )
