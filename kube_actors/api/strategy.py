"""What each kind does to an object on its way in: what a client may not set, when the generation grows.

    create   defaults -> admission -> prepare_create -> validate_create
    update   defaults -> admission -> prepare_update -> validate_update
    status   defaults -> admission -> prepare_status -> validate_status_update

They change the new object in place and leave the old one alone, as the strategies of Kubernetes' registries do.
What needs the store or the clock (cluster IPs, uids, times) is the server's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_actors.api import Obj, kinds, schema
from kube_actors.api.meta import get_path
from kube_actors.api.normal import normalizer
from kube_actors.api.pods import qos_class
from kube_actors.api.resources import Resource
from kube_actors.api.service_families import settle

# Kinds whose generation the server counts, and the parts of the object whose change counts.
_COUNTED: dict[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "ReplicationController": ("spec",),
    "PodTemplate": ("template",),
    "Deployment": ("spec",),
    "ReplicaSet": ("spec",),
    "StatefulSet": ("spec",),
    "DaemonSet": ("spec",),
    "Job": ("spec",),
    "CronJob": ("spec",),
}
# Kinds that keep a status given on create.
_KEEP_STATUS = frozenset(("Node", "APIService"))
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def counts_generation(resource: Resource) -> bool:
    """Whether metadata.generation is the server's; other kinds keep what a client gives."""
    return resource.custom or _counted(resource) is not None


def _counted(resource: Resource) -> tuple[str, ...] | None:
    kind = kinds.find(resource)
    return _COUNTED.get(resource.kind) if kind is None else kind.counted


def prepare_create(resource: Resource, obj: Obj) -> None:
    """Reset what a client may not give: the status, the generation of kinds that count it."""
    metadata = obj["metadata"]
    if "status" in resource.subresources and resource.kind not in _KEEP_STATUS:
        _reset_status(resource, obj)
    if counts_generation(resource):
        metadata["generation"] = 1
    prepare = kinds.of(resource).prepare_create or _CREATE.get((resource.group, resource.kind))
    if prepare is not None:
        prepare(obj)


def _reset_status(resource: Resource, obj: Obj) -> None:
    obj.pop("status", None)
    if resource.custom:
        return
    zero = normalizer(schema.of(resource))({}, [])
    if "status" in zero:
        obj["status"] = zero["status"]


def prepare_update(resource: Resource, new: Obj, old: Obj) -> None:
    """Keep the status of `old`, and count a change in metadata.generation."""
    if "status" in resource.subresources:
        take(new, old, "status")
    take(new["metadata"], old["metadata"], "creationTimestamp")
    prepare = kinds.of(resource).prepare_update or _UPDATE.get((resource.group, resource.kind))
    if prepare is not None:
        prepare(new, old)
    if counts_generation(resource):
        generation = old["metadata"].get("generation", 0)
        generation += is_counted_change(resource, new, old)
        if generation:
            new["metadata"]["generation"] = generation


def is_counted_change(resource: Resource, new: Obj, old: Obj) -> bool:
    """Whether the change from `old` to `new` grows the generation."""
    if resource.custom:
        apart = ("metadata", "status") if "status" in resource.subresources else ("metadata",)
        rest = [{key: value for key, value in obj.items() if key not in apart} for obj in (new, old)]
        return rest[0] != rest[1]
    for part in _counted(resource) or ():
        path = part.split(".")
        if get_path(new, *path) != get_path(old, *path):
            return True
    if resource.kind == "Deployment":
        return bool(new["metadata"].get("annotations") != old["metadata"].get("annotations"))
    return False


def prepare_status(resource: Resource, new: Obj, old: Obj) -> None:
    """Keep everything of `old` but the status and the metadata; the generation does not grow."""
    for part in {*new, *old} - {"status", "metadata", "kind", "apiVersion"}:
        take(new, old, part)
    if resource.custom:
        kept = {key: new["metadata"][key] for key in ("managedFields", "resourceVersion") if key in new["metadata"]}
        new["metadata"] = {**old["metadata"], **kept}
        return
    if resource.kind in _STATUS_KEEPS_LABELS:
        take(new["metadata"], old["metadata"], "labels")
    for field in ("generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        take(new["metadata"], old["metadata"], field)
    if resource.kind == "Pod":
        take(new["metadata"], old["metadata"], "ownerReferences")
    kind = kinds.of(resource)
    if not kind.status_takes_metadata:
        for field in ("labels", "annotations", "finalizers", "ownerReferences"):
            take(new["metadata"], old["metadata"], field)
    if kind.prepare_status is not None:
        kind.prepare_status(new, old)


# Kinds whose status subresource does not take labels.
_STATUS_KEEPS_LABELS = frozenset(("Deployment",))


def take(new: Obj, old: Obj, field: str) -> None:
    """Give `new` what `old` has in `field`, nothing included."""
    if field in old:
        new[field] = old[field]
    else:
        new.pop(field, None)


def _create_pod(obj: Obj) -> None:
    _apparmor(obj)
    _drop_disabled(obj["spec"])
    obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}
    if obj["spec"].get("schedulingGates"):
        obj["status"]["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
                "lastProbeTime": None,
                "lastTransitionTime": obj["metadata"].get("creationTimestamp"),
            }
        ]


def _drop_disabled(spec: Obj) -> None:
    """Fields whose features are off by default, and a grace period that cannot be."""
    for volume in spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            source.pop("podCertificate", None)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1


_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_APPARMOR_TYPES = {"runtime/default": "RuntimeDefault", "unconfined": "Unconfined"}


def _apparmor(obj: Obj) -> None:
    """AppArmor profiles given by the old annotations become fields."""
    for key, profile in (obj["metadata"].get("annotations") or {}).items():
        if not key.startswith(_APPARMOR):
            continue
        name = key[len(_APPARMOR) :]
        if profile.startswith("localhost/"):
            value = {"type": "Localhost", "localhostProfile": profile[len("localhost/") :]}
        elif profile in _APPARMOR_TYPES:
            value = {"type": _APPARMOR_TYPES[profile]}
        else:
            continue
        spec = obj["spec"]
        for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
            if container.get("name") == name:
                container.setdefault("securityContext", {}).setdefault("appArmorProfile", value)


def _update_pod(new: Obj, old: Obj) -> None:
    # The class is a function of the spec, and kept: requests may change through resize only within it.
    new["status"] = old["status"]


def _update_secret(new: Obj, old: Obj) -> None:
    new["type"] = new.get("type") or old.get("type", "")


def _create_service(obj: Obj) -> None:
    spec = obj["spec"]
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    settle(spec, {})
    obj["status"] = {"loadBalancer": {}}


def _create_node(obj: Obj) -> None:
    obj["spec"].pop("configSource", None)


def _update_node(new: Obj, old: Obj) -> None:
    if "configSource" not in old["spec"]:
        new["spec"].pop("configSource", None)


def _create_daemon_set(obj: Obj) -> None:
    annotations = obj["metadata"].setdefault("annotations", {})
    annotations[TEMPLATE_GENERATION] = "1"


def _update_daemon_set(new: Obj, old: Obj) -> None:
    before = int((old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "0"))
    grown = get_path(new, "spec", "template") != get_path(old, "spec", "template")
    new["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = str(before + grown)


_DATA_SOURCES = (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))


def _claim_sources(obj: Obj) -> None:
    """dataSource and dataSourceRef say the same where one is given."""
    spec = obj["spec"]
    if (spec.get("dataSourceRef") or {}).get("namespace"):  # sources of other namespaces are off by default
        del spec["dataSourceRef"]
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source and not reference and (source.get("apiGroup") or "", source.get("kind")) not in _DATA_SOURCES:
        source = None
        del spec["dataSource"]
    if source and not reference:
        spec["dataSourceRef"] = dict(source)
    elif reference and not source and not reference.get("namespace"):
        spec["dataSource"] = {key: value for key, value in reference.items() if key != "namespace"}


def _create_claim(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending"}
    _claim_sources(obj)


def _create_volume(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": obj["metadata"].get("creationTimestamp")}


def _create_job(obj: Obj) -> None:
    """The selector and the labels by which a Job finds its pods, unless it brings its own."""
    spec, uid, name = obj["spec"], obj["metadata"].get("uid", ""), obj["metadata"].get("name", "")
    if spec.get("manualSelector"):
        return
    labels = spec.setdefault("template", {}).setdefault("metadata", {}).setdefault("labels", {})
    marks = {
        "controller-uid": uid,
        "job-name": name,
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
    }
    for key, value in marks.items():
        labels.setdefault(key, value)
    if not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)
    selector = spec.setdefault("selector", {})
    selector.setdefault("matchLabels", {}).setdefault("batch.kubernetes.io/controller-uid", uid)


_CREATE: dict[tuple[str, str], Callable[[Obj], Any]] = {
    ("", "Pod"): _create_pod,
    ("", "Service"): _create_service,
    ("", "PersistentVolume"): _create_volume,
    ("", "PersistentVolumeClaim"): _create_claim,
    ("apps", "DaemonSet"): _create_daemon_set,
    ("", "Node"): _create_node,
    ("batch", "Job"): _create_job,
}
_UPDATE: dict[tuple[str, str], Callable[[Obj, Obj], Any]] = {
    ("", "Pod"): _update_pod,
    ("", "Secret"): _update_secret,
    ("apps", "DaemonSet"): _update_daemon_set,
    ("", "Node"): _update_node,
}
