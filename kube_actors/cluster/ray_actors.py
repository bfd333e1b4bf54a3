"""All calls to Ray about actors: make, find, ask, kill. Nothing else in the package touches a handle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import ray
from ray.exceptions import (
    ActorUnavailableError,
    ActorUnschedulableError,
    GetTimeoutError,
    RayActorError,
    RayError,
    RayTaskError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from kube_actors.api.errors import ConfigError
from kube_actors.cluster.actors import components
from kube_actors.cluster.desired import NAMESPACE, SUPERVISOR, ActorSpec, Health, Observed
from kube_actors.cluster.hosts import Host
from kube_actors.cluster.plan import MASTER, ClusterPlan
from kube_actors.cluster.ray_text import creation_error, task_error

# uvloop would change the loop under gRPC; OpenMP would start a thread a core in every actor.
ENVIRONMENT = {"RAY_USE_UVLOOP": "0", "OMP_NUM_THREADS": "1"}
OPTIONS: dict[str, Any] = {
    "namespace": NAMESPACE,
    "lifetime": "detached",
    "max_restarts": -1,
    # A lost call is an answer too: whoever asks does so again, and Ray would log every repetition.
    "max_task_retries": 0,
    "max_concurrency": 4,
    "num_cpus": 0,
    "get_if_exists": True,
    "runtime_env": {"env_vars": ENVIRONMENT},
}


def alive_hosts() -> list[Host]:
    """The Ray nodes that are there now."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    return [
        Host(node["NodeManagerAddress"], node["NodeID"], tuple(sorted(node.get("Labels", {}).items())))
        for node in alive
    ]


def exists(name: str) -> bool:
    """Whether there is an actor of that name, of whichever cluster."""
    try:
        ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return False
    return True


class RayActors:
    """The actors of one cluster, by name."""

    def __init__(self, plan: ClusterPlan) -> None:
        self._plan = plan
        self._questions: dict[str, Any] = {}

    def use(self, plan: ClusterPlan) -> None:
        """Create actors by this plan from now on."""
        self._plan = plan

    def create(self, spec: ActorSpec) -> None:
        """Returns at once; the constructor runs in the actor. One that exists is left as it is.

        One whose host is not there is not created: Ray would wait for a node that never comes back.
        """
        self._questions.pop(spec.name, None)
        placed = self._options(spec.host)
        if placed is not None:
            actor = ray.remote(getattr(components, spec.kind)).options(name=spec.name, **placed)
            actor.remote(self._plan, spec.node, *spec.arguments, host=spec.host)

    def create_supervisor(self) -> Any:
        """The supervisor's handle."""
        from kube_actors.cluster.supervisor import Supervisor

        master = self._plan.spread.master if self._plan.spread is not None else ""
        placed = self._options(master)
        if placed is None:
            raise ConfigError(f"the Ray node {master} is gone")
        return ray.remote(Supervisor).options(name=SUPERVISOR, **placed).remote(self._plan, MASTER)

    def hosts(self) -> list[Host]:
        return alive_hosts()

    def ask_hosts(
        self, hosts: Iterable[str], work: Callable[..., Any], *arguments: Any, seconds: float
    ) -> dict[str, Any]:
        """What a function of ours says on each host, all at once; a ConfigError where it says nothing."""
        answers: dict[str, Any] = {}
        calls = {}
        for host in hosts:
            placed = self._place(host)
            if placed is None:
                answers[host] = ConfigError(f"the Ray node {host} is gone")
                continue
            options = {"num_cpus": 0, "max_retries": 0, "runtime_env": OPTIONS["runtime_env"], **placed}
            calls[host] = ray.remote(work).options(**options).remote(*arguments)
        if calls:
            ray.wait(list(calls.values()), num_returns=len(calls), timeout=seconds, fetch_local=False)
        for host, call in calls.items():
            try:
                answers[host] = ray.get(call, timeout=0)
            except RayError as error:
                answers[host] = ConfigError(task_error(error))
        return answers

    def _options(self, host: str) -> dict[str, Any] | None:
        placed = self._place(host)
        return None if placed is None else {**OPTIONS, **placed}

    def _place(self, host: str) -> dict[str, Any] | None:
        """Ray's options for a place; None where it is not there."""
        if not host:
            return {}
        node_id = next((each.node_id for each in alive_hosts() if each.address == host), None)
        if node_id is None:
            return None
        return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node_id, soft=False)}

    def find(self, name: str) -> Any | None:
        """The handle, None where no actor has the name."""
        try:
            return ray.get_actor(name, namespace=NAMESPACE)
        except ValueError:
            return None

    def observe(self, specs: Sequence[ActorSpec], seconds: float) -> dict[str, Observed]:
        """Ask all at once how they are and wait up to `seconds` for those that answer.

        A question that is not answered stays open and is looked at again the next time.
        """
        seen: dict[str, Observed] = {}
        there = {host.address for host in alive_hosts()} if any(spec.host for spec in specs) else set()
        for spec in specs:
            if spec.host and spec.host not in there:
                self._questions.pop(spec.name, None)
                seen[spec.name] = Observed(Health.MISSING, error=f"the Ray node {spec.host} is gone")
                continue
            if spec.name in self._questions:
                continue
            handle = self.find(spec.name)
            if handle is None:
                seen[spec.name] = Observed(Health.MISSING)
            else:
                self._questions[spec.name] = handle.health.remote()
        open_questions = list(self._questions.values())
        if open_questions:
            ray.wait(open_questions, num_returns=len(open_questions), timeout=seconds, fetch_local=False)
        for spec in specs:
            if spec.name in self._questions:
                seen[spec.name] = self._answer(spec.name)
        return seen

    def restart(self, name: str) -> None:
        """Kill the process; Ray runs the constructor again."""
        self._questions.pop(name, None)
        handle = self.find(name)
        if handle is not None:
            ray.kill(handle, no_restart=False)

    def remove(self, names: Sequence[str]) -> None:
        """Kill for good."""
        for name in names:
            self._questions.pop(name, None)
            handle = self.find(name)
            if handle is not None:
                ray.kill(handle, no_restart=True)

    def drain(self, names: Sequence[str], seconds: float) -> list[str]:
        """Have them stop in order of their own; the names of those that did not."""
        calls = {name: handle.drain.remote() for name in names if (handle := self.find(name)) is not None}
        if not calls:
            return []
        ray.wait(list(calls.values()), num_returns=len(calls), timeout=seconds, fetch_local=False)
        return [name for name, call in calls.items() if not _succeeded(call)]

    def wait(self, handle: Any, seconds: float) -> None:
        """Until an actor's constructor has returned. Raises ConfigError where it does not."""
        try:
            ray.get(handle.health.remote(), timeout=seconds)
        except RayError as error:
            raise ConfigError(f"the supervisor did not start: {creation_error(error) or error}") from error

    def supervisor_status(self, seconds: float) -> list[tuple[ActorSpec, Observed]] | None:
        """What the supervisor says of all actors; None where it does not answer."""
        supervisor = self.find(SUPERVISOR)
        if supervisor is None:
            return None
        try:
            return list(ray.get(supervisor.status.remote(), timeout=seconds))
        except RayError:
            return None

    def _answer(self, name: str) -> Observed:
        try:
            pid = ray.get(self._questions[name], timeout=0)
        except GetTimeoutError:
            return Observed(Health.STARTING)
        except ActorUnavailableError:
            self._questions.pop(name)
            return Observed(Health.STARTING)
        except (RayActorError, ActorUnschedulableError) as error:
            self._questions.pop(name)
            return Observed(Health.MISSING, error=creation_error(error))
        except RayTaskError:
            self._questions.pop(name)
            return Observed(Health.STUCK)
        self._questions.pop(name)
        return Observed(Health.RUNNING, pid=pid)


def _succeeded(call: Any) -> bool:
    try:
        ray.get(call, timeout=0)
    except RayError:
        return False
    return True
