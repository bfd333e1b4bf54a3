"""What differs between kinds of the core and batch groups and is no code: one row a kind. Other kinds have their
rules in files of their own (`kube_actors.api.kinds`), or the defaults.

Recorded from Kubernetes 1.36: which kinds answer a deletion with the object, may be created by PUT, and refuse an
update without resourceVersion.
"""

from __future__ import annotations

from kube_actors.api.kinds.kind import RestRules

_OBJECT = RestRules(answers_deleted_object=True)
_NEEDS_VERSION = RestRules(unconditional_update=False)
_BY_PUT = RestRules(create_on_update=True)

RULES: dict[tuple[str, str], RestRules] = {
    ("", "Pod"): _OBJECT,
    ("", "Service"): RestRules(answers_deleted_object=True, create_on_update=True),
    ("", "ServiceAccount"): _OBJECT,
    ("", "PersistentVolume"): _OBJECT,
    ("", "PersistentVolumeClaim"): _OBJECT,
    ("", "ReplicationController"): RestRules(answers_deleted_object=True, default_propagation="Orphan"),
    ("", "PodTemplate"): _OBJECT,
    ("", "ResourceQuota"): _OBJECT,
    ("", "Endpoints"): _BY_PUT,
    ("", "Event"): _BY_PUT,
    ("events.k8s.io", "Event"): _BY_PUT,
    ("", "LimitRange"): _BY_PUT,
    ("batch", "Job"): RestRules(default_propagation="Orphan"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _NEEDS_VERSION,
}
