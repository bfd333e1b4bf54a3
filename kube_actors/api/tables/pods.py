"""How pods are printed: what state their containers are in, in one word."""

from __future__ import annotations

from typing import Any

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.tables.cells import NONE, wide
from kube_actors.api.tables.durations import duration_human
from kube_actors.api.tables.engine import AGE, NAME, Column, Printer, age

_RESTARTS = (
    "The number of times the containers in this pod have been restarted and when the last container in this pod "
    "has restarted."
)
_COLUMNS = (
    NAME,
    Column("Ready", "The aggregate readiness state of this pod for accepting traffic."),
    Column("Status", "The aggregate status of the containers in this pod."),
    Column("Restarts", _RESTARTS),
    AGE,
    wide("IP", "=core.PodStatus.podIP"),
    wide("Node", "=core.PodSpec.nodeName"),
    wide("Nominated Node", "=core.PodStatus.nominatedNodeName"),
    wide("Readiness Gates", "=core.PodSpec.readinessGates"),
)


class _Summary:
    """What is read from the statuses of a pod's containers, one after another."""

    def __init__(self, obj: Obj) -> None:
        self.spec: Obj = obj.get("spec") or {}
        self.status: Obj = obj.get("status") or {}
        self.total = len(self.spec.get("containers") or ())
        self.ready = 0
        self.restarts = 0
        self.last_restart = ""
        self.reason: str = self.status.get("reason") or self.status.get("phase", "")
        for condition in self.status.get("conditions") or ():
            if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
                self.reason = "SchedulingGated"
        sidecar_restarts, sidecar_last = self._init_containers()
        if not self.initializing or self._is_true("Initialized"):
            self.restarts, self.last_restart = sidecar_restarts, sidecar_last
            self._containers()
        if obj["metadata"].get("deletionTimestamp"):
            if self.status.get("reason") == "NodeLost":
                self.reason = "Unknown"
            elif self.status.get("phase") not in ("Succeeded", "Failed"):
                self.reason = "Terminating"

    def _is_true(self, kind: str) -> bool:
        conditions = self.status.get("conditions") or ()
        return any(one.get("type") == kind and one.get("status") == "True" for one in conditions)

    def _init_containers(self) -> tuple[int, str]:
        """Where the pod's initialization stands. Returns the sidecars' restarts and the last one's time."""
        items = self.spec.get("initContainers") or ()
        sidecars = {item.get("name") for item in items if item.get("restartPolicy") == "Always"}
        self.total += len(sidecars)
        self.initializing = False
        restarts, last = 0, ""
        for index, one in enumerate(self.status.get("initContainerStatuses") or ()):
            self.restarts += one.get("restartCount", 0)
            self.last_restart = max(self.last_restart, _last_end(one))
            is_sidecar = one.get("name") in sidecars
            if is_sidecar:
                restarts += one.get("restartCount", 0)
                last = max(last, _last_end(one))
            state = one.get("state") or {}
            ended, waiting = state.get("terminated"), state.get("waiting")
            if ended is not None and not ended.get("exitCode"):
                continue
            if is_sidecar and one.get("started"):
                self.ready += bool(one.get("ready"))
                continue
            self.initializing = True
            if ended is not None:
                self.reason = "Init:" + _end(ended)
            elif waiting is not None and waiting.get("reason") not in (None, "", "PodInitializing"):
                self.reason = "Init:" + waiting["reason"]
            else:
                self.reason = f"Init:{index}/{len(items)}"
            break
        return restarts, last

    def _containers(self) -> None:
        running = False
        for one in reversed(self.status.get("containerStatuses") or ()):
            self.restarts += one.get("restartCount", 0)
            self.last_restart = max(self.last_restart, _last_end(one))
            state = one.get("state") or {}
            waiting, ended = state.get("waiting"), state.get("terminated")
            if waiting is not None and waiting.get("reason"):
                self.reason = waiting["reason"]
            elif ended is not None:
                self.reason = _end(ended)
            elif one.get("ready") and "running" in state:
                running = True
                self.ready += 1
        if self.reason == "Completed" and running:
            self.reason = "Running" if self._is_true("Ready") else "NotReady"


def _last_end(status: Obj) -> str:
    ended = (status.get("lastState") or {}).get("terminated") or {}
    return str(ended.get("finishedAt") or "")


def _end(ended: Obj) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    if ended.get("signal"):
        return f"Signal:{ended['signal']}"
    return f"ExitCode:{ended.get('exitCode', 0)}"


def _cells(obj: Obj, now: float) -> list[Any]:
    summary = _Summary(obj)
    restarts = str(summary.restarts)
    if summary.restarts and summary.last_restart:
        restarts = f"{restarts} ({duration_human(now - parse_rfc3339(summary.last_restart))} ago)"
    status, spec = summary.status, summary.spec
    addresses = status.get("podIPs") or ()
    address = addresses[0].get("ip") if addresses else status.get("podIP")
    return [
        obj["metadata"].get("name", ""),
        f"{summary.ready}/{summary.total}",
        summary.reason,
        restarts,
        age(obj, now),
        address or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _gates(spec, status),
    ]


def _gates(spec: Obj, status: Obj) -> str:
    gates = spec.get("readinessGates") or ()
    if not gates:
        return NONE
    true = {one.get("type") for one in status.get("conditions") or () if one.get("status") == "True"}
    return f"{sum(gate.get('conditionType') in true for gate in gates)}/{len(gates)}"


def _completed(reason: str, message: str) -> list[Obj]:
    return [{"type": "Completed", "status": "True", "reason": reason, "message": message}]


_FINISHED = {
    "Succeeded": _completed("Succeeded", "The pod has completed successfully."),
    "Failed": _completed("Failed", "The pod failed."),
}


def _conditions(obj: Obj) -> list[Obj]:
    return _FINISHED.get((obj.get("status") or {}).get("phase", ""), [])


POD = Printer(_COLUMNS, _cells, _conditions)
