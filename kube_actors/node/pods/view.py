"""What is known of a pod's containers, from the runtime and, where it has forgotten, from the last status.

A `ContainerView` is the one answer to: which run of this container is the latest, how did it go, and does
it belong to the sandbox that stands now. Plan and status are both functions of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.node.runtime.interface import ContainerRecord, ContainerState, Limits, PodRecord

# Kubernetes' exit codes for runs whose end nobody saw, and for runs that never began.
UNKNOWN_EXIT_CODE = 137
START_ERROR, START_ERROR_EXIT_CODE = "StartError", 128


class Role(Enum):
    INIT = "init"
    SIDECAR = "sidecar"
    REGULAR = "regular"
    EPHEMERAL = "ephemeral"


@dataclass(frozen=True, slots=True)
class Run:
    """One run (attempt) of a container. `current`: in the sandbox that stands now."""

    id: str
    attempt: int
    running: bool
    current: bool = True
    image: str = ""
    image_id: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    spec_hash: str = ""
    limits: Limits | None = None
    # The node ended it to run it anew with another definition.
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class ContainerView:
    """A container of the pod's spec and its latest runs. `garbage`: ids of dead runs nobody needs any more."""

    spec: Obj
    role: Role
    latest: Run | None = None
    previous: Run | None = None
    garbage: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def running(self) -> bool:
        return self.latest is not None and self.latest.running

    @property
    def exited(self) -> bool:
        return self.latest is not None and not self.latest.running

    @property
    def current(self) -> Run | None:
        """The latest run if it belongs to the present sandbox."""
        return self.latest if self.latest is not None and self.latest.current else None

    @property
    def next_attempt(self) -> int:
        return 0 if self.latest is None else self.latest.attempt + 1


@dataclass(frozen=True, slots=True)
class PodView:
    """The pod as it stands: its sandbox and its containers in the order of the spec."""

    containers: tuple[ContainerView, ...]
    sandbox_id: str = ""
    sandbox_ready: bool = False
    sandbox_attempt: int = 0
    ip: str = ""
    # Containers that run although the spec does not name them.
    strangers: tuple[ContainerRecord, ...] = ()

    def of(self, *roles: Role) -> tuple[ContainerView, ...]:
        return tuple(view for view in self.containers if view.role in roles)

    @property
    def running(self) -> tuple[ContainerView, ...]:
        return tuple(view for view in self.containers if view.running)

    @property
    def initialized(self) -> bool:
        """Whether the regular containers of this sandbox have begun: then init containers are not looked at again."""
        return any(view.current is not None for view in self.of(Role.REGULAR))


def specs(pod: Obj) -> Iterable[tuple[Obj, Role]]:
    """The containers of a pod and their roles, in the order in which they start."""
    spec = pod["spec"]
    for container in spec.get("initContainers") or ():
        yield container, Role.SIDECAR if container.get("restartPolicy") == "Always" else Role.INIT
    for container in spec.get("containers") or ():
        yield container, Role.REGULAR
    for container in spec.get("ephemeralContainers") or ():
        yield container, Role.EPHEMERAL


def view_pod(
    pod: Obj,
    record: PodRecord | None,
    status: Obj | None = None,
    messages: Mapping[str, str] | None = None,
    limits: Mapping[str, Limits] | None = None,
    replaced: Collection[str] = (),
) -> PodView:
    """Join spec, runtime and last status. `messages` are termination messages by container id, `limits` those that
    runs were given last, `replaced` the ids of runs that were ended to run anew."""
    records: dict[str, list[ContainerRecord]] = {}
    for container in record.containers if record else ():
        records.setdefault(container.name, []).append(container)
    notes = _Notes(messages or {}, limits or {}, replaced)
    known = _statuses(status or {})
    views = tuple(
        _view(spec, role, records.pop(str(spec["name"]), []), known.get(str(spec["name"])), notes)
        for spec, role in specs(pod)
    )
    return PodView(
        containers=views,
        sandbox_id=record.sandbox_id if record else "",
        sandbox_ready=bool(record and record.ready),
        sandbox_attempt=record.attempt if record else 0,
        ip=record.ip if record else "",
        strangers=tuple(each for rest in records.values() for each in rest if each.state is ContainerState.RUNNING),
    )


def _statuses(status: Obj) -> dict[str, Obj]:
    kinds = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    return {str(each["name"]): each for kind in kinds for each in status.get(kind) or ()}


@dataclass(frozen=True, slots=True)
class _Notes:
    """What the agent knows of runs beyond their records, by container id."""

    messages: Mapping[str, str]
    limits: Mapping[str, Limits]
    replaced: Collection[str]


def _view(spec: Obj, role: Role, records: list[ContainerRecord], known: Obj | None, notes: _Notes) -> ContainerView:
    records = [each for each in records if not _abandoned(each, notes)]
    records.sort(key=lambda each: (each.attempt, each.created_at), reverse=True)
    runs = [_run(each, notes) for each in records[:2]]
    runs += [run for run in _remembered(known) if all(run.id != each.id for each in runs)]
    # A run that the runtime has forgotten cannot be later than one it shows.
    if records:
        runs = [run for run in runs if run.current or run.attempt < runs[0].attempt]
    garbage = tuple(each.id for each in records[2:] if each.state is not ContainerState.RUNNING)
    return ContainerView(
        spec,
        role,
        latest=runs[0] if runs else None,
        previous=runs[1] if len(runs) > 1 else None,
        garbage=garbage,
    )


def _abandoned(record: ContainerRecord, notes: _Notes) -> bool:
    """Made by an agent that ended before it could start it: no run of the container; the next one takes its place."""
    return record.state is ContainerState.CREATED and record.id not in notes.messages


def _run(record: ContainerRecord, notes: _Notes) -> Run:
    running = record.state is ContainerState.RUNNING
    reason, exit_code, finished = "", record.exit_code, record.finished_at
    if not running and not record.started_at:
        # The start failed; one that was not tried would not have a message.
        reason, exit_code = START_ERROR, START_ERROR_EXIT_CODE
        finished = record.finished_at or record.created_at
    elif not running:
        reason = "OOMKilled" if record.oom_killed else "Completed" if record.exit_code == 0 else "Error"
    return Run(
        id=record.id,
        attempt=record.attempt,
        running=running,
        image=record.image,
        image_id=record.image_id,
        started_at=record.started_at,
        finished_at=finished,
        exit_code=0 if running else exit_code,
        reason=reason,
        message="" if running else notes.messages.get(record.id) or record.error,
        spec_hash=record.spec_hash,
        limits=notes.limits.get(record.id, record.limits),
        replaced=record.id in notes.replaced,
    )


def _remembered(known: Obj | None) -> list[Run]:
    """The runs that the last status tells of, latest first."""
    if known is None:
        return []
    state, last = known.get("state") or {}, known.get("lastState") or {}
    attempt = int(known.get("restartCount") or 0)
    runs: list[Run] = []
    if "terminated" in state:
        runs.append(_ended(known, state["terminated"], attempt))
    elif "running" in state:
        runs.append(_vanished(known, state["running"], attempt))
    if "terminated" in last:
        runs.append(_ended(known, last["terminated"], attempt - len(runs)))
    return runs


def _ended(known: Obj, state: Obj, attempt: int) -> Run:
    return Run(
        id=str(state.get("containerID") or ""),
        attempt=max(attempt, 0),
        running=False,
        current=False,
        image=str(known.get("image") or ""),
        image_id=str(known.get("imageID") or ""),
        started_at=_seconds(state.get("startedAt")),
        finished_at=_seconds(state.get("finishedAt")),
        exit_code=int(state.get("exitCode") or 0),
        reason=str(state.get("reason") or ""),
        message=str(state.get("message") or ""),
    )


def _vanished(known: Obj, state: Obj, attempt: int) -> Run:
    """A run that was told of as running and is gone: nobody saw its end."""
    return Run(
        id=str(known.get("containerID") or ""),
        attempt=attempt,
        running=False,
        current=False,
        image=str(known.get("image") or ""),
        image_id=str(known.get("imageID") or ""),
        started_at=_seconds(state.get("startedAt")),
        exit_code=UNKNOWN_EXIT_CODE,
        reason="ContainerStatusUnknown",
        message="The container could not be located when the pod was terminated",
    )


def _seconds(text: str | None) -> float:
    return parse_rfc3339(text) if text else 0.0
