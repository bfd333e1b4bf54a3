"""The resources that the API serves: names, scope, verbs, where the store keeps them.

`TABLE` is what Kubernetes 1.36 serves as generally available. The schema of each kind is elsewhere
(`schema.py`); a CustomResourceDefinition adds a `Resource` of the same type at run time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kube_actors.api.crd.definition import ServedVersion

STANDARD_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CREATE_ONLY = ("create",)
READ_ONLY = ("get", "list")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of one API version: `deployments` of `apps/v1`."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = STANDARD_VERBS
    # Where it differs from the rule of `store_prefix`.
    store_path: str = ""
    custom: bool = False
    # Where they are not the kind in lower case, and the kind with List after it.
    singular_name: str = ""
    list_kind_name: str = ""
    # Of a custom resource: its schema and what else its CRD says.
    definition: ServedVersion | None = field(default=None, repr=False)

    def __hash__(self) -> int:
        # A key of many tables: three strings, whose hashes are known, tell resources apart as well as all fields.
        return hash((self.group, self.version, self.plural))

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.singular_name or self.kind.lower()

    @property
    def list_kind(self) -> str:
        return self.list_kind_name or f"{self.kind}List"

    @property
    def qualified(self) -> str:
        """`deployments.apps`: the name in messages and in kubectl's output."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def store_prefix(self) -> str:
        """The prefix of its keys, as kube-apiserver has it: /registry/pods/, /registry/GROUP/crontabs/."""
        if self.store_path:
            return f"/registry/{self.store_path}/"
        return f"/registry/{self.group}/{self.plural}/" if self.custom else f"/registry/{self.plural}/"

    def store_key(self, namespace: str, name: str) -> str:
        return f"{self.store_prefix}{namespace}/{name}" if self.namespaced else f"{self.store_prefix}{name}"

    def path(self, namespace: str = "", name: str = "") -> str:
        """The REST path of a collection or of an object."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root, *(("namespaces", namespace) if namespace else ()), self.plural, *((name,) if name else ())]
        return "/".join(parts)


# group/version: plural Kind scope(N or C) [short names] [:categories] [+subresources] [@store path]
# [!create only] [?read only]
TABLE = """
v1: bindings Binding N !
v1: componentstatuses ComponentStatus C cs ?
v1: configmaps ConfigMap N cm
v1: endpoints Endpoints N ep @services/endpoints
v1: events Event N ev
v1: limitranges LimitRange N limits
v1: namespaces Namespace C ns +status,finalize
v1: nodes Node C no +status,proxy @minions
v1: persistentvolumeclaims PersistentVolumeClaim N pvc +status
v1: persistentvolumes PersistentVolume C pv +status
v1: pods Pod N po :all +status,binding,eviction,log,exec,attach,portforward,proxy,ephemeralcontainers,resize
v1: podtemplates PodTemplate N
v1: replicationcontrollers ReplicationController N rc :all +status,scale @controllers
v1: resourcequotas ResourceQuota N quota +status
v1: secrets Secret N
v1: serviceaccounts ServiceAccount N sa +token
v1: services Service N svc :all +status,proxy @services/specs
admissionregistration.k8s.io/v1: mutatingadmissionpolicies MutatingAdmissionPolicy C :api-extensions
admissionregistration.k8s.io/v1: mutatingadmissionpolicybindings MutatingAdmissionPolicyBinding C :api-extensions
admissionregistration.k8s.io/v1: mutatingwebhookconfigurations MutatingWebhookConfiguration C :api-extensions
admissionregistration.k8s.io/v1: validatingadmissionpolicies ValidatingAdmissionPolicy C :api-extensions +status
admissionregistration.k8s.io/v1: validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding C :api-extensions
admissionregistration.k8s.io/v1: validatingwebhookconfigurations ValidatingWebhookConfiguration C :api-extensions
apiextensions.k8s.io/v1: customresourcedefinitions CustomResourceDefinition C crd,crds :api-extensions +status
apiregistration.k8s.io/v1: apiservices APIService C :api-extensions +status
apps/v1: controllerrevisions ControllerRevision N
apps/v1: daemonsets DaemonSet N ds :all +status
apps/v1: deployments Deployment N deploy :all +status,scale
apps/v1: replicasets ReplicaSet N rs :all +status,scale
apps/v1: statefulsets StatefulSet N sts :all +status,scale
authentication.k8s.io/v1: selfsubjectreviews SelfSubjectReview C !
authentication.k8s.io/v1: tokenreviews TokenReview C !
authorization.k8s.io/v1: localsubjectaccessreviews LocalSubjectAccessReview N !
authorization.k8s.io/v1: selfsubjectaccessreviews SelfSubjectAccessReview C !
authorization.k8s.io/v1: selfsubjectrulesreviews SelfSubjectRulesReview C !
authorization.k8s.io/v1: subjectaccessreviews SubjectAccessReview C !
autoscaling/v2: horizontalpodautoscalers HorizontalPodAutoscaler N hpa :all +status
autoscaling/v1: horizontalpodautoscalers HorizontalPodAutoscaler N hpa :all +status
batch/v1: cronjobs CronJob N cj :all +status
batch/v1: jobs Job N :all +status
certificates.k8s.io/v1: certificatesigningrequests CertificateSigningRequest C csr +status,approval
coordination.k8s.io/v1: leases Lease N
discovery.k8s.io/v1: endpointslices EndpointSlice N
events.k8s.io/v1: events Event N ev
flowcontrol.apiserver.k8s.io/v1: flowschemas FlowSchema C +status
flowcontrol.apiserver.k8s.io/v1: prioritylevelconfigurations PriorityLevelConfiguration C +status
networking.k8s.io/v1: ingressclasses IngressClass C
networking.k8s.io/v1: ingresses Ingress N ing +status @ingress
networking.k8s.io/v1: ipaddresses IPAddress C ip
networking.k8s.io/v1: networkpolicies NetworkPolicy N netpol
networking.k8s.io/v1: servicecidrs ServiceCIDR C +status
node.k8s.io/v1: runtimeclasses RuntimeClass C
policy/v1: poddisruptionbudgets PodDisruptionBudget N pdb +status
rbac.authorization.k8s.io/v1: clusterrolebindings ClusterRoleBinding C
rbac.authorization.k8s.io/v1: clusterroles ClusterRole C
rbac.authorization.k8s.io/v1: rolebindings RoleBinding N
rbac.authorization.k8s.io/v1: roles Role N
resource.k8s.io/v1: deviceclasses DeviceClass C
resource.k8s.io/v1: resourceclaims ResourceClaim N +status
resource.k8s.io/v1: resourceclaimtemplates ResourceClaimTemplate N
resource.k8s.io/v1: resourceslices ResourceSlice C
scheduling.k8s.io/v1: priorityclasses PriorityClass C pc
storage.k8s.io/v1: csidrivers CSIDriver C
storage.k8s.io/v1: csinodes CSINode C
storage.k8s.io/v1: csistoragecapacities CSIStorageCapacity N
storage.k8s.io/v1: storageclasses StorageClass C sc
storage.k8s.io/v1: volumeattachments VolumeAttachment C +status
storage.k8s.io/v1: volumeattributesclasses VolumeAttributesClass C vac
"""


def parse_row(row: str) -> Resource:
    """One line of `TABLE`."""
    api_version, rest = row.split(": ", 1)
    group, _, version = api_version.rpartition("/")
    plural, kind, scope, *marks = rest.split()
    names: dict[str, tuple[str, ...]] = {mark[0]: tuple(mark[1:].split(",")) for mark in marks if mark[0] in ":+@"}
    short = [mark for mark in marks if mark[0].isalpha()]
    return Resource(
        group=group,
        version=version,
        plural=plural,
        kind=kind,
        namespaced=scope == "N",
        short_names=tuple(short[0].split(",")) if short else (),
        categories=names.get(":", ()),
        subresources=names.get("+", ()),
        verbs=CREATE_ONLY if "!" in marks else READ_ONLY if "?" in marks else STANDARD_VERBS,
        store_path=names.get("@", ("",))[0],
    )


class Registry:
    """The resources of a server, by group/version/plural and by kind. Read by many, changed by CRDs."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_kind: dict[tuple[str, str, str], Resource] = {}
        for resource in resources:
            self.add(resource)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_path.values())

    def add(self, resource: Resource) -> None:
        self._by_path[resource.group, resource.version, resource.plural] = resource
        self._by_kind[resource.group, resource.version, resource.kind] = resource

    def remove(self, resource: Resource) -> None:
        self._by_path.pop((resource.group, resource.version, resource.plural), None)
        self._by_kind.pop((resource.group, resource.version, resource.kind), None)

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._by_path.get((group, version, plural))

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of an object's `apiVersion` and `kind`."""
        group, _, version = api_version.rpartition("/")
        return self._by_kind.get((group, version, kind))


BUILTIN = Registry(parse_row(row) for row in TABLE.strip().splitlines())


def builtin(api_version: str, plural: str) -> Resource:
    """A built-in resource by name; KeyError for a name that is not in `TABLE`."""
    group, _, version = api_version.rpartition("/")
    resource = BUILTIN.find(group, version, plural)
    if resource is None:
        raise KeyError(f"{api_version} {plural} is no built-in resource")
    return resource


COMPONENT_STATUSES = builtin("v1", "componentstatuses")
CONFIGMAPS = builtin("v1", "configmaps")
ENDPOINTS = builtin("v1", "endpoints")
EVENTS = builtin("v1", "events")
NAMESPACES = builtin("v1", "namespaces")
NODES = builtin("v1", "nodes")
PODS = builtin("v1", "pods")
SECRETS = builtin("v1", "secrets")
SERVICE_ACCOUNTS = builtin("v1", "serviceaccounts")
SERVICES = builtin("v1", "services")
DEPLOYMENTS = builtin("apps/v1", "deployments")
REPLICA_SETS = builtin("apps/v1", "replicasets")
ENDPOINT_SLICES = builtin("discovery.k8s.io/v1", "endpointslices")
LEASES = builtin("coordination.k8s.io/v1", "leases")
