"""What a node refuses because it cannot confine it, or must not open it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kube_actors.node.containers.confinement import refuses
from kube_actors.node.containers.security import security_of
from kube_actors.node.containers.sysctls import dotted, forbidden, problem
from kube_actors.node.runtime.interface import Image, RuntimeFailure
from tests.unit.node.conftest import make_pod


def sysctls(*names: str, **spec: Any) -> Any:
    return make_pod(securityContext={"sysctls": [{"name": name, "value": "1"} for name in names]}, **spec)


@pytest.mark.parametrize(
    ("pod", "allowed", "reason"),
    [
        (sysctls("kernel.shm_rmid_forced", "net.ipv4.tcp_rmem"), (), None),
        (sysctls("net/ipv4/tcp_syncookies"), (), None),
        (sysctls("kernel.sem"), (), 'forbidden sysctl: "kernel.sem" not allowlisted'),
        (sysctls("kernel.sem"), ("kernel.sem",), None),
        (sysctls("kernel.msgmax"), ("kernel.msg*",), None),
        (sysctls("kernel.msgmax"), ("kernel.shm*",), 'forbidden sysctl: "kernel.msgmax" not allowlisted'),
        (
            sysctls("net.ipv4.tcp_rmem", hostNetwork=True),
            (),
            'forbidden sysctl: "net.ipv4.tcp_rmem" not allowed with host Net enabled',
        ),
        (
            sysctls("kernel.shm_rmid_forced", hostIPC=True),
            (),
            'forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host IPC enabled',
        ),
    ],
)
def test_sysctls_are_safe_or_allowed_or_forbidden(pod: Any, allowed: tuple[str, ...], reason: str | None) -> None:
    assert forbidden(pod, allowed) == reason


def test_a_list_of_allowed_sysctls_may_name_only_what_each_pod_has_of_its_own() -> None:
    assert problem(("kernel.msg*", "net.core.somaxconn", "fs.mqueue.*", "net/ipv4/x")) is None
    assert (
        problem(("kernel.msg*", "vm.swappiness")) == "has 'vm.swappiness', which Linux does not keep apart for each pod"
    )
    assert dotted("net/ipv4/conf/eth0.100/x") == "net.ipv4.conf.eth0/100.x"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({}, None),
        ({"os": {"name": "linux"}}, None),
        ({"os": {"name": "windows"}}, "PodOSNotSupported"),
        ({"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}}, "AppArmor"),
        ({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}, None),
        ({"securityContext": {"supplementalGroupsPolicy": "Merge"}}, None),
        ({"securityContext": {"supplementalGroupsPolicy": "Strict"}}, "SupplementalGroupsPolicyNotSupported"),
        ({"securityContext": {"supplementalGroupsPolicy": "Strict", "runAsGroup": 5}}, None),
    ],
)
def test_pods_are_refused_for_what_the_node_has_not(spec: Any, reason: str | None) -> None:
    failure = refuses(make_pod(**spec), (), app_armor=False)
    assert (failure and failure.reason) == reason


def test_a_node_with_apparmor_takes_pods_with_profiles() -> None:
    container = {"name": "c", "image": "web:1", "securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}}
    pod = make_pod(containers=[container])
    assert refuses(pod, (), app_armor=True) is None
    refused = refuses(pod, (), app_armor=False)
    assert refused is not None
    assert refused.message == "Cannot enforce AppArmor: AppArmor is not enabled on the host"


def test_profiles_are_named_or_read_from_the_nodes_folder(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text("{}")

    def security(**context: Any) -> Any:
        pod = make_pod(containers=[{"name": "c", "image": "web:1", "securityContext": context}])
        return security_of(pod, pod["spec"]["containers"][0], Image("i", (), 0), tmp_path)

    local = {"type": "Localhost", "localhostProfile": "p.json"}
    assert security(seccompProfile=local).seccomp == "{}"
    assert security(seccompProfile={"type": "Unconfined"}).seccomp == "unconfined"
    assert security(seccompProfile={"type": "RuntimeDefault"}).seccomp == ""
    assert security(appArmorProfile={"type": "Localhost", "localhostProfile": "mine"}).app_armor == "mine"
    with pytest.raises(RuntimeFailure, match=r"cannot load seccomp profile .*none.json: no such file or directory"):
        security(seccompProfile=local | {"localhostProfile": "none.json"})
