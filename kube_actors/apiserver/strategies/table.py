"""What differs between kinds and is no code: one row a kind. Kinds that are not here have the defaults.

Recorded from Kubernetes 1.36: which kinds answer a deletion with the object, may be created by PUT, and refuse an
update without resourceVersion.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    answers_deleted_object: bool = False
    create_on_update: bool = False
    unconditional_update: bool = True
    # What a deletion without propagationPolicy does with dependents.
    default_propagation: str = "Background"


_OBJECT = Rules(answers_deleted_object=True)
_NEEDS_VERSION = Rules(unconditional_update=False)
_BY_PUT = Rules(create_on_update=True)

_RBAC, _STORAGE = "rbac.authorization.k8s.io", "storage.k8s.io"
_ADMISSION, _RESOURCE = "admissionregistration.k8s.io", "resource.k8s.io"

RULES: dict[tuple[str, str], Rules] = {
    ("", "Pod"): _OBJECT,
    ("", "Service"): Rules(answers_deleted_object=True, create_on_update=True),
    ("", "ServiceAccount"): _OBJECT,
    ("", "PersistentVolume"): _OBJECT,
    ("", "PersistentVolumeClaim"): _OBJECT,
    ("", "ReplicationController"): Rules(answers_deleted_object=True, default_propagation="Orphan"),
    ("", "PodTemplate"): _OBJECT,
    ("", "ResourceQuota"): _OBJECT,
    ("", "Namespace"): _OBJECT,
    ("", "Endpoints"): _BY_PUT,
    ("", "Event"): _BY_PUT,
    ("events.k8s.io", "Event"): _BY_PUT,
    ("", "LimitRange"): _BY_PUT,
    ("batch", "Job"): Rules(answers_deleted_object=True, unconditional_update=False, default_propagation="Orphan"),
    ("policy", "PodDisruptionBudget"): _NEEDS_VERSION,
    ("coordination.k8s.io", "Lease"): Rules(create_on_update=True, unconditional_update=False),
    ("node.k8s.io", "RuntimeClass"): Rules(create_on_update=True, unconditional_update=False),
    (_ADMISSION, "MutatingWebhookConfiguration"): _NEEDS_VERSION,
    (_ADMISSION, "ValidatingWebhookConfiguration"): _NEEDS_VERSION,
    (_ADMISSION, "ValidatingAdmissionPolicy"): _NEEDS_VERSION,
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): _NEEDS_VERSION,
    (_ADMISSION, "MutatingAdmissionPolicy"): _NEEDS_VERSION,
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): _NEEDS_VERSION,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _NEEDS_VERSION,
    ("apiregistration.k8s.io", "APIService"): _NEEDS_VERSION,
    (_STORAGE, "StorageClass"): _OBJECT,
    (_STORAGE, "CSIDriver"): Rules(answers_deleted_object=True, unconditional_update=False),
    (_STORAGE, "CSINode"): Rules(answers_deleted_object=True, unconditional_update=False),
    (_STORAGE, "VolumeAttachment"): Rules(answers_deleted_object=True, unconditional_update=False),
    (_STORAGE, "CSIStorageCapacity"): _NEEDS_VERSION,
    (_STORAGE, "VolumeAttributesClass"): _OBJECT,
    (_RESOURCE, "DeviceClass"): _OBJECT,
    (_RESOURCE, "ResourceClaim"): _OBJECT,
    (_RESOURCE, "ResourceClaimTemplate"): _OBJECT,
    (_RESOURCE, "ResourceSlice"): _OBJECT,
    (_RBAC, "Role"): _BY_PUT,
    (_RBAC, "RoleBinding"): _BY_PUT,
    (_RBAC, "ClusterRole"): _BY_PUT,
    (_RBAC, "ClusterRoleBinding"): _BY_PUT,
}
