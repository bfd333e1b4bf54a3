"""Pods: what their subresources take, how they may change, what is refused in them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api import kinds
from kube_actors.api.pods import requests_of
from kube_actors.api.resources import PODS
from kube_actors.api.validation import validate_status_update, validate_update, validate_view_update
from tests.unit.api.objects import made, messages, patched


def pod(**spec: Any) -> dict[str, Any]:
    inner = {"containers": [{"name": "c", "image": "x"}], "serviceAccountName": "default"}
    return {"metadata": {"name": "a"}, "spec": {**inner, **spec}}


def refused(causes: list[Any]) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in causes]


def through(view: str, old: dict[str, Any], **spec: Any) -> tuple[dict[str, Any], list[str]]:
    """The pod after a write through a subresource, and what is wrong with it."""
    new = copy.deepcopy(old)
    new["metadata"]["labels"] = {"dropped": "yes"}
    new["spec"].update(spec)
    kinds.of(PODS).views[view].prepare(new, old)
    return new, refused(validate_view_update(PODS, view, new, old))


def resources(**amounts: Any) -> list[dict[str, Any]]:
    return [{**made(PODS, pod())["spec"]["containers"][0], "resources": amounts}]


def test_the_subresource_for_ephemeral_containers_takes_nothing_else() -> None:
    old = made(PODS, pod())
    debug = {"name": "d", "image": "y", "terminationMessagePolicy": "File", "imagePullPolicy": "Always"}
    new, faults = through("ephemeralcontainers", old, ephemeralContainers=[debug], hostname="other")
    assert faults == []
    assert new["spec"] == {**old["spec"], "ephemeralContainers": [debug]}
    assert "labels" not in new["metadata"]
    assert new["metadata"]["generation"] == 2
    again, faults = through("ephemeralcontainers", new, ephemeralContainers=[])
    assert faults == ['spec.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be removed\n']
    assert again["metadata"]["generation"] == 3


def test_the_subresource_for_resizing_takes_resources_alone() -> None:
    old = made(PODS, pod(containers=resources(requests={"cpu": "1"})))
    wanted = [{**resources(requests={"cpu": "2"})[0], "image": "other"}]
    new, faults = through("resize", old, containers=wanted)
    assert faults == []
    assert new["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "2"}}
    assert new["spec"]["containers"][0]["image"] == "x"
    assert new["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("before", "after", "refusals"),
    [
        ({"requests": {"cpu": "1"}}, {"requests": {"memory": "1"}},
         ["spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"]),
        ({"requests": {"cpu": "1"}}, {"requests": {"cpu": "1", "ephemeral-storage": "1"}},
         ["spec: Forbidden: only cpu and memory resources are mutable"]),
        ({"requests": {"cpu": "1"}}, {"requests": {"cpu": "1", "memory": "1"}, "limits": {"cpu": "1", "memory": "1"}},
         ['spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing']),
        ({"requests": {"cpu": "1"}}, {"requests": {"cpu": "1", "memory": "1"}, "limits": {"memory": "2"}}, []),
    ],
)  # fmt: skip
def test_a_pod_keeps_its_class_and_what_it_has_when_it_is_resized(
    before: dict[str, Any], after: dict[str, Any], refusals: list[str]
) -> None:
    old = made(PODS, pod(containers=resources(**before)))
    assert through("resize", old, containers=resources(**after))[1] == refusals


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}, "static pods cannot be resized"),
        ({"spec": {"os": {"name": "windows"}}}, "windows pods cannot be resized"),
    ],
)
def test_some_pods_cannot_be_resized_at_all(change: dict[str, Any], words: str) -> None:
    old = made(PODS, pod(nodeName="n"))
    for part, value in change.items():
        old[part] = {**old[part], **value}
    assert through("resize", old)[1] == [f"[]: Forbidden: {words}"]


def test_a_gated_pod_may_be_narrowed_down_and_not_moved() -> None:
    old = made(PODS, pod(schedulingGates=[{"name": "g"}], nodeSelector={"a": "b"}))
    more = patched(PODS, old, {"spec": {"nodeSelector": {"c": "d"}}})
    assert validate_update(PODS, more, old) == []
    other = patched(PODS, old, {"spec": {"nodeSelector": {"a": "z"}}})
    assert refused(validate_update(PODS, other, old)) == [
        'spec.nodeSelector: Invalid value: {"a":"z"}: only additions to spec.nodeSelector are allowed (no mutations or '
        "deletions)"
    ]
    assert validate_update(PODS, patched(PODS, old, {"spec": {"schedulingGates": []}}), old) == []


def test_a_gated_pod_has_no_node() -> None:
    assert messages(PODS, pod(schedulingGates=[{"name": "g"}], nodeName="n")) == [
        "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"
    ]


@pytest.mark.parametrize(
    ("spec", "refusals"),
    [
        ({"resourceClaims": [{"name": "r"}]}, [
            'spec.resourceClaims[0]: Invalid value: {"Name":"r","ResourceClaimName":null,'
            '"ResourceClaimTemplateName":null}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`',
        ]),
        ({"dnsConfig": {"searches": ["_tcp.example.com", "a" * 254]}}, [
            f'spec.dnsConfig.searches[1]: Invalid value: "{"a" * 254}": must be no more than 253 characters',
        ]),
        ({"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],
          "serviceAccountName": ""}, [
            "spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when "
            "serviceAccountName is not set",
        ]),
        ({"preemptionPolicy": "Sometimes"}, [
            'spec.preemptionPolicy: Unsupported value: "Sometimes": supported values: "PreemptLowerPriority", "Never"',
        ]),
        ({"containers": [{"name": "c", "image": "x", "resources": {"limits": {"hugepages-2Mi": "3Mi", "cpu": "1"}}}]}, [
            'spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer '
            "multiple of hugepages-2Mi",
            'spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer '
            "multiple of hugepages-2Mi",
        ]),
        ({"resources": {"requests": {"cpu": "1"}, "limits": {"gpu": "1"}},
          "containers": [{"name": "c", "image": "x", "resources": {"requests": {"cpu": "2"}}}]}, [
            'spec.resources.limits[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
            'spec.resources.limits[gpu]: Invalid value: "gpu": must be a standard resource for containers',
            'spec.resources.requests[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
            'spec.resources.requests[gpu]: Invalid value: "gpu": must be a standard resource for containers',
            'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container '
            "requests of 2",
        ]),
        ({"securityContext": {"windowsOptions": {"runAsUserName": "a\\b\\c", "hostProcess": True}}}, [
            'spec.securityContext.windowsOptions.runAsUserName: Invalid value: "a\\\\b\\\\c": runAsUserName cannot '
            "contain more than one backslash",
            "spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess "
            "containers",
            "spec: Forbidden: hostProcess containers are disallowed by cluster policy",
        ]),
    ],
)  # fmt: skip
def test_a_pod_is_refused_in_the_words_of_kubernetes(spec: dict[str, Any], refusals: list[str]) -> None:
    assert messages(PODS, pod(**spec)) == refusals


@pytest.mark.parametrize(
    ("annotations", "refusals"),
    [
        ({"controller.kubernetes.io/pod-deletion-cost": "+1"},
         ['metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "+1": must be a 32bit '
          "integer"]),
        ({"container.apparmor.security.beta.kubernetes.io/z": "odd"}, [
            'metadata.annotations[container.apparmor.security.beta.kubernetes.io/z]: Invalid value: "z": container not '
            "found",
            'metadata.annotations[container.apparmor.security.beta.kubernetes.io/z]: Invalid value: "odd": invalid '
            'AppArmor profile name: "odd"',
        ]),
        ({"seccomp.security.alpha.kubernetes.io/pod": "odd"},
         ['metadata.annotations.seccomp.security.alpha.kubernetes.io/pod: Invalid value: "odd": must be a valid '
          "seccomp profile"]),
    ],
)  # fmt: skip
def test_annotations_with_a_meaning_are_checked(annotations: dict[str, str], refusals: list[str]) -> None:
    obj = pod()
    obj["metadata"]["annotations"] = annotations
    assert messages(PODS, obj) == refusals


def test_a_mirror_stays_one() -> None:
    old = made(PODS, pod(nodeName="n"))
    mirror = {"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}
    field = "metadata.annotations[kubernetes.io/config.mirror]"
    new = patched(PODS, old, mirror)
    assert refused(validate_update(PODS, {**new, "spec": {**new["spec"], "priority": 1}}, old))[0] == (
        f"{field}: Forbidden: may not add mirror pod annotation"
    )


def test_a_status_has_one_address_of_a_family() -> None:
    old = made(PODS, pod())
    new = copy.deepcopy(old)
    new["status"]["podIPs"] = [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]
    assert refused(validate_status_update(PODS, new, old)) == [
        'status.podIPs: Invalid value: [{"IP":"10.0.0.1"},{"IP":"10.0.0.2"}]: may specify no more than one IP for each '
        "IP family"
    ]


def test_a_status_keeps_what_an_old_node_leaves_out() -> None:
    old = made(PODS, pod())
    old["status"] |= {"observedGeneration": 2, "conditions": [{"type": "Ready", "observedGeneration": 1}]}
    new = copy.deepcopy(old)
    new["status"] = {"phase": "Running", "conditions": [{"type": "Ready"}]}
    prepare = kinds.of(PODS).prepare_status
    assert prepare is not None
    prepare(new, old)
    assert new["status"] == {
        "phase": "Running",
        "qosClass": "BestEffort",
        "observedGeneration": 2,
        "conditions": [{"type": "Ready", "observedGeneration": 1}],
    }


def container(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "x", **fields}]}


HERE = "spec.containers[0]"
LABEL = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


@pytest.mark.parametrize(
    ("spec", "refusals"),
    [
        (container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.odd"}}}]),
         [f'{HERE}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.odd": error converting fieldPath: field '
          "label not supported: spec.odd"]),
        (container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.phase"}}}]),
         [f'{HERE}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: '
          '"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", '
          '"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"']),
        (container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"key": "k"}}}]),
         [f'{HERE}.env[0].valueFrom.secretKeyRef.name: Invalid value: "": {LABEL}']),
        (container(env=[{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}}}]),
         [f'{HERE}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor\'s values 1m '
          "and 1 are supported with the cpu resource"]),
        (container(resizePolicy=[{"resourceName": "disk", "restartPolicy": "NotRequired"}]),
         [f'{HERE}.resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory"']),
        (container(restartPolicyRules=[{"action": "Restart", "exitCodes": {"operator": "In", "values": [1, 1]}}]), [
            f"{HERE}.restartPolicy: Required value: must specify restartPolicy when restart rules are used",
            f"{HERE}.restartPolicyRules[0].exitCodes.values[1]: Duplicate value: 1",
        ]),
        (container(livenessProbe={"httpGet": {"port": 80, "httpHeaders": [{"name": "a b"}]}}),
         [f'{HERE}.livenessProbe.httpGet.httpHeaders: Invalid value: "a b": a valid HTTP header must consist of '
          "alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"]),
        ({"os": {"name": "windows"}, **container(securityContext={"privileged": False})},
         [f"{HERE}.securityContext.privileged: Forbidden: cannot be set for a windows pod"]),
        ({"hostNetwork": True, "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]}},
         ['spec.securityContext.sysctls[0].name: Invalid value: "net.core.somaxconn": may not be specified when '
          "'hostNetwork' is true"]),
        (container(securityContext={"procMount": "Unmasked"}),
         [f'{HERE}.securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`']),
        ({"hostUsers": False, **container(securityContext={"procMount": "Unmasked"})}, []),
        ({"hostUsers": True, "initContainers": [
            {"name": "i", "image": "x", "securityContext": {"procMount": "Unmasked"}},
        ]}, [
            'spec.initContainers[0].securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to '
            "use `Unmasked`",
        ]),
        ({"topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule", "matchLabelKeys": ["k"]},
            {"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"},
        ]}, [
            "spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "
            '"{z, DoNotSchedule}"',
            "spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is "
            "not set",
        ]),
        ({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "z", "matchLabelKeys": ["k"], "mismatchLabelKeys": ["k"], "labelSelector": {}},
        ]}}}, [
            "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].matchLabelKeys[0]: Invalid "
            'value: "k": exists in both matchLabelKeys and mismatchLabelKeys',
        ]),
    ],
)  # fmt: skip
def test_a_container_is_refused_in_the_words_of_kubernetes(spec: dict[str, Any], refusals: list[str]) -> None:
    assert messages(PODS, pod(**spec)) == refusals


CONTAINERS = st.lists(
    st.tuples(st.booleans(), st.dictionaries(st.sampled_from(["cpu", "memory"]), st.integers(0, 9))), max_size=4
)


@given(CONTAINERS, CONTAINERS)
def test_a_pod_asks_for_what_it_needs_at_the_moment_when_it_needs_most(
    init: list[tuple[bool, dict[str, int]]], regular: list[tuple[bool, dict[str, int]]]
) -> None:
    def needs(amounts: dict[str, int]) -> dict[str, Any]:
        return {"resources": {"requests": {name: str(amount) for name, amount in amounts.items()}}}

    spec: dict[str, Any] = {
        "initContainers": [needs(each) | ({"restartPolicy": "Always"} if sidecar else {}) for sidecar, each in init],
        "containers": [needs(each) for _, each in regular],
        "overhead": {"cpu": "1"},
    }
    # The pod's life as it goes: what runs at each moment.
    moments: list[list[dict[str, int]]] = []
    sidecars: list[dict[str, int]] = []
    for sidecar, each in init:
        moments.append([*sidecars, each])
        sidecars += [each] if sidecar else []
    moments.append([*sidecars, *(each for _, each in regular)])
    asked = requests_of(spec)
    for name, unit, overhead in (("cpu", 1000, 1000), ("memory", 1, 0)):
        most = max(sum(each.get(name, 0) for each in moment) for moment in moments)
        assert asked.get(name, 0) == most * unit + overhead
