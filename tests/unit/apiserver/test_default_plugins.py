"""The default admission plugins, each by what it does to a request."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kube_actors.api import encoding, errors
from kube_actors.api.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, NODES, PODS, builtin
from kube_actors.apiserver.admission.always_pull_images import AlwaysPullImages
from kube_actors.apiserver.admission.chain import Attributes, Chain, Operation, Plugin
from kube_actors.apiserver.admission.owner_references_permission_enforcement import (
    OwnerReferencesPermissionEnforcement,
)
from kube_actors.apiserver.admission.runtime_class import merged_tolerations
from kube_actors.apiserver.authz import Verdict
from kube_actors.apiserver.request import Request, Target, User, WriteOptions

CLAIMS = builtin("v1", "persistentvolumeclaims")
VOLUMES = builtin("v1", "persistentvolumes")
STORAGE_CLASSES = builtin("storage.k8s.io/v1", "storageclasses")
INGRESSES = builtin("networking.k8s.io/v1", "ingresses")
INGRESS_CLASSES = builtin("networking.k8s.io/v1", "ingressclasses")
RUNTIME_CLASSES = builtin("node.k8s.io/v1", "runtimeclasses")
PRIORITY_CLASSES = builtin("scheduling.k8s.io/v1", "priorityclasses")
LIMIT_RANGES = builtin("v1", "limitranges")
REQUESTS = builtin("certificates.k8s.io/v1", "certificatesigningrequests")


def claim(name="c", size="1Gi", **spec):
    resources = {"requests": {"storage": size}}
    return {"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": resources, **spec}}


class Recorder(Plugin):
    def __init__(self):
        self.asked = []

    def concerns(self, operation, resource, subresource):
        self.asked.append((operation, resource.plural, subresource))
        return resource is PODS

    async def admit(self, attributes):
        attributes.obj["seen"] = attributes.obj.get("seen", 0) + 1


async def test_the_chain_asks_once_whether_a_sort_of_request_concerns_a_plugin():
    plugin = Recorder()
    chain = Chain([plugin])
    obj = {"metadata": {"name": "a"}}
    for resource in (PODS, NODES, PODS, NODES):
        request = Request(User("u"), Target(resource))
        await chain.admit(Attributes(request, Operation.CREATE, obj, None))
        await chain.validate(Attributes(request, Operation.CREATE, obj, None))
    assert obj["seen"] == 2
    assert plugin.asked == [(Operation.CREATE, "pods", ""), (Operation.CREATE, "nodes", "")]


async def test_a_new_node_is_tainted_until_it_was_seen_ready(api):
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    assert (await api.create(NODES, {"metadata": {"name": "a"}}))["spec"]["taints"] == [taint]
    named = await api.create(NODES, {"metadata": {"name": "b"}, "spec": {"taints": [taint]}})
    assert named["spec"]["taints"] == [taint]


async def test_a_claim_without_a_class_gets_the_newest_default(api):
    mark = {"storageclass.kubernetes.io/is-default-class": "true"}
    assert "storageClassName" not in (await api.create(CLAIMS, claim("early")))["spec"]
    for name, marks in (("fast", {}), ("slow", mark), ("also", mark)):
        await api.create(STORAGE_CLASSES, {"metadata": {"name": name, "annotations": marks}, "provisioner": "p"})
    await api.pipeline.cache.fresh()
    assert (await api.create(CLAIMS, claim("a")))["spec"]["storageClassName"] == "also"
    assert (await api.create(CLAIMS, claim("b", storageClassName="")))["spec"]["storageClassName"] == ""


async def test_an_ingress_without_a_class_gets_the_default(api):
    mark = {"ingressclass.kubernetes.io/is-default-class": "true"}
    made = {"metadata": {"name": "web", "annotations": mark}, "spec": {"controller": "example.com/c"}}
    await api.create(INGRESS_CLASSES, made)
    await api.pipeline.cache.fresh()
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    ingress = await api.create(INGRESSES, {"metadata": {"name": "i"}, "spec": {"defaultBackend": backend}})
    assert ingress["spec"]["ingressClassName"] == "web"


async def test_claims_and_volumes_are_protected(api):
    assert (await api.create(CLAIMS, claim()))["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    made = await api.create(VOLUMES, {"metadata": {"name": "v"}, "spec": spec})
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]


async def test_a_claim_grows_only_when_its_class_allows_it(api):
    for name, allowed in (("fixed", False), ("growing", True)):
        body = {"metadata": {"name": name}, "provisioner": "p", "allowVolumeExpansion": allowed}
        await api.create(STORAGE_CLASSES, body)
        await api.create(CLAIMS, claim(name, storageClassName=name, volumeName="v"))
    bigger = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    for name in ("fixed", "growing"):
        await api.patch(CLAIMS, name, {"status": {"phase": "Bound"}}, subresource="status")
    with pytest.raises(errors.Forbidden, match="only dynamically provisioned pvc can be resized"):
        await api.patch(CLAIMS, "fixed", bigger)
    grown = await api.patch(CLAIMS, "growing", bigger)
    assert grown["spec"]["resources"]["requests"]["storage"] == "2Gi"


async def test_a_runtime_class_gives_overhead_selector_and_tolerations(api, new_pod):
    toleration = {"key": "sandboxed", "operator": "Exists"}
    scheduling = {"nodeSelector": {"runtime": "box"}, "tolerations": [toleration]}
    made = {"metadata": {"name": "box"}, "handler": "box", "scheduling": scheduling}
    await api.create(RUNTIME_CLASSES, {**made, "overhead": {"podFixed": {"cpu": "10m"}}})
    spec = (await api.create(PODS, new_pod(runtimeClassName="box")))["spec"]
    assert spec["overhead"] == {"cpu": "10m"}
    assert spec["nodeSelector"] == {"runtime": "box"}
    assert toleration in spec["tolerations"]
    text = "conflict: runtimeClass.scheduling.nodeSelector[runtime] = box; pod.spec.nodeSelector[runtime] = tree"
    with pytest.raises(errors.Forbidden) as refusal:
        await api.create(PODS, new_pod("b", runtimeClassName="box", nodeSelector={"runtime": "tree"}))
    assert refusal.value.message == f'pods "b" is forbidden: {text}'
    with pytest.raises(errors.Forbidden, match='pod rejected: RuntimeClass "none" not found'):
        await api.create(PODS, new_pod("c", runtimeClassName="none"))
    with pytest.raises(errors.Forbidden, match="Pod Overhead set without corresponding RuntimeClass"):
        await api.create(PODS, new_pod("d", overhead={"cpu": "1"}))


def test_of_two_tolerations_the_wider_one_stays():
    narrow, wide = {"key": "a", "effect": "NoSchedule", "operator": "Exists"}, {"key": "a", "operator": "Exists"}
    assert merged_tolerations([narrow], [wide]) == [wide]
    assert merged_tolerations([wide], [narrow]) == [wide]
    assert merged_tolerations([narrow], [narrow]) == [narrow]
    other = {"key": "b", "operator": "Equal", "value": "x"}
    assert merged_tolerations([other], [narrow]) == [other, narrow]


async def test_a_priority_that_is_not_the_classs_is_refused(api, new_pod):
    await api.create(PRIORITY_CLASSES, {"metadata": {"name": "high"}, "value": 1000})
    with pytest.raises(errors.Forbidden) as refusal:
        await api.create(PODS, new_pod(priorityClassName="high", priority=7))
    assert "the integer value of priority (7) must not be provided in pod spec; " in refusal.value.message
    assert "computed 1000 from the given PriorityClass name" in refusal.value.message


async def test_a_binding_brings_the_zone_of_the_node(api, new_pod):
    zone = {"topology.kubernetes.io/zone": "z1"}
    await api.create(NODES, {"metadata": {"name": "n", "labels": {**zone, "other": "x"}}})
    await api.create(PODS, new_pod())
    await api.pipeline.operations.bind(api.request(PODS, "default", "a", "binding"), "", "n")
    assert (await api.get(PODS, "a"))["metadata"]["labels"] == zone


async def test_limit_ranges_bound_claims_by_what_they_request(api):
    limit = {"type": "PersistentVolumeClaim", "min": {"storage": "2Gi"}, "max": {"storage": "4Gi"}}
    await api.create(LIMIT_RANGES, {"metadata": {"name": "l"}, "spec": {"limits": [limit]}})
    await api.pipeline.cache.fresh()
    with pytest.raises(errors.Forbidden, match="minimum storage usage per PersistentVolumeClaim is 2Gi, but request "):
        await api.create(CLAIMS, claim("small", "1Gi"))
    with pytest.raises(errors.Forbidden, match="maximum storage usage per PersistentVolumeClaim is 4Gi, but request "):
        await api.create(CLAIMS, claim("large", "5Gi"))
    await api.create(CLAIMS, claim("right", "3Gi"))


async def test_a_pod_of_a_generated_name_is_refused_by_its_base(api):
    pod = {"metadata": {"generateName": "web-"}, "spec": {"runtimeClassName": "none", "containers": []}}
    with pytest.raises(errors.Forbidden, match=r'^pods "web-" is forbidden'):
        await api.create(PODS, pod)


def signing_request(organization: str) -> dict:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])
    built = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    encoded = base64.b64encode(built.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {"signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"], "request": encoded}
    return {"metadata": {"name": organization.replace(":", "-")}, "spec": spec}


async def test_nobody_asks_for_the_certificate_of_an_administrator(api):
    await api.create(REQUESTS, signing_request("people"))
    with pytest.raises(errors.Forbidden, match="signer with system:masters group is not allowed"):
        await api.create(REQUESTS, signing_request("system:masters"))


PREFIX = "pod-security.kubernetes.io/"


async def write(api, resource, obj, namespace="default"):
    """A creation, and what the client is warned of."""
    request = api.request(resource, namespace if resource.namespaced else "")
    await api.pipeline.operations.create(request, encoding.dumps(obj), WriteOptions())
    return request


async def test_pods_keep_to_the_level_of_their_namespace(api, new_pod):
    await api.patch(NAMESPACES, "default", {"metadata": {"labels": {f"{PREFIX}enforce": "baseline"}}})
    with pytest.raises(errors.Forbidden) as refusal:
        await api.create(PODS, new_pod(hostPID=True))
    text = 'pods "a" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true)'
    assert refusal.value.message == text
    await api.create(PODS, new_pod())


async def test_workloads_are_warned_of_pods_that_would_be_refused(api, new_pod):
    labels = {f"{PREFIX}enforce": "baseline", f"{PREFIX}audit": "restricted"}
    await api.patch(NAMESPACES, "default", {"metadata": {"labels": labels}})
    template = {"metadata": {"labels": {"a": "b"}}, "spec": new_pod(hostPID=True)["spec"]}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    request = await write(api, DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": spec})
    assert request.warnings == ['would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)']
    noted = request.audit_annotations[f"{PREFIX}audit-violations"]
    assert noted.startswith('would violate PodSecurity "restricted:latest": host namespaces (hostPID=true), allowPriv')


async def test_a_namespace_that_asks_for_more_warns_of_the_pods_that_it_has(api, new_pod):
    for name in ("b", "a", "c"):
        await api.create(PODS, new_pod(name, hostPID=True))
    await api.create(PODS, new_pod("fine"))
    await api.pipeline.cache.fresh()
    request = api.request(NAMESPACES, "", "default")
    patch = encoding.dumps({"metadata": {"labels": {f"{PREFIX}enforce": "baseline"}}})
    await api.pipeline.operations.patch(request, "application/merge-patch+json", patch, WriteOptions())
    assert request.warnings == [
        'existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 2 other pods): host namespaces",
    ]


async def test_a_namespace_with_a_level_that_there_is_not_is_invalid(api):
    with pytest.raises(errors.Invalid, match=r"must be one of privileged, baseline, restricted$"):
        await api.create(NAMESPACES, {"metadata": {"name": "x", "labels": {f"{PREFIX}enforce": "strict"}}})


@pytest.fixture
def asked(api):
    """What one plugin says of a ConfigMap, without the others."""

    def build(plugin, obj, old=None, resource=CONFIGMAPS, user=None):
        operation = Operation.UPDATE if old else Operation.CREATE
        request = Request(user or User("jane"), Target(resource, "default", obj["metadata"]["name"]))
        return plugin.validate(Attributes(request, operation, obj, old))

    return build


def owned(**more):
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u", **more}
    return {"metadata": {"name": "a", "ownerReferences": [owner]}}


class Rights:
    """An authorizer that allows what it was given."""

    def __init__(self, *allowed):
        self._allowed = allowed

    def decide(self, user, verb, target, fields=""):
        return Verdict((verb, target.name, target.subresource) in self._allowed)


async def test_owners_are_set_by_those_who_may_delete_the_object(api, asked):
    resources = api.pipeline.resources
    plugin = OwnerReferencesPermissionEnforcement(Rights(), resources)
    await asked(plugin, owned(), old=owned())
    with pytest.raises(errors.Forbidden, match="cannot set an ownerRef on a resource you can't delete"):
        await asked(plugin, owned())
    plugin = OwnerReferencesPermissionEnforcement(Rights(("delete", "a", "")), resources)
    await asked(plugin, owned())
    with pytest.raises(errors.Forbidden, match="a resource you can't set finalizers on"):
        await asked(plugin, owned(blockOwnerDeletion=True))
    plugin = OwnerReferencesPermissionEnforcement(Rights(("delete", "a", ""), ("update", "o", "finalizers")), resources)
    await asked(plugin, owned(blockOwnerDeletion=True))
    with pytest.raises(errors.Forbidden, match="cannot find RESTMapping for APIVersion x/v1 Kind Odd"):
        await asked(plugin, owned(blockOwnerDeletion=True, apiVersion="x/v1", kind="Odd"))


async def test_images_are_pulled_for_each_pod_where_that_is_wanted(api, new_pod, asked):
    pod = new_pod()
    plugin = AlwaysPullImages()
    with pytest.raises(errors.Invalid, match="imagePullPolicy: Unsupported value"):
        await asked(plugin, pod, resource=PODS)
    await plugin.admit(Attributes(Request(User("u"), Target(PODS, "default")), Operation.CREATE, pod, None))
    assert pod["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    await asked(plugin, pod, resource=PODS)
