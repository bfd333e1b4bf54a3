"""PersistentVolume: storage of the cluster."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.defaults.pods import SOURCES
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import persistent_volumes
from kube_actors.api.validation.rules import Rules


def _defaults(obj: Obj) -> None:
    spec = obj["spec"]
    obj.setdefault("status", {}).setdefault("phase", "Pending")
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    for name in spec:
        if name in SOURCES:
            SOURCES[name](spec[name])


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": obj["metadata"].get("creationTimestamp")}


KIND = Kind(
    rules=Rules(create=persistent_volumes.volume, update=persistent_volumes.volume_update),
    rest=RestRules(answers_deleted_object=True),
    defaults=_defaults,
    prepare_create=_prepare_create,
)
