"""The Pod Security Standards: what each level says of a pod, and what labels mean."""

from __future__ import annotations

import pytest

from kube_actors.api.pod_security import details, evaluate, reasons
from kube_actors.api.pod_security.levels import LevelVersion, policy_of

BASELINE, RESTRICTED = LevelVersion("baseline"), LevelVersion("restricted")
PREFIX = "pod-security.kubernetes.io/"


def pod(*contexts, annotations=None, **spec):
    containers = [{"name": f"c{number}", "securityContext": context} for number, context in enumerate(contexts)]
    return {"metadata": {"annotations": annotations or {}}, "spec": {"containers": containers, **spec}}


def with_container(**fields):
    return {"metadata": {}, "spec": {"containers": [{"name": "c0", **fields}]}}


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (pod({}), ""),
        (pod({"privileged": True}), 'privileged (container "c0" must not set securityContext.privileged=true)'),
        (
            pod({"capabilities": {"add": ["SYS_ADMIN", "KILL"]}}, {"capabilities": {"add": ["NET_RAW"]}}),
            'non-default capabilities (containers "c0", "c1" must not include "NET_RAW", "SYS_ADMIN" in '
            "securityContext.capabilities.add)",
        ),
        (pod(hostNetwork=True, hostIPC=True), "host namespaces (hostNetwork=true, hostIPC=true)"),
        (
            with_container(ports=[{"hostPort": 80}, {"hostPort": 443}, {"containerPort": 1}]),
            'hostPort (container "c0" uses hostPorts 443, 80)',
        ),
        (
            with_container(
                livenessProbe={"httpGet": {"host": "a"}}, lifecycle={"preStop": {"tcpSocket": {"host": "b"}}}
            ),
            'probe or lifecycle host (container "c0" uses probe or lifecycle hosts "a", "b")',
        ),
        (
            pod({"procMount": "Unmasked"}),
            'procMount (container "c0" must not set securityContext.procMount to "Unmasked")',
        ),
        (pod({"procMount": "Unmasked"}, hostUsers=False), ""),
        (
            pod({"seLinuxOptions": {"type": "x", "role": "r"}}, securityContext={"seLinuxOptions": {"user": "u"}}),
            'seLinuxOptions (pod and container "c0" set forbidden securityContext.seLinuxOptions: type "x"; user may '
            "not be set; role may not be set)",
        ),
        (
            pod({"seccompProfile": {"type": "Unconfined"}}),
            'seccompProfile (container "c0" must not set securityContext.seccompProfile.type to "Unconfined")',
        ),
        (
            pod(securityContext={"sysctls": [{"name": "kernel.msgmax"}, {"name": "net.ipv4.tcp_rmem"}]}),
            "forbidden sysctls (kernel.msgmax)",
        ),
        (
            pod({"windowsOptions": {"hostProcess": True}}),
            'hostProcess (container "c0" must not set securityContext.windowsOptions.hostProcess=true)',
        ),
        (
            pod({"appArmorProfile": {"type": "Unconfined"}}),
            'forbidden AppArmor profile (container "c0" must not set AppArmor profile type to "Unconfined")',
        ),
    ],
)
def test_baseline_forbids_what_leads_out_of_the_container(made, text):
    assert details(evaluate(BASELINE, made)) == text


def test_restricted_says_all_that_a_plain_pod_has_to_set():
    assert details(evaluate(RESTRICTED, pod({}, {}))) == (
        'allowPrivilegeEscalation != false (containers "c0", "c1" must set '
        "securityContext.allowPrivilegeEscalation=false), "
        'unrestricted capabilities (containers "c0", "c1" must set securityContext.capabilities.drop=["ALL"]), '
        'runAsNonRoot != true (pod or containers "c0", "c1" must set securityContext.runAsNonRoot=true), '
        'seccompProfile (pod or containers "c0", "c1" must set securityContext.seccompProfile.type to '
        '"RuntimeDefault" or "Localhost")'
    )


def test_a_pod_that_gives_up_what_it_does_not_need_is_allowed():
    context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}
    whole = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    volumes = [{"name": "a", "emptyDir": {}}, {"name": "b", "csi": {}}]
    assert evaluate(RESTRICTED, pod(context, securityContext=whole, volumes=volumes)) == []


def test_restricted_says_a_thing_once_where_baseline_says_it_too():
    volumes = [{"name": "a", "hostPath": {"path": "/"}}, {"name": "b", "nfs": {}}]
    made = pod({"seccompProfile": {"type": "Unconfined"}, "runAsUser": 0}, volumes=volumes, hostPID=True)
    found = evaluate(RESTRICTED, made)
    assert reasons(found) == (
        "host namespaces, allowPrivilegeEscalation != false, unrestricted capabilities, restricted volume types, "
        "runAsNonRoot != true, runAsUser=0, seccompProfile"
    )
    assert found[3].detail == 'volumes "a", "b" use restricted volume types "hostPath", "nfs"'


def test_an_older_version_has_the_rules_of_its_time():
    probed = with_container(livenessProbe={"httpGet": {"host": "a"}})
    assert evaluate(LevelVersion("baseline", 33), probed) == []
    windows = pod({}, os={"name": "windows"}, securityContext={"runAsNonRoot": True})
    assert evaluate(RESTRICTED, windows) == []
    assert len(evaluate(LevelVersion("restricted", 24), windows)) == 3
    key = "seccomp.security.alpha.kubernetes.io/pod"
    noted = pod({}, annotations={key: "unconfined"})
    assert details(evaluate(LevelVersion("baseline", 18), noted)) == (
        f'seccompProfile (forbidden annotation {key}="unconfined")'
    )


def test_labels_are_a_policy():
    policy, causes = policy_of({f"{PREFIX}enforce": "baseline", f"{PREFIX}enforce-version": "v1.30"})
    assert (str(policy.enforce), str(policy.audit), str(policy.warn)) == (
        "baseline:v1.30",
        "privileged:latest",
        "baseline:v1.30",
    )
    assert causes == []


def test_a_level_that_there_is_not_enforces_the_strictest():
    policy, causes = policy_of({f"{PREFIX}enforce": "x", f"{PREFIX}audit": "y", f"{PREFIX}warn-version": "v9"})
    assert (policy.enforce.level, policy.audit.level) == ("restricted", "privileged")
    assert len(causes) == 3
