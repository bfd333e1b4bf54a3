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
    # The address of the Ray node that it has to be on; empty where there is only one.
    host: str = ""


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
    master = plan.spread.master if plan.spread is not None else ""
    return (
        *_store_actors(plan, master),
        ActorSpec("APIServer", f"apiserver@{MASTER}", MASTER, host=master),
        ActorSpec("Scheduler", f"scheduler@{MASTER}", MASTER, host=master),
        ActorSpec("ControllerManager", f"controller-manager@{MASTER}", MASTER, host=master),
        *(ActorSpec("NodeAgent", f"nodeagent@{node.name}", node.name, host=master) for node in nodes),
    )


def _store_actors(plan: ClusterPlan, master: str) -> tuple[ActorSpec, ...]:
    """The embedded store, an actor a member of an etcd, or none for an etcd of somebody else's."""
    if plan.external is not None:
        return ()
    if plan.etcd is None:
        return (ActorSpec("Store", f"store@{MASTER}", MASTER, host=master),)
    members = plan.etcd.members
    if plan.spread is None:
        return tuple(ActorSpec("StoreMember", f"{m.name}@{MASTER}", MASTER, (m.name,)) for m in members)
    # Named by its host, too: on another host it is another actor.
    return tuple(ActorSpec("StoreMember", f"{m.name}@{m.host}", m.host, (m.name,), m.host) for m in members)


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
