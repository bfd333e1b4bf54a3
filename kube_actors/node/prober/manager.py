"""The probes of all pods of a node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from kube_actors.aio.clock import Clock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.node.pods.facts import Probed
from kube_actors.node.pods.view import ContainerView, PodView, Role
from kube_actors.node.prober.checks import Result
from kube_actors.node.prober.container import ContainerChecks
from kube_actors.node.prober.worker import KINDS, LIVENESS, READINESS, STARTUP, ProbeSettings, ProbeWorker

OnChange = Callable[[str], None]
# (pod, container name, type, reason, message)
Emit = Callable[[Obj, str, str, str, str], None]


@dataclass(slots=True)
class _Probes:
    """The probes of one pod: verdicts and starts by container id, tasks by container id and kind."""

    pod: Obj
    ip: str
    verdicts: dict[str, Probed] = field(default_factory=dict)
    started: dict[str, asyncio.Event] = field(default_factory=dict)
    tasks: dict[tuple[str, str], asyncio.Task[None]] = field(default_factory=dict)
    ending: bool = False


class Prober:
    """Keeps one worker for each probe of each running container; tells `on_change(uid)` of new verdicts."""

    def __init__(self, checks: ContainerChecks, clock: Clock, on_change: OnChange, emit: Emit, owner: str) -> None:
        self._checks = checks
        self._clock = clock
        self._on_change = on_change
        self._emit = emit
        self._tasks = Tasks(f"{owner}/prober")
        self._pods: dict[str, _Probes] = {}

    async def stop(self) -> None:
        await self._tasks.stop()

    def sync(self, pod: Obj, view: PodView, host_ip: str) -> Mapping[str, Probed]:
        """Have exactly the workers that the pod's running containers want. The verdicts, by container id."""
        uid = str(pod["metadata"]["uid"])
        wanted = {
            (each.latest.id, kind): each
            for each in view.running
            if each.latest is not None and each.role not in (Role.INIT, Role.EPHEMERAL)
            for kind in KINDS
            if each.spec.get(f"{kind}Probe")
        }
        probes = self._pods.get(uid)
        if probes is None:
            if not wanted:
                return {}
            probes = self._pods[uid] = _Probes(pod, "")
        probes.pod, probes.ip = pod, view.ip or host_ip
        running = {each.latest.id for each in view.running if each.latest is not None}
        probes.verdicts = {id: verdict for id, verdict in probes.verdicts.items() if id in running}
        probes.started = {id: event for id, event in probes.started.items() if id in running}
        for key in [each for each in probes.tasks if each not in wanted]:
            probes.tasks.pop(key).cancel()
        for (id, kind), each in wanted.items():
            if (id, kind) not in probes.tasks and (kind == READINESS or not probes.ending):
                self._begin(uid, probes, each, id, kind)
        return probes.verdicts

    def stop_killing(self, uid: str) -> None:
        """The pod is being ended: startup and liveness probes have no say any more."""
        probes = self._pods.get(uid)
        if probes is not None:
            probes.ending = True
            for key in [each for each in probes.tasks if each[1] != READINESS]:
                probes.tasks.pop(key).cancel()

    def forget(self, uid: str) -> None:
        probes = self._pods.pop(uid, None)
        for task in probes.tasks.values() if probes else ():
            task.cancel()

    def _begin(self, uid: str, probes: _Probes, view: ContainerView, id: str, kind: str) -> None:
        run = view.latest
        assert run is not None
        adopted = _was_ready(probes.pod, id)
        if id not in probes.verdicts:
            probes.verdicts[id] = Probed(
                started=(adopted is not None and adopted[0]) or not view.spec.get("startupProbe"),
                ready=(adopted is not None and adopted[1]) or not view.spec.get("readinessProbe"),
            )
        started = probes.started.setdefault(id, asyncio.Event())
        if probes.verdicts[id].started:
            started.set()
            if kind == STARTUP:
                return
        settings = ProbeSettings.of(kind, view.spec[f"{kind}Probe"])

        async def check() -> Result:
            return await self._checks.probe(kind, settings.action, view.spec, id, probes.ip, settings.timeout)

        worker = ProbeWorker(
            settings,
            run.started_at,
            check,
            partial(self._report, uid, id, kind),
            partial(self._complain, uid, view.name, kind),
            self._clock,
        )

        async def probe() -> None:
            # Liveness and readiness wait for the startup probe, and are asked at once when it succeeds.
            if kind != STARTUP:
                await started.wait()
            await worker.run(adopted is not None)

        name = f"{probes.pod['metadata']['name']}/{view.name}/{kind}"
        probes.tasks[id, kind] = self._tasks.spawn(probe(), name)

    def _report(self, uid: str, id: str, kind: str, good: bool) -> None:
        probes = self._pods.get(uid)
        before = probes.verdicts.get(id) if probes else None
        if probes is None or before is None:
            return
        if kind == READINESS:
            after = replace(before, ready=good)
        elif kind == STARTUP and good:
            after = replace(before, started=True)
            probes.started[id].set()
        elif good:
            after = before
        else:
            after = replace(before, live=False, failed=before.failed or kind)
        if after != before:
            probes.verdicts[id] = after
            self._on_change(uid)

    def _complain(self, uid: str, container: str, kind: str, result: Result) -> None:
        probes = self._pods.get(uid)
        if probes is None:
            return
        title = {STARTUP: "Startup", LIVENESS: "Liveness", READINESS: "Readiness"}[kind]
        if result.warning:
            self._emit(probes.pod, container, "Warning", "ProbeWarning", f"{title} probe warning: {result.output}")
            return
        how = "probe errored and resulted in unknown state" if result.unknown else "probe failed"
        self._emit(probes.pod, container, "Warning", "Unhealthy", f"{title} {how}: {result.output}")


def _was_ready(pod: Obj, id: str) -> tuple[bool, bool] | None:
    """(started, ready) of this very run in the pod's last status: after a restart of the agent it holds on."""
    status = pod.get("status") or {}
    for key in ("containerStatuses", "initContainerStatuses"):
        for each in status.get(key) or ():
            if each.get("containerID") == id:
                return bool(each.get("started")), bool(each.get("ready"))
    return None
