"""The plugins of kube-apiserver, in its order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from kube_actors.aio.clock import Clock
from kube_actors.api.resources import Registry
from kube_actors.apiserver.admission.always_pull_images import AlwaysPullImages
from kube_actors.apiserver.admission.certificate_approval import CertificateApproval
from kube_actors.apiserver.admission.certificate_signing import CertificateSigning
from kube_actors.apiserver.admission.certificate_subject_restriction import CertificateSubjectRestriction
from kube_actors.apiserver.admission.chain import Lookup, Plugin
from kube_actors.apiserver.admission.default_ingress_class import DefaultIngressClass
from kube_actors.apiserver.admission.default_storage_class import DefaultStorageClass
from kube_actors.apiserver.admission.default_toleration_seconds import DefaultTolerationSeconds
from kube_actors.apiserver.admission.deprecations import Deprecations
from kube_actors.apiserver.admission.limit_ranger import LimitRanger
from kube_actors.apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from kube_actors.apiserver.admission.node_restriction import NodeRestriction
from kube_actors.apiserver.admission.owner_references_permission_enforcement import (
    OwnerReferencesPermissionEnforcement,
)
from kube_actors.apiserver.admission.persistent_volume_claim_resize import PersistentVolumeClaimResize
from kube_actors.apiserver.admission.pod_security import PodSecurity
from kube_actors.apiserver.admission.pod_topology_labels import PodTopologyLabels
from kube_actors.apiserver.admission.policy.evaluation import Sources as PolicySources
from kube_actors.apiserver.admission.policy.mutating import MutatingAdmissionPolicy
from kube_actors.apiserver.admission.policy.validating import ValidatingAdmissionPolicy
from kube_actors.apiserver.admission.priority import Priority
from kube_actors.apiserver.admission.quota_ledger import QuotaLedger
from kube_actors.apiserver.admission.resource_quota import ResourceQuota
from kube_actors.apiserver.admission.runtime_class import RuntimeClass
from kube_actors.apiserver.admission.service_account import ServiceAccount
from kube_actors.apiserver.admission.storage_object_in_use_protection import StorageObjectInUseProtection
from kube_actors.apiserver.admission.taint_nodes_by_condition import TaintNodesByCondition
from kube_actors.apiserver.admission.webhook.calling import Caller
from kube_actors.apiserver.admission.webhook.hooks import MUTATING, VALIDATING, Hooks
from kube_actors.apiserver.admission.webhook.mutating import MutatingAdmissionWebhook
from kube_actors.apiserver.admission.webhook.validating import ValidatingAdmissionWebhook
from kube_actors.apiserver.authz import Authorizer
from kube_actors.apiserver.authz.escalation import Escalation
from kube_actors.apiserver.authz.rbac import Rbac
from kube_actors.apiserver.config import OPTIONAL_ADMISSION
from kube_actors.apiserver.custom.conversion import Conversions
from kube_actors.apiserver.webhooks.client import WebhookClient


@dataclass(frozen=True, slots=True)
class Sources:
    """What plugins ask."""

    lookup: Lookup
    authorizer: Authorizer
    rbac: Rbac
    ledger: QuotaLedger
    clock: Clock
    webhooks: WebhookClient
    resources: Registry
    conversions: Conversions


def plugins(sources: Sources, enabled: Collection[str] = ()) -> list[Plugin]:
    """The default plugins and the enabled ones of OPTIONAL_ADMISSION, in the order in which requests meet them."""
    lookup, authorizer = sources.lookup, sources.authorizer
    caller = Caller(lookup, sources.webhooks, authorizer, sources.conversions)
    policies = PolicySources(lookup, authorizer, sources.resources, sources.conversions)
    every = [
        NamespaceLifecycle(lookup),
        LimitRanger(lookup),
        ServiceAccount(lookup),
        NodeRestriction(lookup),
        TaintNodesByCondition(),
        AlwaysPullImages(),
        PodSecurity(lookup),
        Priority(lookup),
        DefaultTolerationSeconds(),
        DefaultStorageClass(lookup),
        StorageObjectInUseProtection(),
        OwnerReferencesPermissionEnforcement(authorizer, sources.resources),
        PersistentVolumeClaimResize(lookup),
        RuntimeClass(lookup),
        CertificateApproval(authorizer),
        CertificateSigning(authorizer),
        CertificateSubjectRestriction(),
        DefaultIngressClass(lookup),
        PodTopologyLabels(lookup),
        MutatingAdmissionPolicy(lookup, policies),
        MutatingAdmissionWebhook(Hooks(lookup, MUTATING), caller),
        ValidatingAdmissionPolicy(lookup, policies),
        Deprecations(),
        ValidatingAdmissionWebhook(Hooks(lookup, VALIDATING), caller),
        ResourceQuota(sources.ledger, sources.clock),
        # Not a plugin of Kubernetes', but of the registry of roles: it has to see what all others made of the object.
        Escalation(sources.rbac, authorizer),
    ]
    left_out = set(OPTIONAL_ADMISSION) - set(enabled)
    return [one for one in every if type(one).__name__ not in left_out]
