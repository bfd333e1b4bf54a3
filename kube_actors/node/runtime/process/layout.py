"""Where the process runtime keeps what it knows; all of it, so that another agent finds everything again.

ROOT/pods/UID/sandbox.json                      the pod: name, address, attempt
ROOT/pods/UID/CONTAINER_ATTEMPT/config.json     what the supervisor shall run
                               /claimed         a supervisor has begun to start it
                               /state.json      what runs or ran, written by the supervisor
                               /log, log.1 ...  its output
ROOT/images/DIGEST/                             an unpacked root file system
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kube_actors.node.devices import grants
from kube_actors.node.runtime.interface import (
    ContainerRecord,
    ContainerState,
    Limits,
    NoSuchContainer,
    PodRecord,
    RuntimeFailure,
)
from kube_actors.node.runtime.process import procfs
from kube_actors.node.runtime.process.procfs import Process
from kube_actors.node.runtime.process.shim import files

SCHEME = "process://"
SANDBOX = "sandbox.json"
# 128 + KILL: what is shown of a container whose end nobody saw.
KILLED = 137
LOST = "the container's supervisor was killed"

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_STATES = {state.value: state for state in ContainerState}


@dataclass(frozen=True, slots=True)
class ContainerId:
    """process://UID_NAME_ATTEMPT; none of the parts has an underscore."""

    uid: str
    name: str
    attempt: int

    @classmethod
    def parse(cls, container_id: str) -> ContainerId:
        """Raises NoSuchContainer for what is not an id of ours."""
        uid, _, rest = container_id.removeprefix(SCHEME).partition("_")
        name, _, attempt = rest.partition("_")
        if not _SAFE.fullmatch(uid) or not _SAFE.fullmatch(name) or not attempt.isdigit():
            raise NoSuchContainer(f"container {container_id} does not exist")
        return cls(uid, name, int(attempt))

    def __str__(self) -> str:
        return f"{SCHEME}{self.uid}_{self.name}_{self.attempt}"


def sandbox_id(uid: str, attempt: int) -> str:
    return f"{SCHEME}{uid}_{attempt}"


def uid_of_sandbox(text: str) -> str:
    """Raises NoSuchContainer for what is not an id of ours."""
    uid = text.removeprefix(SCHEME).rpartition("_")[0]
    if not _SAFE.fullmatch(uid):
        raise NoSuchContainer(f"sandbox {text} does not exist")
    return uid


@dataclass(frozen=True, slots=True)
class Container:
    """A container as its files tell."""

    id: ContainerId
    folder: Path
    config: dict[str, Any]
    state: dict[str, Any]

    @property
    def supervisor(self) -> Process:
        return Process(int(self.state.get("shim_pid", 0)), int(self.state.get("shim_start", 0)))

    @property
    def process(self) -> Process:
        return Process(int(self.state.get("pid", 0)), int(self.state.get("start", 0)))

    @property
    def running(self) -> bool:
        return self.state.get("state") == files.RUNNING

    def record(self) -> ContainerRecord:
        state = self.state
        return ContainerRecord(
            id=str(self.id),
            name=self.id.name,
            attempt=self.id.attempt,
            state=_STATES.get(state.get("state", ""), ContainerState.CREATED),
            image=self.config["image"],
            image_id=self.config["image_id"],
            created_at=self.config["created_at"],
            started_at=state.get("started_at", 0.0),
            finished_at=state.get("finished_at", 0.0),
            exit_code=state.get("exit_code", 0),
            oom_killed=bool(state.get("oom")),
            error=state.get("error", ""),
            spec_hash=self.config["spec_hash"],
            limits=Limits(**self.config["limits"]) if "limits" in self.config else None,
        )


class Layout:
    """Reads and removes; the only writer of states besides the supervisors."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pods = root / "pods"
        self.images = root / "images"

    def prepare(self) -> None:
        """Raises OSError."""
        for folder in (self.pods, self.images):
            folder.mkdir(parents=True, exist_ok=True)

    def pod_folder(self, uid: str) -> Path:
        if not _SAFE.fullmatch(uid):
            raise RuntimeFailure(f"{uid!r} cannot be the uid of a pod")
        return self.pods / uid

    def container_folder(self, container: ContainerId) -> Path:
        return self.pod_folder(container.uid) / f"{container.name}_{container.attempt}"

    def uids(self) -> list[str]:
        return sorted(entry.name for entry in self.pods.iterdir() if (entry / SANDBOX).is_file())

    def sandbox(self, uid: str) -> dict[str, Any] | None:
        try:
            return files.read(str(self.pod_folder(uid) / SANDBOX))
        except (OSError, ValueError):
            return None

    def write_sandbox(self, uid: str, content: dict[str, Any]) -> None:
        files.write_atomically(str(self.pod_folder(uid) / SANDBOX), content)

    def containers(self, uid: str) -> Iterator[Container]:
        try:
            entries = sorted(self.pod_folder(uid).iterdir())
        except FileNotFoundError:
            # It is being removed.
            return
        for entry in entries:
            name, _, attempt = entry.name.rpartition("_")
            if name and attempt.isdigit():
                with suppress(NoSuchContainer):
                    yield self.container(ContainerId(uid, name, int(attempt)))

    def container(self, container: ContainerId) -> Container:
        """Raises NoSuchContainer. A running one whose supervisor has gone is noted as killed."""
        folder = self.container_folder(container)
        try:
            config = files.read(str(folder / files.CONFIG))
        except (OSError, ValueError) as exc:
            raise NoSuchContainer(f"container {container} does not exist") from exc
        found = Container(container, folder, config, self._state(folder))
        if not found.running or self._supervised(found):
            return found
        # It may have written its end between our two looks.
        found = Container(container, folder, config, self._state(folder))
        return self._lost(found) if found.running else found

    def pod(self, uid: str) -> PodRecord | None:
        sandbox = self.sandbox(uid)
        if sandbox is None:
            return None
        records = [container.record() for container in self.containers(uid)]
        return PodRecord(
            sandbox_id=sandbox_id(uid, sandbox["attempt"]),
            namespace=sandbox["namespace"],
            name=sandbox["name"],
            uid=uid,
            attempt=sandbox["attempt"],
            # What shares memory and processes with nobody lives until it is stopped, or the machine.
            ready=not sandbox["stopped"] and sandbox["boot"] == files.boot_id(),
            ip=sandbox["ip"],
            created_at=sandbox["created_at"],
            containers=tuple(sorted(records, key=lambda record: (record.created_at, record.attempt))),
            devices=grants.decode(sandbox["devices"]),
        )

    def remove_pod(self, uid: str) -> None:
        shutil.rmtree(self.pod_folder(uid), ignore_errors=True)

    def remains(self, known: Collection[str]) -> list[str]:
        """The uids of folders that are of no pod: those of agents that were killed while they made or removed them."""
        folders = {entry.name for entry in self.pods.iterdir()}
        return sorted(folders - set(self.uids()) - set(known))

    def forget(self, container: Container) -> Container:
        """Nobody starts it from now on; how it stands then."""
        with suppress(FileNotFoundError):
            (container.folder / files.CONFIG).unlink()
        return replace(container, state=self._state(container.folder))

    def remove_container(self, container: ContainerId) -> None:
        shutil.rmtree(self.container_folder(container), ignore_errors=True)

    def _state(self, folder: Path) -> dict[str, Any]:
        try:
            return files.read(str(folder / files.STATE))
        except (OSError, ValueError):
            return {}

    def _supervised(self, container: Container) -> bool:
        return container.state.get("boot") == files.boot_id() and container.supervisor.alive()

    def _lost(self, container: Container) -> Container:
        if container.state.get("boot") == files.boot_id():
            procfs.kill_rest(container.process, container.config["cgroups"])
        newest = float(container.config["created_at"])
        for name in (files.STATE, files.LOG):
            with suppress(OSError):
                newest = max(newest, (container.folder / name).stat().st_mtime)
        state = container.state | {
            "state": files.EXITED, "exit_code": KILLED, "finished_at": newest, "error": LOST,
        }  # fmt: skip
        # On a full disk it is found out anew at each look.
        with suppress(OSError):
            files.write_atomically(str(container.folder / files.STATE), state)
        return Container(container.id, container.folder, container.config, state)
