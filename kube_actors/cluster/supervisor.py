"""The supervisor: keeps the actors of the cluster as they should be, by name.

Ray restarts an actor whose process dies. The supervisor is for the rest: an actor that died for good (a
constructor that failed, a node that is gone), one whose loop does not turn, and the question how all are.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.clock import Clock, SystemClock
from kube_actors.cluster import logs, wiring
from kube_actors.cluster.desired import (
    SUPERVISOR,
    Action,
    ActorSpec,
    Create,
    Health,
    Observed,
    desired_actors,
    next_seen,
    plan_actions,
)
from kube_actors.cluster.etcd import layout
from kube_actors.cluster.pki import Pki, Subject
from kube_actors.cluster.placing import Placer
from kube_actors.cluster.plan import ClusterPlan
from kube_actors.rpc.tls import ClientTLS

log = structlog.get_logger(__name__)

ROUND_SECONDS = 1.0
ANSWER_SECONDS = 2.0
# A component that could not be made is made again after this; a wrong config does not mend itself.
RETRY = Backoff(initial=1.0, maximum=30.0)


class Actors(Protocol):
    """What the supervisor needs of Ray; see `ray_actors.RayActors`."""

    def create(self, spec: ActorSpec) -> None: ...

    def restart(self, name: str) -> None: ...

    def remove(self, names: Sequence[str]) -> None: ...

    def observe(self, specs: Sequence[ActorSpec], seconds: float) -> dict[str, Observed]: ...


class Reconciler:
    """One round after another: observe, plan, act. Not thread-safe but for `seen`."""

    def __init__(self, desired: Sequence[ActorSpec], actors: Actors, clock: Clock) -> None:
        self._desired = tuple(desired)
        self._actors = actors
        self._clock = clock
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self.seen: Mapping[str, Observed] = {}

    def want(self, desired: Sequence[ActorSpec]) -> None:
        """Other actors from now on; those that nobody wants any more are ended."""
        wanted = {spec.name for spec in desired}
        self._actors.remove([spec.name for spec in self._desired if spec.name not in wanted])
        self._desired = tuple(desired)

    def round(self) -> None:
        observed = self._actors.observe(self._desired, ANSWER_SECONDS)
        self.seen = {name: next_seen(self.seen.get(name), now) for name, now in observed.items()}
        for name, now in observed.items():
            if now.health is Health.RUNNING:
                self._failures.pop(name, None)
                self._not_before.pop(name, None)
        for action in plan_actions(self._desired, observed):
            self._act(action)

    def _act(self, action: Action) -> None:
        name = action.spec.name
        if self._clock.now() < self._not_before.get(name, 0.0):
            return
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        self._not_before[name] = self._clock.now() + RETRY.delay(failures)
        if isinstance(action, Create):
            log.warning("creating actor", actor=name, reason=self.seen[name].error or "it is missing")
            self._actors.create(action.spec)
        else:
            log.warning("restarting actor", actor=name, reason="its loop does not turn")
            self._actors.restart(name)


class Supervisor:
    """The actor of this name.

    Crash contract. Durable: on which host each member of the store is (in the cluster's folder); all else that
    is desired follows from the constructor's arguments. Rebuilt: what it observes, from the actors themselves.
    While it is away Ray still restarts what crashes; actors on other hosts wait for its signatures.
    """

    def __init__(self, plan: ClusterPlan, node: str) -> None:
        from kube_actors.cluster.ray_actors import RayActors

        self._node = node
        self._plan = layout.current(plan)
        self._desired = desired_actors(self._plan)
        plan.paths.make()
        logs.configure(file=plan.paths.logs / f"{SUPERVISOR}.log", as_json=True, component="supervisor", node=node)
        self._actors = RayActors(self._plan)
        self._reconciler = Reconciler(self._desired, self._actors, SystemClock())
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=SUPERVISOR, daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"Supervisor[{self._node}]"

    def health(self) -> int:
        return os.getpid()

    def drain(self) -> None:
        """Leave the actors alone from now on."""
        self._stopping.set()
        self._thread.join(ANSWER_SECONDS * 2)

    def plan(self) -> ClusterPlan:
        """The cluster's plan, with the store's members as they are on record now."""
        return layout.current(self._plan)

    def authority(self) -> bytes:
        """The certificate of the cluster's authority, PEM."""
        return Pki.open(self._plan.paths.pki).ca

    def sign(self, public_key: bytes, subject: Subject) -> bytes:
        """A certificate for a component on another host."""
        log.info("signing a certificate", name=subject.common_name, hosts=subject.hosts)
        return Pki.open(self._plan.paths.pki).sign(public_key, subject)

    def status(self) -> list[tuple[ActorSpec, Observed]]:
        """How each actor was at the last round."""
        seen = self._reconciler.seen
        return [(spec, seen.get(spec.name, Observed(Health.STARTING))) for spec in self._desired]

    def _run(self) -> None:
        placer = Placer(self._plan, self._actors, self._store_tls, SystemClock())
        while not self._stopping.is_set():
            try:
                moved = placer.round()
                if moved is not None:
                    self._follow(moved)
                self._reconciler.round()
            except Exception as error:  # the boundary: Ray may be recovering; the next round comes
                log.error("round failed", exc_info=error)
            self._stopping.wait(ROUND_SECONDS)
        placer.close()

    def _follow(self, moved: ClusterPlan) -> None:
        self._plan, self._desired = moved, desired_actors(moved)
        self._actors.use(moved)
        self._reconciler.want(self._desired)

    def _store_tls(self) -> ClientTLS | None:
        return wiring.store_client_tls(self._plan, Pki.open(self._plan.paths.pki))
