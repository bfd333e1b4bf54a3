"""What the published schema does not say about Kubernetes' Go types, and what its answers show.

A Go field that is no pointer loses an empty value when it is encoded (`hostNetwork: false` is left out), a pointer
keeps it (`automountServiceAccountToken: false` stays); a struct that is no pointer is always there
(`resources: {}`); some fields are encoded even when empty. Keys are `group.Definition`, with the first label of
the group; fields that several definitions share stand under `*`.
"""

from __future__ import annotations

from kube_actors.api.schema import SchemaNode


def _read(text: str) -> dict[str, frozenset[str]]:
    rows = (line.split(": ", 1) for line in text.strip().splitlines())
    return {name: frozenset(fields.split()) for name, fields in rows}


# Booleans and integers that are no pointers: left out when false or 0.
_PLAIN_SCALARS = _read("""
*: readOnly stdin stdinOnce tty chapAuthDiscovery chapAuthSession hostIPC hostNetwork hostPID sslEnabled minReadySeconds
apiextensions.CustomResourceColumnDefinition: priority
apiextensions.CustomResourceDefinitionCondition: observedGeneration
apiextensions.CustomResourceDefinitionSpec: preserveUnknownFields
apiextensions.CustomResourceDefinitionStatus: observedGeneration
apiextensions.CustomResourceDefinitionVersion: deprecated
apiextensions.JSONSchemaProps: exclusiveMaximum exclusiveMinimum nullable uniqueItems x-kubernetes-embedded-resource \
x-kubernetes-int-or-string
apiregistration.APIServiceSpec: insecureSkipTLSVerify
admissionregistration.ValidatingAdmissionPolicyStatus: observedGeneration
apps.DaemonSetStatus: numberAvailable numberUnavailable observedGeneration updatedNumberScheduled
apps.DeploymentSpec: paused
apps.DeploymentStatus: availableReplicas observedGeneration readyReplicas replicas unavailableReplicas updatedReplicas
apps.ReplicaSetStatus: availableReplicas fullyLabeledReplicas observedGeneration readyReplicas
apps.StatefulSetStatus: currentReplicas observedGeneration readyReplicas updatedReplicas
authentication.TokenReviewStatus: authenticated
authorization.SubjectAccessReviewStatus: denied
autoscaling.HorizontalPodAutoscalerStatus: currentReplicas
batch.JobStatus: active failed succeeded
core.AWSElasticBlockStoreVolumeSource: partition
core.ContainerImage: sizeBytes
core.ContainerPort: hostPort
core.ContainerStateTerminated: signal
core.Event: count
core.EventSeries: count
core.GCEPersistentDiskVolumeSource: partition
core.NodeSpec: unschedulable
core.PodCondition: observedGeneration
core.PodStatus: observedGeneration
core.Probe: failureThreshold initialDelaySeconds periodSeconds successThreshold timeoutSeconds
core.ReplicationControllerStatus: availableReplicas fullyLabeledReplicas observedGeneration readyReplicas
core.ServicePort: nodePort
core.ServiceSpec: healthCheckNodePort publishNotReadyAddresses
events.Event: deprecatedCount
flowcontrol.ResourcePolicyRule: clusterScope
meta.Condition: observedGeneration
meta.ObjectMeta: generation
networking.ServiceBackendPort: number
policy.PodDisruptionBudgetStatus: observedGeneration
resource.DeviceSubRequest: count
resource.ExactDeviceRequest: count
scheduling.PriorityClass: globalDefault
""".replace("\\\n", ""))  # fmt: skip

# The exceptions to `*` above: pointers after all.
_POINTER_SCALARS = _read("""
core.AzureDiskVolumeSource: readOnly
core.CSIVolumeSource: readOnly
""")

# Strings that are pointers: kept when empty.
_POINTER_STRINGS = _read("""
*: runtimeClassName preemptionPolicy volumeMode volumeAttributesClassName procMount localhostProfile \
fsGroupChangePolicy seLinuxChangePolicy \
supplementalGroupsPolicy appProtocol ipMode recursiveReadOnly mountPropagation stopSignal \
matchPolicy failurePolicy sideEffects reinvocationPolicy reclaimPolicy volumeBindingMode unhealthyPodEvictionPolicy
admissionregistration.ParamRef: parameterNotFoundAction
admissionregistration.Rule: scope
admissionregistration.RuleWithOperations: scope
admissionregistration.NamedRuleWithOperations: scope
admissionregistration.ServiceReference: path
admissionregistration.Validation: reason
admissionregistration.WebhookClientConfig: url
apiextensions.CustomResourceDefinitionVersion: deprecationWarning
apiextensions.CustomResourceSubresourceScale: labelSelectorPath
apiextensions.JSONSchemaProps: $ref x-kubernetes-list-type x-kubernetes-map-type
apiextensions.ServiceReference: path
apiextensions.ValidationRule: reason
apiextensions.WebhookClientConfig: url
autoscaling.HPAScalingRules: selectPolicy
batch.CronJobSpec: timeZone
batch.JobSpec: completionMode managedBy podReplacementPolicy
batch.JobStatus: failedIndexes
batch.PodFailurePolicyOnExitCodesRequirement: containerName
batch.SuccessPolicyRule: succeededIndexes
coordination.LeaseSpec: holderIdentity preferredHolder strategy
core.AzureDiskVolumeSource: cachingMode fsType kind
core.AzureFilePersistentVolumeSource: secretNamespace
core.CSIVolumeSource: fsType
core.ClusterTrustBundleProjection: name signerName
core.Container: restartPolicy
core.EphemeralContainer: restartPolicy
core.EndpointAddress: nodeName
core.GRPCAction: service
core.GlusterfsPersistentVolumeSource: endpointsNamespace
core.HostPathVolumeSource: type
core.ISCSIPersistentVolumeSource: initiatorName
core.ISCSIVolumeSource: initiatorName
core.PersistentVolumeClaimSpec: storageClassName
core.PersistentVolumeClaimStatus: currentVolumeAttributesClassName
core.PodDNSConfigOption: value
core.PodResourceClaim: resourceClaimName resourceClaimTemplateName
core.PodResourceClaimStatus: resourceClaimName
core.PodSpec: hostnameOverride
core.PortStatus: error
core.ServiceSpec: internalTrafficPolicy ipFamilyPolicy loadBalancerClass trafficDistribution
core.TopologySpreadConstraint: nodeAffinityPolicy nodeTaintsPolicy
core.TypedLocalObjectReference: apiGroup
core.TypedObjectReference: apiGroup namespace
core.WindowsSecurityContextOptions: gmsaCredentialSpec gmsaCredentialSpecName runAsUserName
discovery.Endpoint: hostname nodeName zone
discovery.EndpointPort: name protocol
networking.HTTPIngressPath: pathType
networking.IngressClassParametersReference: apiGroup namespace scope
networking.IngressPortStatus: error
networking.IngressSpec: ingressClassName
networking.NetworkPolicyPort: protocol
resource.Device: nodeName
resource.DeviceAttribute: string version
resource.OpaqueDeviceConfiguration:
resource.ResourceSliceSpec: nodeName
storage.CSIDriverSpec: fsGroupPolicy
storage.VolumeAttachmentSource: persistentVolumeName
""".replace("\\\n", "").replace("OpaqueDeviceConfiguration:\n", "OpaqueDeviceConfiguration: -\n"))  # fmt: skip

# Optional structs that are no pointers: always there, at least as {}.
_PLAIN_STRUCTS = _read("""
*: metadata
admissionregistration.MutatingAdmissionPolicy: spec
admissionregistration.MutatingAdmissionPolicyBinding: spec
admissionregistration.ValidatingAdmissionPolicy: spec status
apiextensions.CustomResourceDefinition: status
apiextensions.CustomResourceDefinitionStatus: acceptedNames
apiregistration.APIService: spec status
apps.DaemonSet: spec status
apps.DaemonSetSpec: updateStrategy
apps.Deployment: spec status
apps.DeploymentSpec: strategy
apps.ReplicaSet: spec status
apps.ReplicaSetSpec: template
apps.StatefulSet: spec status
apps.StatefulSetSpec: updateStrategy
authentication.SelfSubjectReview: status
authentication.SelfSubjectReviewStatus: userInfo
authentication.TokenReview: status
authentication.TokenReviewStatus: user
authorization.LocalSubjectAccessReview: status
authorization.SelfSubjectAccessReview: status
authorization.SelfSubjectRulesReview: status
authorization.SubjectAccessReview: status
autoscaling.HorizontalPodAutoscaler: status
batch.CronJob: status
batch.Job: spec status
batch.JobTemplateSpec: spec
certificates.CertificateSigningRequest: status
coordination.Lease: spec
core.Container: resources
core.ContainerStatus: lastState state
core.EphemeralContainer: resources
core.Event: source
core.LimitRange: spec
core.Namespace: spec status
core.Node: spec status
core.NodeDaemonEndpoints: kubeletEndpoint
core.NodeStatus: daemonEndpoints nodeInfo
core.PersistentVolume: spec status
core.PersistentVolumeClaim: spec status
core.PersistentVolumeClaimSpec: resources
core.Pod: spec status
core.PodTemplate: template
core.PodTemplateSpec: spec
core.ReplicationController: spec status
core.ResourceQuota: spec status
core.Service: spec status
core.ServiceStatus: loadBalancer
discovery.Endpoint: conditions
events.Event: deprecatedSource regarding
flowcontrol.FlowSchema: spec status
flowcontrol.LimitedPriorityLevelConfiguration: limitResponse
flowcontrol.PriorityLevelConfiguration: spec status
networking.Ingress: spec status
networking.IngressClass: spec
networking.IngressServiceBackend: port
networking.IngressStatus: loadBalancer
networking.NetworkPolicy: spec
networking.NetworkPolicySpec: podSelector
networking.ServiceCIDR: spec status
policy.PodDisruptionBudget: spec status
resource.AllocationResult: devices
resource.ResourceClaim: status
resource.ResourceClaimSpec: devices
storage.VolumeAttachment: status
""")

# Optional fields that are encoded even when empty.
_ALWAYS = _read("""
apps.StatefulSetOrdinals: start
apps.StatefulSetSpec: serviceName
autoscaling.HorizontalPodAutoscalerStatus: currentMetrics
core.Event: reportingComponent reportingInstance
core.TypedLocalObjectReference: apiGroup
core.TypedObjectReference: apiGroup
apps.StatefulSetStatus: availableReplicas
discovery.EndpointSlice: ports endpoints
flowcontrol.FlowSchemaSpec: matchingPrecedence
flowcontrol.QueuingConfiguration: handSize queueLengthLimit queues
policy.PodDisruptionBudgetStatus: currentHealthy desiredHealthy disruptionsAllowed expectedPods
rbac.ClusterRole: rules
rbac.Role: rules
scheduling.PriorityClass: value
storage.CSINodeDriver: topologyKeys
resource.DeviceClaim: requests
""")

# Required fields that are pointers or left out when empty: never filled in.
_NEVER = _read("""
networking.HTTPIngressPath: pathType
networking.IPAddressSpec: parentRef
apps.DaemonSetSpec: selector
apps.DeploymentSpec: selector
apps.ReplicaSetSpec: selector
apps.StatefulSetSpec: selector
""")

# Lists of which an empty one means something else than none.
_KEPT_LISTS = _read("""
apiextensions.CustomResourceDefinitionSpec: versions
autoscaling.HPAScalingRules: policies
""")

# Times that are no pointers are null when they are not set.
_POINTER_TIMES = _read("""
*: startTime completionTime lastScheduleTime lastSuccessfulTime lastScaleTime timeAdded deletionTimestamp \
creationTimestamp lastPhaseTransitionTime allocationTimestamp
coordination.LeaseSpec: acquireTime renewTime
meta.ManagedFieldsEntry: time
resource.DeviceTaint: timeAdded
storage.VolumeError: -
""".replace("\\\n", ""))  # fmt: skip

# Named string types, as they appear in messages about a wrong type.
_NAMED_STRINGS = {
    "restartPolicy": "v1.RestartPolicy",
    "dnsPolicy": "v1.DNSPolicy",
    "imagePullPolicy": "v1.PullPolicy",
    "protocol": "v1.Protocol",
    "terminationMessagePolicy": "v1.TerminationMessagePolicy",
}

Row = frozenset[str]
_NONE: Row = frozenset()


def key_of(node: SchemaNode) -> str:
    """`core.PodSpec` of io.k8s.api.core.v1.PodSpec; empty for a node without a definition."""
    parts = node.definition.split(".")
    return f"{parts[-3]}.{parts[-1]}" if len(parts) > 3 else ""


def _has(table: dict[str, Row], node: SchemaNode, field: str) -> bool:
    return field in table.get(key_of(node), _NONE) or field in table.get("*", _NONE)


def keeps_zero(node: SchemaNode, field: str) -> bool:
    """Whether an empty scalar in this field of `node` is encoded."""
    if field in node.required or field in _ALWAYS.get(key_of(node), _NONE):
        return True
    child = node.properties[field]
    if child.type == "string":
        return _has(_POINTER_STRINGS, node, field)
    return field in _POINTER_SCALARS.get(key_of(node), _NONE) or not _has(_PLAIN_SCALARS, node, field)


def keeps_empty_list(node: SchemaNode, field: str) -> bool:
    """Whether an empty list in this field of `node` is told from none."""
    return field in _KEPT_LISTS.get(key_of(node), _NONE)


def zero_is_null(node: SchemaNode, field: str) -> bool:
    """Whether this field is a pointer that is encoded as null when it is not set."""
    return field == "apiGroup" and _has(_POINTER_STRINGS, node, field)


def is_filled(node: SchemaNode, field: str) -> bool:
    """Whether this field is encoded when it was not given at all."""
    if field in _NEVER.get(key_of(node), _NONE):
        return False
    if field in _ALWAYS.get(key_of(node), _NONE):
        return True
    child = node.properties[field]
    if child.format == "date-time":
        return not _has(_POINTER_TIMES, node, field)
    if child.type == "object" and child.definition:
        return field in node.required or _has(_PLAIN_STRUCTS, node, field)
    return field in node.required


def type_name(node: SchemaNode, field: str = "") -> str:
    """The Go type that a message names: `int32`, `map[string]string`, `[]v1.Container`."""
    if node.type == "array":
        return f"[]{type_name(node.items)}" if node.items else "[]interface {}"
    if node.is_map and node.additional:
        if node.additional.is_quantity:
            return "v1.ResourceList"
        return f"map[string]{type_name(node.additional)}"
    if node.type == "integer":
        return node.format or "int64"
    if node.type == "boolean":
        return "bool"
    if node.type == "number":
        return "float64"
    if node.type == "string":
        return "[]uint8" if node.format == "byte" else _NAMED_STRINGS.get(field, "string")
    parts = node.definition.split(".")
    return f"{parts[-2]}.{parts[-1]}" if len(parts) > 1 else "map[string]interface {}"
