"""One pod's life on the node. `update_pod` is the only way in; everything else happens in the worker's task.

    update_pod(pod)                 poke()           update_pod(deleting)            update_pod(None)
        │                             │                      │                             │
        v                             v                      v                             v
    ┌─ SYNC ───────────────────────────────────┐ ┌─ TERMINATING ───┐ ┌─ TERMINATED ─────┐ ┌─ GONE ─────────┐
    │ look, plan, publish status, act; again   │>│ kill what runs  │>│ stop the sandbox,│>│ remove sandbox,│
    │ until nothing is to do; wait for a poke, │ │ within the grace│ │ free the address,│ │ files, memory; │
    │ a deadline or the end of a backoff       │ │ of the deletion │ │ last status,     │ │ the task ends  │
    └──────────────────────────────────────────┘ └─────────────────┘ │ delete in the API│ └────────────────┘
             the pod's containers have ended, it failed, it is deleted, or it is gone ──^

A pod that completed waits in TERMINATED, with its dead containers and their logs, until it is deleted. A step
that is under way (a pull, a hook, a kill with a longer grace) is cut short when the pod is deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import Enum

import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError
from kube_actors.node.node_events import NORMAL, WARNING
from kube_actors.node.pods.actions import Failure, Plan
from kube_actors.node.pods.executor import Executor, Parts
from kube_actors.node.pods.facts import Facts
from kube_actors.node.pods.killer import grace_of
from kube_actors.node.pods.memory import PodMemory, shown_of
from kube_actors.node.pods.plan import plan_pod
from kube_actors.node.pods.termination_message import read_message
from kube_actors.node.pods.view import PodView, view_pod
from kube_actors.node.prober.manager import Prober
from kube_actors.node.resize.resizes import Resizes
from kube_actors.node.runtime.interface import PodRecord, RuntimeFailure, Simulation
from kube_actors.node.status.conditions import with_others
from kube_actors.node.status.container_status import full_name
from kube_actors.node.status.manager import StatusManager
from kube_actors.node.status.pod_status import TERMINAL, Situation, pod_status
from kube_actors.node.volumes.payload import VolumeFailure

log = structlog.get_logger(__name__)

RETRY = Backoff(initial=1.0, maximum=30.0)
# Rounds of look, plan, act without a pause; a plan that never comes to rest is a bug, not a reason to spin.
MAX_ROUNDS = 50
# What an evicted pod has to end: the node is short of something now. kubelet: immediateEvictionGracePeriodSeconds.
EVICTION_GRACE = 1.0


Work = Callable[[], Awaitable[None]]


class Outcome(Enum):
    """How a step ended. INTERRUPTED: cut short, because the pod is to end, or to end sooner."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Phase(Enum):
    SYNC = "sync"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    GONE = "gone"


class PodWorker:
    """The worker of one pod, found by uid. `rejection`: the node does not take the pod."""

    def __init__(
        self,
        pod: Obj,
        parts: Parts,
        statuses: StatusManager,
        prober: Prober,
        resizes: Resizes,
        tasks: Tasks,
        *,
        rejection: Failure | None = None,
    ) -> None:
        self._pod = pod
        self._uid = str(pod["metadata"]["uid"])
        self._parts, self._statuses, self._prober, self._tasks = parts, statuses, prober, tasks
        self._resizes = resizes
        self._executor = Executor(parts, resizes)
        self._memory = PodMemory(started_at=parts.clock.now())
        self._failure, self._rejected = rejection, rejection is not None
        # A phase that somebody writes later is set right; one from before the agent's start is true.
        self._finished = rejection is not None or (pod.get("status") or {}).get("phase") in TERMINAL
        self._gone = False
        self._grace: float | None = None
        self._evicted = False
        self._clock = parts.clock
        self._simulated = isinstance(parts.runtime, Simulation)
        self._wake = asyncio.Event()
        self._wake_at: float | None = None
        # Do not wait for the end of the next back-off.
        self._retry = False
        self._step: asyncio.Task[bool] | None = None
        self.phase = Phase.SYNC

    @property
    def pod(self) -> Obj:
        return self._pod

    @property
    def asking(self) -> Obj:
        """The pod as it asks, with the latest status known, which may not have reached the API yet."""
        mine, api = self._statuses.get(self._uid), self._pod.get("status") or {}
        if mine is None:
            return self._pod
        conditions = with_others(mine.get("conditions") or (), api.get("conditions") or ())
        return self._pod | {"status": api | mine | {"conditions": conditions}}

    @property
    def granted(self) -> Obj:
        """`asking`, with the resources that the node grants it."""
        return self._resizes.granted(self.asking)

    def update_pod(self, pod: Obj | None) -> None:
        """The pod as it is in the API now; None: it is not there any more."""
        if pod is None:
            self._gone, news = True, True
        else:
            news = _asks(pod) != _asks(self._pod)
            self._pod = pod
        if self._ending:
            self._interrupt()
        # The echo of a status that this node wrote is no reason to look, as with kubelet.
        if news:
            self._wake.set()

    def evict(self, failure: Failure) -> None:
        """End the pod as Failed: the node needs what it uses. A pod that ends already stays as it is."""
        if not self._ending:
            self._failure, self._finished, self._evicted = failure, True, True
            self._interrupt()
            self._wake.set()

    def retry(self) -> None:
        """What failed may work again: do not wait for the end of the back-off."""
        self._retry = True
        self._wake.set()

    def poke(self) -> None:
        """Something may have changed on the node."""
        self._wake.set()

    async def run(self) -> None:
        """The pod's life; returns when nothing is left of it on this node."""
        await self._sync_until_over()
        self.phase = Phase.TERMINATING
        self._prober.stop_killing(self._uid)
        await self._insist(self._terminate)
        self.phase = Phase.TERMINATED
        self._resizes.room()
        await self._insist(self._release)
        while not self._gone:
            await self._wait(None)
            self._let_go()
        self.phase = Phase.GONE
        await self._insist(self._remove)

    @property
    def _ending(self) -> bool:
        return self._gone or self._finished or bool(self._pod["metadata"].get("deletionTimestamp"))

    # SYNC

    async def _sync_until_over(self) -> None:
        failures = 0
        while not self._ending:
            self._wake.clear()
            self._wake_at = None
            outcome = await self._attempt(self._sync)
            failures = failures + 1 if outcome is Outcome.FAILED else 0
            if self._ending:
                return
            if failures:
                await self._back_off(failures)
            else:
                await self._wait(self._wake_at)

    async def _sync(self) -> None:
        """Look, plan and act until there is nothing to do."""
        for _ in range(MAX_ROUNDS):
            pod, view = await self._look()
            now = self._clock.now()
            facts = self._facts(pod, view)
            plan = plan_pod(pod, view, facts, now)
            if plan.finished:
                self._finished, self._failure = True, plan.failure
                if plan.failure is not None:
                    self._parts.events.pod(self._pod, NORMAL, plan.failure.reason, plan.failure.message)
                return
            resized = facts.resize.progress is not None and not plan.resizing
            if resized:
                self._resizes.complete(pod)
                facts = replace(facts, resize=self._resizes.state(self._uid))
            self._publish(pod, view, facts)
            if resized:
                # Its status tells now what it gave back.
                self._resizes.room()
            self._announce(plan)
            if not plan.actions:
                self._wake_at = await self._refresh(pod, plan.wake_at, now)
                return
            for action in plan.actions:
                await self._executor.perform(action, pod, view, self._memory)
        raise RuntimeFailure(f"the plans of the pod do not come to rest after {MAX_ROUNDS} rounds")

    async def _look(self) -> tuple[Obj, PodView]:
        """The pod with what it is granted, and how it stands."""
        record = await self._parts.runtime.pod(self._uid)
        await self._read_messages(record)
        pod, memory = self.granted, self._memory
        return pod, view_pod(pod, record, pod.get("status"), memory.messages, memory.limits, memory.replaced)

    async def _read_messages(self, record: PodRecord | None) -> None:
        """Termination messages of runs that have ended since the last look."""
        if record is None or self._simulated:
            return
        messages, directory = self._memory.messages, self._parts.volumes.pod_dir(self._uid)
        for each in view_pod(self._pod, record).containers:
            for run in (each.latest, each.previous):
                if run is not None and not run.running and run.id not in messages:
                    messages[run.id] = await read_message(self._parts.runtime, directory, each.spec, run)

    def _facts(self, pod: Obj, view: PodView) -> Facts:
        address = self._parts.config.advertise_address
        return self._memory.facts(self._prober.sync(pod, view, address), self._resizes.state(self._uid))

    def _publish(self, pod: Obj, view: PodView, facts: Facts, *, over: bool = False) -> None:
        address, failure = self._parts.config.advertise_address, self._failure if over else None
        situation = Situation(address, self._clock.now(), over, failure, self._rejected)
        self._statuses.set(self._pod, pod_status(pod, view, facts, situation))

    def _announce(self, plan: Plan) -> None:
        for each in plan.backing_off:
            if (each.name, each.attempt) not in self._memory.announced:
                self._memory.announced.add((each.name, each.attempt))
                text = f"Back-off restarting failed container {each.name} in pod {full_name(self._pod)}"
                self._parts.events.container(self._pod, each.name, WARNING, "BackOff", text)

    async def _refresh(self, pod: Obj, wake_at: float | None, now: float) -> float | None:
        """Look after mounted ConfigMaps and Secrets when it is time; when to wake up next.

        It is time at once when the pod's labels or annotations have changed: it is the way to hurry a kubelet.
        """
        volumes, interval = self._parts.volumes, self._parts.config.volume_refresh_interval
        if self._simulated or not volumes.is_refreshed(self._pod):
            return wake_at
        changed = self._memory.shown != shown_of(self._pod)
        if changed or now - self._memory.refreshed_at >= interval:
            self._memory.refreshed(self._pod, now)
            for failure in await volumes.refresh(pod, now if changed else 0.0):
                self._parts.events.pod(self._pod, WARNING, "FailedMount", failure)
        due = self._memory.refreshed_at + interval
        return due if wake_at is None else min(wake_at, due)

    # TERMINATING, TERMINATED, GONE

    async def _terminate(self) -> None:
        pod, view = await self._look()
        self._grace = EVICTION_GRACE if self._evicted else grace_of(self._pod)
        if not self._gone:
            self._publish(pod, view, self._facts(pod, view))
        if view.running or view.strangers:
            await self._parts.killer.kill_all(self._pod, view, self._grace)

    async def _release(self) -> None:
        """Nothing runs: tell so, give the address back, let the object go."""
        record = await self._parts.runtime.pod(self._uid)
        if record is not None and record.ready:
            await self._parts.runtime.stop_sandbox(record.sandbox_id)
        pod, view = await self._look()
        self._prober.forget(self._uid)
        self._parts.addresses.release(self._uid)
        self._parts.devices.release(self._uid)
        if not self._gone:
            self._publish(pod, view, self._memory.facts({}), over=True)
            self._let_go()

    def _let_go(self) -> None:
        if self._pod["metadata"].get("deletionTimestamp"):
            self._statuses.finish(self._pod)

    async def _remove(self) -> None:
        record = await self._parts.runtime.pod(self._uid)
        if record is not None:
            await self._remove_containers(record)
        await self._parts.volumes.tear_down(self._uid)
        self._parts.images.forget(self._uid)
        self._parts.addresses.release(self._uid)
        self._statuses.forget(self._uid)
        self._prober.forget(self._uid)
        self._resizes.forget(self._uid)

    async def _remove_containers(self, record: PodRecord) -> None:
        # One by one: a sandbox takes its own along, but somebody may have removed it from under them.
        for container in record.containers:
            await self._parts.runtime.remove_container(container.id)
        if record.sandbox_id:
            await self._parts.runtime.remove_sandbox(record.sandbox_id)

    # Steps that can be cut short

    async def _insist(self, work: Work) -> None:
        """Do it until it is done, however often it fails."""
        failures = 0
        while (outcome := await self._attempt(work)) is not Outcome.DONE:
            if outcome is Outcome.FAILED:
                failures += 1
                await self._back_off(failures)

    async def _attempt(self, work: Work) -> Outcome:
        """Run a step that `_interrupt` may cancel."""
        # What asks for it from now on is of use to the next step only.
        self._retry = False
        step = self._step = self._tasks.spawn(self._guarded(work), f"{full_name(self._pod)}/{self.phase.value}")
        try:
            await asyncio.wait({step})
        finally:
            self._step = None
            step.cancel()  # for when the worker itself is stopped
        if step.cancelled():
            return Outcome.INTERRUPTED
        return Outcome.DONE if step.result() else Outcome.FAILED

    async def _guarded(self, work: Work) -> bool:
        """Whether the step succeeded. The boundary: what goes wrong with one pod is told, and tried again."""
        try:
            await work()
        except (KubeActorsError, VolumeFailure, OSError) as error:
            log.warning("pod step failed", pod=full_name(self._pod), phase=self.phase.value, error=str(error))
            return False
        except Exception as error:  # a bug met by one pod must not end its worker
            log.error("pod step failed", pod=full_name(self._pod), phase=self.phase.value, exc_info=error)
            return False
        return True

    def _interrupt(self) -> None:
        """Cut short what is under way where the pod shall not live on, or has less time to end than it was given."""
        shorter = self._grace is not None and grace_of(self._pod) < self._grace
        if self._step is not None and (self.phase is Phase.SYNC or (self.phase is Phase.TERMINATING and shorter)):
            self._step.cancel()

    async def _wait(self, until: float | None) -> None:
        """Until somebody wakes the worker, or that time."""
        timer = None
        if until is not None:
            delay = max(0.0, until - self._clock.now())
            timer = asyncio.get_running_loop().call_later(delay, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            self._wake.clear()
            if timer is not None:
                timer.cancel()

    async def _back_off(self, failures: int) -> None:
        """Wait before the next attempt; a pod that is to end does not wait for it."""
        until = self._clock.now() + RETRY.delay(failures)
        ending = self._ending
        while self._clock.now() < until and self._ending == ending and not self._retry:
            await self._wait(until)


def _asks(pod: Obj) -> tuple[Obj, Obj, list[Obj]]:
    """All of a pod that somebody else than its node writes."""
    metadata = {key: value for key, value in pod["metadata"].items() if key not in ("resourceVersion", "managedFields")}
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return metadata, pod["spec"], with_others((), conditions)
