"""What a plan may ask for. The executor performs these and decides nothing."""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.node.runtime.interface import Limits


@dataclass(frozen=True, slots=True)
class CreateSandbox:
    """Prepare volumes and run a sandbox."""

    attempt: int


@dataclass(frozen=True, slots=True)
class RemoveSandbox:
    """The sandbox is dead: end what still runs in it and remove it, so that a new one can be made."""

    sandbox_id: str


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Image, environment, create, start, postStart hook. `restarts`: the end of the run it follows, if any."""

    name: str
    attempt: int
    after: float | None = None


@dataclass(frozen=True, slots=True)
class KillContainer:
    """preStop hook (where `hooks`), stop signal, KILL. `probe`: the kind of probe that asked for it."""

    id: str
    name: str
    message: str
    probe: str = ""
    hooks: bool = True
    # It runs again whatever its restart policy says: only its definition has changed.
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """A dead run that nobody needs any more."""

    id: str


@dataclass(frozen=True, slots=True)
class Update:
    """A run and the limits that it shall have."""

    id: str
    name: str
    limits: Limits
    # Less memory than it has: to be refused while it uses more.
    shrinks: bool = False


@dataclass(frozen=True, slots=True)
class ResizeContainers:
    """Give containers that run other limits, and the pod as a whole. One that fails holds back those behind it."""

    updates: tuple[Update, ...]
    whole: Limits
    # Less memory for one of them or for the whole: to be refused while more is used.
    shrinks: bool = False


Action = CreateSandbox | RemoveSandbox | StartContainer | KillContainer | RemoveContainer | ResizeContainers


@dataclass(frozen=True, slots=True)
class BackingOff:
    """A container that waits for its restart."""

    name: str
    attempt: int
    delay: float


@dataclass(frozen=True, slots=True)
class Failure:
    """The pod is to end although its containers have not: the reason and message of its status."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`actions` in order. `wake_at`: when to plan again if nothing happens. `finished`: all is done, or `failure`."""

    actions: tuple[Action, ...] = ()
    wake_at: float | None = None
    finished: bool = False
    failure: Failure | None = None
    backing_off: tuple[BackingOff, ...] = ()
    # Something that runs has not got yet what the pod was granted.
    resizing: bool = False
