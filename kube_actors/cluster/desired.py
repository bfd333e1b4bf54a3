"""Which actors a cluster consists of, and what to do about those that are not as they should be. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from kube_actors.cluster.plan import MASTER, ClusterPlan

# The Ray namespace of all actors.
NAMESPACE = "kube-actors"
SUPERVISOR = f"supervisor@{MASTER}"


@dataclass(frozen=True, slots=True)
class ActorSpec:
    """One actor: `kind` is the class's name, `node` the master or node it stands for."""

    kind: str
    name: str
    node: str
    # Which of several on one node it is, where there are several.
    arguments: tuple[str, ...] = ()


class Health(Enum):
    """What the supervisor knows of an actor."""

    MISSING = "missing"  # no actor has the name: it died for good, or was never made
    STARTING = "starting"  # the constructor is running, for the first time or again
    RUNNING = "running"
    STUCK = "stuck"  # it answers, but its loop does not turn


@dataclass(frozen=True, slots=True)
class Observed:
    """An actor as it was last seen. `pid` 0: it has not answered yet."""

    health: Health
    pid: int = 0
    # How often the process was another one than before.
    restarts: int = 0
    # Why the last creation failed, in one line.
    error: str = ""


@dataclass(frozen=True, slots=True)
class Create:
    spec: ActorSpec


@dataclass(frozen=True, slots=True)
class Restart:
    """Kill the process; Ray runs the constructor again."""

    spec: ActorSpec


Action = Create | Restart


def desired_actors(plan: ClusterPlan) -> tuple[ActorSpec, ...]:
    """The components in the order in which they are drained, from the last one backwards."""
    nodes = plan.nodes[:1] if plan.runtime == "simulated" else plan.nodes
    return (
        *_store_actors(plan),
        ActorSpec("APIServer", f"apiserver@{MASTER}", MASTER),
        ActorSpec("Scheduler", f"scheduler@{MASTER}", MASTER),
        ActorSpec("ControllerManager", f"controller-manager@{MASTER}", MASTER),
        *(ActorSpec("NodeAgent", f"nodeagent@{node.name}", node.name) for node in nodes),
    )


def _store_actors(plan: ClusterPlan) -> tuple[ActorSpec, ...]:
    """The embedded store, an actor a member of an etcd, or none for an etcd of somebody else's."""
    if plan.external is not None:
        return ()
    if plan.etcd is None:
        return (ActorSpec("Store", f"store@{MASTER}", MASTER),)
    return tuple(ActorSpec("StoreMember", f"{m.name}@{MASTER}", MASTER, (m.name,)) for m in plan.etcd.members)


def plan_actions(desired: Sequence[ActorSpec], observed: Mapping[str, Observed]) -> list[Action]:
    """What makes the actors as desired: missing ones are created, stuck ones restarted."""
    actions: list[Action] = []
    for spec in desired:
        seen = observed.get(spec.name)
        if seen is None or seen.health is Health.MISSING:
            actions.append(Create(spec))
        elif seen.health is Health.STUCK:
            actions.append(Restart(spec))
    return actions


def next_seen(before: Observed | None, now: Observed) -> Observed:
    """`now`, with the restarts counted over time and the last error kept until it runs."""
    if before is None:
        return now
    moved = bool(now.pid and before.pid and now.pid != before.pid)
    pid = now.pid or before.pid
    error = "" if now.health is Health.RUNNING else now.error or before.error
    return Observed(now.health, pid, before.restarts + moved, error)
