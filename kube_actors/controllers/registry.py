"""The controllers that a manager runs, in the order in which they start."""

from __future__ import annotations

from kube_actors.controllers.attach_detach import AttachDetachController
from kube_actors.controllers.base import Controller
from kube_actors.controllers.bootstrap.cleaner import TokenCleaner
from kube_actors.controllers.bootstrap.signer import BootstrapSigner
from kube_actors.controllers.certificates.approver import CertificateApprover
from kube_actors.controllers.certificates.cleaner import CertificateCleaner
from kube_actors.controllers.certificates.signer import CertificateSigner
from kube_actors.controllers.cluster_role_aggregation import ClusterRoleAggregationController
from kube_actors.controllers.cronjob.controller import CronJobController
from kube_actors.controllers.daemonset.controller import DaemonSetController
from kube_actors.controllers.default_storage_classes import DefaultStorageClassesController
from kube_actors.controllers.deployment.controller import DeploymentController
from kube_actors.controllers.disruption.controller import DisruptionController
from kube_actors.controllers.disruption.stale import StaleDisruptionController
from kube_actors.controllers.endpoints.controller import EndpointsController
from kube_actors.controllers.endpoints.mirror_controller import EndpointSliceMirroringController
from kube_actors.controllers.endpoints.slice_controller import EndpointSliceController
from kube_actors.controllers.ephemeral_volume import EphemeralVolumeController
from kube_actors.controllers.flow_schemas import FlowSchemasController
from kube_actors.controllers.garbage_collector.controller import GarbageCollectorController
from kube_actors.controllers.job.controller import JobController
from kube_actors.controllers.job.orphans import JobOrphanController
from kube_actors.controllers.namespace.controller import NamespaceController
from kube_actors.controllers.node_ipam import NodeIpamController
from kube_actors.controllers.node_lifecycle.controller import NodeLifecycleController
from kube_actors.controllers.node_lifecycle.eviction_controller import TaintEvictionController
from kube_actors.controllers.node_ttl import NodeTTLController
from kube_actors.controllers.persistentvolume.controller import PersistentVolumeBinder
from kube_actors.controllers.persistentvolume.expander import PersistentVolumeExpander
from kube_actors.controllers.persistentvolume.protection import ClaimProtectionController, VolumeProtectionController
from kube_actors.controllers.persistentvolume.vac_protection import VolumeAttributesClassProtectionController
from kube_actors.controllers.pod_gc import PodGCController
from kube_actors.controllers.podautoscaler.controller import HorizontalPodAutoscalerController
from kube_actors.controllers.replicaset.controller import ReplicaSetController, ReplicationControllerController
from kube_actors.controllers.resource_quota import ResourceQuotaController
from kube_actors.controllers.root_ca import RootCAController
from kube_actors.controllers.service_account import ServiceAccountController
from kube_actors.controllers.service_account_tokens import ServiceAccountTokenController
from kube_actors.controllers.service_cidrs import ServiceCIDRsController
from kube_actors.controllers.statefulset.controller import StatefulSetController
from kube_actors.controllers.ttl_after_finished import TTLAfterFinishedController

CONTROLLERS: tuple[type[Controller], ...] = (
    ServiceAccountController,
    RootCAController,
    ClusterRoleAggregationController,
    ServiceAccountTokenController,
    CertificateApprover,
    CertificateSigner,
    CertificateCleaner,
    BootstrapSigner,
    TokenCleaner,
    DeploymentController,
    ReplicaSetController,
    ReplicationControllerController,
    StatefulSetController,
    DaemonSetController,
    JobController,
    JobOrphanController,
    CronJobController,
    TTLAfterFinishedController,
    DisruptionController,
    StaleDisruptionController,
    ResourceQuotaController,
    HorizontalPodAutoscalerController,
    DefaultStorageClassesController,
    PersistentVolumeBinder,
    PersistentVolumeExpander,
    ClaimProtectionController,
    VolumeProtectionController,
    VolumeAttributesClassProtectionController,
    EphemeralVolumeController,
    AttachDetachController,
    EndpointSliceController,
    EndpointSliceMirroringController,
    EndpointsController,
    ServiceCIDRsController,
    FlowSchemasController,
    NodeIpamController,
    NodeTTLController,
    NodeLifecycleController,
    TaintEvictionController,
    NamespaceController,
    PodGCController,
    GarbageCollectorController,
)
