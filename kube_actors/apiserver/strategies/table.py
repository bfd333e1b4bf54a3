"""What differs between kinds and is no code: one row a kind. Kinds that are not here have the defaults.

Recorded from Kubernetes 1.36: which kinds count generations, answer a deletion with the object, may be created by
PUT, and refuse an update without resourceVersion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Rules:
    # A change of these fields makes a new generation; None: the kind does not count generations.
    generation_of: tuple[str, ...] | None = None
    answers_deleted_object: bool = False
    create_on_update: bool = False
    unconditional_update: bool = True
    # What a deletion without propagationPolicy does with dependents.
    default_propagation: str = "Background"


_SPEC = Rules(generation_of=("spec",))
_OBJECT = Rules(answers_deleted_object=True)
_NEEDS_VERSION = Rules(unconditional_update=False)
_BY_PUT = Rules(create_on_update=True)

_RBAC, _NET, _STORAGE = "rbac.authorization.k8s.io", "networking.k8s.io", "storage.k8s.io"
_ADMISSION, _RESOURCE, _FLOW = "admissionregistration.k8s.io", "resource.k8s.io", "flowcontrol.apiserver.k8s.io"

RULES: dict[tuple[str, str], Rules] = {
    ("", "Pod"): replace(_SPEC, answers_deleted_object=True),
    ("", "Service"): Rules(answers_deleted_object=True, create_on_update=True),
    ("", "ServiceAccount"): _OBJECT,
    ("", "PersistentVolume"): _OBJECT,
    ("", "PersistentVolumeClaim"): _OBJECT,
    ("", "ReplicationController"): replace(_SPEC, answers_deleted_object=True, default_propagation="Orphan"),
    ("", "PodTemplate"): Rules(generation_of=("template",), answers_deleted_object=True),
    ("", "ResourceQuota"): _OBJECT,
    ("", "Namespace"): _OBJECT,
    ("", "Endpoints"): _BY_PUT,
    ("", "Event"): _BY_PUT,
    ("events.k8s.io", "Event"): _BY_PUT,
    ("", "LimitRange"): _BY_PUT,
    ("apps", "Deployment"): _SPEC,
    ("apps", "ReplicaSet"): _SPEC,
    ("apps", "StatefulSet"): _SPEC,
    ("apps", "DaemonSet"): _SPEC,
    ("batch", "Job"): replace(
        _SPEC, answers_deleted_object=True, unconditional_update=False, default_propagation="Orphan"
    ),
    ("batch", "CronJob"): _SPEC,
    ("policy", "PodDisruptionBudget"): replace(_SPEC, unconditional_update=False),
    ("coordination.k8s.io", "Lease"): Rules(create_on_update=True, unconditional_update=False),
    ("node.k8s.io", "RuntimeClass"): Rules(create_on_update=True, unconditional_update=False),
    ("discovery.k8s.io", "EndpointSlice"): Rules(generation_of=("endpoints", "ports", "addressType")),
    (_NET, "Ingress"): _SPEC,
    (_NET, "NetworkPolicy"): _SPEC,
    (_NET, "IngressClass"): _SPEC,
    ("scheduling.k8s.io", "PriorityClass"): Rules(generation_of=()),
    (_ADMISSION, "MutatingWebhookConfiguration"): Rules(generation_of=("webhooks",), unconditional_update=False),
    (_ADMISSION, "ValidatingWebhookConfiguration"): Rules(generation_of=("webhooks",), unconditional_update=False),
    (_ADMISSION, "ValidatingAdmissionPolicy"): replace(_SPEC, unconditional_update=False),
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): replace(_SPEC, unconditional_update=False),
    (_ADMISSION, "MutatingAdmissionPolicy"): replace(_SPEC, unconditional_update=False),
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): replace(_SPEC, unconditional_update=False),
    (_FLOW, "FlowSchema"): _SPEC,
    (_FLOW, "PriorityLevelConfiguration"): _SPEC,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): replace(_SPEC, unconditional_update=False),
    ("apiregistration.k8s.io", "APIService"): Rules(unconditional_update=False),
    (_STORAGE, "StorageClass"): _OBJECT,
    (_STORAGE, "CSIDriver"): Rules(answers_deleted_object=True, unconditional_update=False),
    (_STORAGE, "CSINode"): Rules(answers_deleted_object=True, unconditional_update=False),
    (_STORAGE, "VolumeAttachment"): Rules(answers_deleted_object=True, unconditional_update=False),
    (_STORAGE, "CSIStorageCapacity"): _NEEDS_VERSION,
    (_STORAGE, "VolumeAttributesClass"): _OBJECT,
    (_RESOURCE, "DeviceClass"): replace(_SPEC, answers_deleted_object=True),
    (_RESOURCE, "ResourceClaim"): _OBJECT,
    (_RESOURCE, "ResourceClaimTemplate"): _OBJECT,
    (_RESOURCE, "ResourceSlice"): replace(_SPEC, answers_deleted_object=True),
    (_RBAC, "Role"): _BY_PUT,
    (_RBAC, "RoleBinding"): _BY_PUT,
    (_RBAC, "ClusterRole"): _BY_PUT,
    (_RBAC, "ClusterRoleBinding"): _BY_PUT,
}
