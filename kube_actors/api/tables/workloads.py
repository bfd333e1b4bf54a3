"""How the apps and batch groups are printed."""

from __future__ import annotations

from typing import Any

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.tables.cells import CONTAINERS, IMAGES, NONE, containers, labels, name_of, selector, wide
from kube_actors.api.tables.durations import duration_human
from kube_actors.api.tables.engine import AGE, NAME, Column, Printer, age, since

_READY = Column("Ready", "Number of the pod with ready state")


def _parts(obj: Obj) -> tuple[Obj, Obj]:
    return obj.get("spec") or {}, obj.get("status") or {}


def _deployment(obj: Obj, now: float) -> list[Any]:
    spec, status = _parts(obj)
    return [
        name_of(obj),
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        age(obj, now),
        *containers(spec.get("template")),
        selector(spec.get("selector")),
    ]


def _replica_set(obj: Obj, now: float) -> list[Any]:
    spec, status = _parts(obj)
    return [
        name_of(obj),
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age(obj, now),
        *containers(spec.get("template")),
        selector(spec.get("selector")),
    ]


def _stateful_set(obj: Obj, now: float) -> list[Any]:
    spec, status = _parts(obj)
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    return [name_of(obj), ready, age(obj, now), *containers(spec.get("template"))]


def _daemon_set(obj: Obj, now: float) -> list[Any]:
    spec, status = _parts(obj)
    counts = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled")
    return [
        name_of(obj),
        *(status.get(count, 0) for count in counts),
        status.get("numberAvailable", 0),
        labels(((spec.get("template") or {}).get("spec") or {}).get("nodeSelector")),
        age(obj, now),
        *containers(spec.get("template")),
        selector(spec.get("selector")),
    ]


def _revision(obj: Obj, now: float) -> list[Any]:
    owners = obj["metadata"].get("ownerReferences") or ()
    controller = next((owner for owner in owners if owner.get("controller")), None)
    shown = NONE
    if controller is not None:
        group = controller.get("apiVersion", "").rpartition("/")[0]
        kind = controller.get("kind", "").lower()
        shown = f"{kind}.{group}/{controller.get('name')}" if group else f"{kind}/{controller.get('name')}"
    return [name_of(obj), shown, obj.get("revision", 0), age(obj, now)]


_JOB_STATES = ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet")


def _job(obj: Obj, now: float) -> list[Any]:
    spec, status = _parts(obj)
    succeeded, parallelism = status.get("succeeded", 0), spec.get("parallelism", 0)
    if "completions" in spec:
        completions = f"{succeeded}/{spec['completions']}"
    else:
        completions = f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"
    return [
        name_of(obj),
        _job_status(obj, status),
        completions,
        _job_duration(status, now),
        age(obj, now),
        *containers(spec.get("template")),
        selector(spec.get("selector")),
    ]


def _job_status(obj: Obj, status: Obj) -> str:
    true = {one.get("type") for one in status.get("conditions") or () if one.get("status") == "True"}
    for state in ("Complete", "Failed"):
        if state in true:
            return state
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((state for state in _JOB_STATES[2:] if state in true), "Running")


def _job_duration(status: Obj, now: float) -> str:
    start, end = status.get("startTime"), status.get("completionTime")
    if not start:
        return ""
    return duration_human((parse_rfc3339(end) if end else now) - parse_rfc3339(start))


def _cron_job(obj: Obj, now: float) -> list[Any]:
    spec, status = _parts(obj)
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    last = status.get("lastScheduleTime")
    return [
        name_of(obj),
        spec.get("schedule", ""),
        spec.get("timeZone", NONE),
        "True" if spec.get("suspend") else "False",
        len(status.get("active") or ()),
        since(last, now) if last else NONE,
        age(obj, now),
        *containers(job.get("template")),
        selector(job["selector"]) if "selector" in job else NONE,
    ]


def _integer(name: str, description: str) -> Column:
    return Column(name, description, "integer")


PRINTERS = {
    "ControllerRevision": Printer(
        (
            NAME,
            Column("Controller", "Controller of the object"),
            Column("Revision", "=apps.ControllerRevision.revision"),
            AGE,
        ),
        _revision,
    ),
    "CronJob": Printer(
        (
            NAME,
            Column("Schedule", "=batch.CronJobSpec.schedule"),
            Column("Timezone", "=batch.CronJobSpec.timeZone"),
            Column("Suspend", "=batch.CronJobSpec.suspend", "boolean"),
            _integer("Active", "=batch.CronJobStatus.active"),
            Column("Last Schedule", "=batch.CronJobStatus.lastScheduleTime"),
            AGE,
            CONTAINERS,
            IMAGES,
            wide("Selector", "=batch.JobSpec.selector"),
        ),
        _cron_job,
    ),
    "DaemonSet": Printer(
        (
            NAME,
            _integer("Desired", "=apps.DaemonSetStatus.desiredNumberScheduled"),
            _integer("Current", "=apps.DaemonSetStatus.currentNumberScheduled"),
            _integer("Ready", "=apps.DaemonSetStatus.numberReady"),
            _integer("Up-to-date", "=apps.DaemonSetStatus.updatedNumberScheduled"),
            _integer("Available", "=apps.DaemonSetStatus.numberAvailable"),
            Column("Node Selector", "=core.PodSpec.nodeSelector"),
            AGE,
            CONTAINERS,
            IMAGES,
            wide("Selector", "=apps.DaemonSetSpec.selector"),
        ),
        _daemon_set,
    ),
    "Deployment": Printer(
        (
            NAME,
            _READY,
            Column("Up-to-date", "=apps.DeploymentStatus.updatedReplicas"),
            Column("Available", "=apps.DeploymentStatus.availableReplicas"),
            AGE,
            CONTAINERS,
            IMAGES,
            wide("Selector", "=apps.DeploymentSpec.selector"),
        ),
        _deployment,
    ),
    "Job": Printer(
        (
            NAME,
            Column("Status", "Status of the job."),
            Column("Completions", "=batch.JobStatus.succeeded"),
            Column("Duration", "Time required to complete the job."),
            AGE,
            CONTAINERS,
            IMAGES,
            wide("Selector", "=batch.JobSpec.selector"),
        ),
        _job,
    ),
    "ReplicaSet": Printer(
        (
            NAME,
            _integer("Desired", "=apps.ReplicaSetSpec.replicas"),
            _integer("Current", "=apps.ReplicaSetStatus.replicas"),
            _integer("Ready", "=apps.ReplicaSetStatus.readyReplicas"),
            AGE,
            CONTAINERS,
            IMAGES,
            wide("Selector", "=apps.ReplicaSetSpec.selector"),
        ),
        _replica_set,
    ),
    "StatefulSet": Printer((NAME, _READY, AGE, CONTAINERS, IMAGES), _stateful_set),
}
