"""What volumes are made of, in pods and by themselves; claims."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kube_actors.api.resources import PODS, builtin
from kube_actors.api.validation import validate_update
from kube_actors.api.validation.persistent_volumes import _SOURCES
from kube_actors.api.validation.volumes import POD_SOURCES
from tests.unit.api.objects import made, messages, patched

VOLUMES, CLAIMS = builtin("v1", "persistentvolumes"), builtin("v1", "persistentvolumeclaims")
V = "spec.volumes[0]"
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def pod(*volumes: dict[str, Any]) -> dict[str, Any]:
    spec = {"containers": [{"name": "c", "image": "x"}], "serviceAccountName": "default", "volumes": list(volumes)}
    return {"metadata": {"name": "a"}, "spec": spec}


def volume(**spec: Any) -> dict[str, Any]:
    whole = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, **spec}
    return {"metadata": {"name": "v"}, "spec": whole}


def claim(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a"}, "spec": {**CLAIM, **spec}}


@pytest.mark.parametrize(
    ("source", "refusals"),
    [
        ({"gcePersistentDisk": {"pdName": "", "partition": 256}}, [
            f"{V}.persistentDisk.pdName: Required value",
            f"{V}.persistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive",
        ]),
        ({"gitRepo": {"repository": "", "directory": "/x"}}, [
            f"{V}.gitRepo.repository: Required value",
            f'{V}.gitRepo.directory: Invalid value: "/x": must be a relative path',
        ]),
        ({"iscsi": {"targetPortal": "p", "iqn": "iqn.bad", "lun": 300, "chapAuthSession": True}}, [
            f'{V}.iscsi.iqn: Invalid value: "iqn.bad": must be valid format',
            f"{V}.iscsi.lun: Invalid value: 300: must be between 0 and 255, inclusive",
            f"{V}.iscsi.secretRef: Required value",
        ]),
        ({"iscsi": {"targetPortal": "p" * 64, "iqn": "iqn.2026-01.org.example:x", "lun": 0,
                    "initiatorName": "iqn.2026-01.org.example:y"}}, [
            f'{V}.name: Invalid value: "v": Total length of <volume name>:<iscsi.targetPortal> must be under 64 '
            "characters if iscsi.initiatorName is specified.",
        ]),
        ({"flocker": {}}, [f"{V}.flocker: Required value: one of datasetName and datasetUUID is required"]),
        ({"quobyte": {"registry": "host", "volume": ""}}, [
            f'{V}.quobyte.registry: Invalid value: "host": must be a host:port pair or multiple pairs separated by '
            "commas",
            f"{V}.quobyte.volume: Required value",
        ]),
        ({"fc": {"targetWWNs": ["a"]}},
         [f"{V}.fc.lun: Required value: lun is required if targetWWNs is specified"]),
        ({"flexVolume": {"driver": "d", "options": {"a.kubernetes.io/b": "c"}}},
         [f'{V}.flexVolume.options[a.kubernetes.io/b]: Invalid value: "a.kubernetes.io/b": kubernetes.io and k8s.io '
          "namespaces are reserved"]),
        ({"azureDisk": {"diskName": "d", "diskURI": "u", "kind": "Managed"}},
         [f'{V}.azureDisk.diskURI: Unsupported value: "u": supported values: "/subscriptions/{{sub-id}}/resourcegroups/'
          '{group-name}/providers/microsoft.compute/disks/{disk-id}"']),
        ({"csi": {"driver": "d", "nodePublishSecretRef": {"name": "A"}}}, [
            f'{V}.csi.name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric '
            "characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex "
            "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ]),
        ({"ephemeral": {"volumeClaimTemplate": {"metadata": {"name": "n"}, "spec": CLAIM}}},
         [f"{V}.ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set"]),
        ({"image": {"reference": ""}}, [f"{V}.image.reference: Required value"]),
        ({"projected": {"sources": [{"clusterTrustBundle": {"path": "p"}}]}},
         [f"{V}.projected.sources[0].clusterTrustBundle: Required value: either name or signerName must be specified"]),
        ({"cephfs": {"monitors": ["m"]}, "secret": {"secretName": "s"}},
         [f"{V}.cephFS: Forbidden: may not specify more than 1 volume type"]),
    ],
)  # fmt: skip
def test_a_source_is_refused_in_the_words_of_kubernetes(source: dict[str, Any], refusals: list[str]) -> None:
    assert messages(PODS, pod({"name": "v", **source})) == refusals


@pytest.mark.parametrize("kind", [*POD_SOURCES])
def test_an_empty_source_of_any_sort_is_answered(kind: str) -> None:
    assert isinstance(messages(PODS, pod({"name": "v", kind: {}})), list)


@pytest.mark.parametrize("kind", [*_SOURCES])
def test_an_empty_source_of_any_persistent_volume_is_answered(kind: str) -> None:
    assert isinstance(messages(VOLUMES, volume(**{kind: {}})), list)


def test_a_claim_that_a_pod_makes_is_not_one_that_it_finds() -> None:
    made_here = {"name": "e", "ephemeral": {"volumeClaimTemplate": {"spec": CLAIM}}}
    found = {"name": "v", "persistentVolumeClaim": {"claimName": "a-e"}}
    assert messages(PODS, pod(found, made_here)) == [
        f'{V}.persistentVolumeClaim.claimName: Invalid value: "a-e": must not reference a PVC that gets created for an '
        "ephemeral volume"
    ]


@pytest.mark.parametrize(
    ("spec", "refusals"),
    [
        ({"hostPath": {"path": "/"}, "persistentVolumeReclaimPolicy": "Recycle"},
         ["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"]),
        ({"local": {"path": "/x"}}, ["spec.nodeAffinity: Required value: Local volume requires node affinity"]),
        ({"csi": {"driver": "d", "volumeHandle": "h", "nodeExpandSecretRef": {"name": "n"}}},
         ["spec.csi.nodeExpandSecretRef.namespace: Required value"]),
        ({"nfs": {"server": "s", "path": "/p"}, "volumeAttributesClassName": "c"},
         ["spec.csi: Required value: has to be specified when using volumeAttributesClassName"]),
        ({"nfs": {"server": "s", "path": "/p"}, "nodeAffinity": {}},
         ["spec.nodeAffinity.required: Required value: must specify required node constraints"]),
    ],
)  # fmt: skip
def test_a_persistent_volume_is_refused_in_the_words_of_kubernetes(spec: dict[str, Any], refusals: list[str]) -> None:
    assert messages(VOLUMES, volume(**spec)) == refusals


def test_what_a_volume_is_made_of_stays() -> None:
    old = made(VOLUMES, volume(nfs={"server": "s", "path": "/p"}))
    assert validate_update(VOLUMES, patched(VOLUMES, old, {"spec": {"capacity": {"storage": "2Gi"}}}), old) == []
    (cause,) = validate_update(VOLUMES, patched(VOLUMES, old, {"spec": {"nfs": {"path": "/q"}}}), old)
    assert cause.field == "spec.persistentvolumesource"
    assert '-  "Path": "/p",' in cause.message


def test_the_size_of_a_bound_claim_grows_and_falls_back_after_a_failure() -> None:
    old = made(CLAIMS, claim())
    old["status"] = {"phase": "Bound", "capacity": {"storage": "1Gi"}}
    old["spec"]["volumeName"] = "v"

    def resized(amount: str) -> list[str]:
        new = copy.deepcopy(old)
        new["spec"]["resources"]["requests"]["storage"] = amount
        return [f"{cause.field}: {cause.message}" for cause in validate_update(CLAIMS, new, old)]

    assert resized("2Gi") == []
    assert resized("512Mi") == [
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    ]


def test_a_claim_names_its_source_completely() -> None:
    assert messages(CLAIMS, claim(dataSourceRef={"apiGroup": "A", "kind": "K", "name": ""}))[0] == (
        "spec.dataSource.name: Required value"
    )
