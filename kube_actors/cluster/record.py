"""`cluster.json`: what runs under a name on this machine, so that another process finds or ends it.

It is written before anything is started and removed after everything has ended. What a killed `up`
leaves behind is therefore always on record, and the next `up` or `down` clears it away.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kube_actors.api.errors import ConfigError
from kube_actors.cluster import ports
from kube_actors.cluster.access import AccessPlan
from kube_actors.cluster.etcd import layout
from kube_actors.cluster.etcd.external import ExternalStore
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.pki import write_private
from kube_actors.cluster.plan import BackupPlan, ClusterPlan, EtcdPlan, MemberPlan, NodePlan, SpreadPlan, WorkerPlan
from kube_actors.cluster.processes import ProcessId
from kube_actors.node.images.garbage import ImageGcPolicy
from kube_actors.node.runtime.interface import LogRotation
from kube_actors.node.runtime.simulated import Behaviour, Rule, SimulatedConfig

STARTING = "starting"
RUNNING = "running"
STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class RayRecord:
    """The Ray of the cluster. `leader` leads the session of all processes of one that was started for it.

    `session` is the name of a Ray that was there before, and stays; `token_file` opens that one, where it is not
    the environment that does.
    """

    address: str
    dashboard: str
    temp_dir: str
    leader: ProcessId
    session: str = ""
    token_file: str = ""

    @property
    def joined(self) -> bool:
        """Whether it is somebody else's."""
        return bool(self.session)


@dataclass(frozen=True, slots=True)
class ClusterRecord:
    """`owner` is the process that runs it (embedded) or that is starting it."""

    name: str
    mode: str
    phase: str
    owner: ProcessId
    plan: ClusterPlan
    kubeconfig: str = ""
    ray: RayRecord | None = field(default=None)

    @property
    def live(self) -> bool:
        """Whether the processes are there (they may still be starting, or be stuck)."""
        if self.ray is not None and self.ray.joined:
            return ports.answers(self.ray.address)
        if self.ray is not None:
            return self.ray.leader.alive()
        return self.owner.alive()


def write(paths: ClusterPaths, record: ClusterRecord) -> None:
    """Put the record in place. Raises ConfigError."""
    try:
        paths.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(paths.record, json.dumps(dataclasses.asdict(record), indent=2, default=str).encode())
    except OSError as error:
        raise ConfigError(f"cannot write {paths.record}: {error.strerror}") from error


def read(paths: ClusterPaths) -> ClusterRecord | None:
    """The record, None where there is none or where it is no record of this version.

    Members of a spread store may have moved since it was written; they are as they are now.
    """
    try:
        found = _parse(json.loads(paths.record.read_text()))
        return dataclasses.replace(found, plan=layout.current(found.plan))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {paths.record}: {error.strerror}") from error


@contextmanager
def exclusive(paths: ClusterPaths) -> Iterator[None]:
    """Hold the right to start or end the cluster. Raises ConfigError where another process holds it."""
    paths.make()
    descriptor = os.open(paths.run / "lifecycle.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"another kactl is starting or ending this cluster; wait for it ({paths.root})") from None
        yield
    finally:
        os.close(descriptor)


def refuse_if_running(paths: ClusterPaths) -> None:
    """Raise ConfigError where the cluster runs already."""
    found = read(paths)
    if found is not None and found.phase == RUNNING and found.live:
        raise ConfigError(f"cluster {found.name!r} runs already; use it, or end it with 'kactl down'")


def remove(paths: ClusterPaths) -> None:
    paths.record.unlink(missing_ok=True)


def _parse(content: dict[str, Any]) -> ClusterRecord:
    ray, plan = content.pop("ray", None), content.pop("plan")
    nodes = tuple(NodePlan(**node) for node in plan.pop("nodes"))
    workers = plan.pop("workers")
    image_gc = ImageGcPolicy(**workers.pop("image_gc"))
    logs = LogRotation(**workers.pop("logs"))
    sysctls = tuple(workers.pop("allowed_unsafe_sysctls", ()))
    access = plan.pop("access", None)
    admission = tuple(plan.pop("admission_plugins", ()))
    backup, etcd, external, spread, simulated = (
        plan.pop(key, None) for key in ("backup", "etcd", "external", "spread", "simulated")
    )
    return ClusterRecord(
        **{**content, "owner": ProcessId(**content["owner"])},
        plan=ClusterPlan(
            **{**plan, "root": Path(plan["root"])},
            nodes=nodes,
            workers=WorkerPlan(**workers, image_gc=image_gc, logs=logs, allowed_unsafe_sysctls=sysctls),
            access=AccessPlan.of(access or {}),
            admission_plugins=admission,
            backup=BackupPlan(**backup) if backup else None,
            etcd=_etcd(etcd) if etcd else None,
            external=ExternalStore(**{**external, "addresses": tuple(external["addresses"])}) if external else None,
            spread=_spread(spread) if spread else None,
            simulated=_simulated(simulated) if simulated else SimulatedConfig(),
        ),
        ray=RayRecord(**{**ray, "leader": ProcessId(**ray["leader"])}) if ray else None,
    )


def _etcd(content: dict[str, Any]) -> EtcdPlan:
    return EtcdPlan(**{**content, "members": tuple(MemberPlan(**member) for member in content["members"])})


def _spread(content: dict[str, Any]) -> SpreadPlan:
    return SpreadPlan(**{**content, "selector": tuple((key, value) for key, value in content["selector"])})


def _simulated(content: dict[str, Any]) -> SimulatedConfig:
    rules = tuple(Rule(**{**rule, "behaviour": Behaviour(**rule["behaviour"])}) for rule in content["rules"])
    return SimulatedConfig(**{**content, "default": Behaviour(**content["default"]), "rules": rules})
