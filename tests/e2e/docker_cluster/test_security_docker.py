"""Security contexts through kubectl: what a process in the container has and may, as its kernel shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e.docker_cluster.cluster import Space, pod
from tests.kactl_cluster import until

# What the oldest engine knows of, up to AUDIT_READ: it gives no capability that is newer than itself.
KNOWN = (1 << 38) - 1
# The capability of a name, as a bit of CapEff.
CHOWN, NET_ADMIN, NET_RAW, SYS_TIME = 1 << 0, 1 << 12, 1 << 13, 1 << 25


def context(**fields: Any) -> Any:
    return {"securityContext": fields}


def status_of(space: Space, name: str, container: str = "c") -> dict[str, str]:
    """/proc/self/status of a process in the container."""
    lines = space.sh(name, "cat /proc/self/status", container).splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def capabilities(space: Space, name: str) -> int:
    return int(status_of(space, name)["CapEff"], 16)


def failed(space: Space, name: str) -> tuple[str, str]:
    status = space.phase(name, "Failed")["status"]
    return status["reason"], status["message"]


def test_a_container_has_the_users_and_groups_of_its_own_and_its_pods_context(space: Space) -> None:
    shared = {"runAsUser": 1000, "runAsGroup": 2000, "supplementalGroups": [3000, 3001], "fsGroup": 4000}
    two = [pod("x")["spec"]["containers"][0] | {"name": name} for name in ("c", "own")]
    two[1] |= context(runAsUser=1001, runAsGroup=2001)
    strict = {
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "supplementalGroups": [60000],
        "supplementalGroupsPolicy": "Strict",
    }
    space.create(
        pod("groups", spec={"containers": two} | context(**shared)),
        pod("strict", spec=context(**strict)),
        pod("unknown", spec=context(supplementalGroupsPolicy="Strict")),
        pod("root", **context(runAsNonRoot=True)),
        pod("user", **context(runAsNonRoot=True, runAsUser=7)),
    )
    space.wait("groups")
    assert space.sh("groups", "id -u; id -g; id -G").split("\n") == ["1000", "2000", "2000 3000 3001 4000"]
    assert space.sh("groups", "id -u; id -g", "own").split() == ["1001", "2001"]
    space.wait("strict")
    assert space.sh("strict", "id -G") == "1000 60000"
    space.wait("user")
    assert space.sh("user", "id -u") == "7"
    assert failed(space, "unknown") == (
        "SupplementalGroupsPolicyNotSupported",
        "Pod was rejected: SupplementalGroupsPolicy=Strict is not supported in this node",
    )
    until(lambda: space.container("root")["state"].get("waiting", {}).get("reason") == "CreateContainerConfigError")
    message = space.container("root")["state"]["waiting"]["message"]
    uid = space.pod("root")["metadata"]["uid"]
    who = f'(pod: "root_{space.name}({uid})", container: c)'
    assert message == f"container has runAsNonRoot and image will run as root {who}"


def test_capabilities_privileges_and_filters_are_what_the_container_asks_for(space: Space) -> None:
    add = {"add": ["NET_ADMIN", "CAP_SYS_TIME"], "drop": ["CAP_NET_RAW"]}
    none = {"drop": ["ALL"], "add": ["CHOWN"]}
    space.create(
        pod("plain"),
        pod("more", **context(capabilities=add, readOnlyRootFilesystem=True)),
        pod(
            "less", **context(capabilities=none, allowPrivilegeEscalation=False, seccompProfile={"type": "Unconfined"})
        ),
    )
    for name in ("plain", "more", "less"):
        space.wait(name)
    plain = capabilities(space, "plain")
    assert plain & NET_RAW
    assert not plain & NET_ADMIN
    assert capabilities(space, "more") & (NET_ADMIN | NET_RAW | SYS_TIME) == NET_ADMIN | SYS_TIME
    assert capabilities(space, "less") == CHOWN
    assert space.run("exec", "more", "--", "touch", "/x").stderr.startswith("touch: /x: Read-only file system")
    assert space.sh("plain", "touch /x; ls /x") == "/x"
    assert [status_of(space, name)["NoNewPrivs"] for name in ("plain", "less")] == ["0", "1"]
    # 2: a filter; 0: none.
    assert [status_of(space, name)["Seccomp"] for name in ("plain", "less")] == ["2", "0"]


def test_a_privileged_container_has_all_that_the_machine_has(space: Space) -> None:
    space.create(pod("plain"), pod("all", spec={"restartPolicy": "Never"}, **context(privileged=True)))
    started = until(lambda: [word for word in ("running", "terminated") if word in space.container("all")["state"]])
    ours = int(Path("/proc/self/status").read_text().partition("CapBnd:")[2].split()[0], 16)
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    if ours != (2 << last) - 1:
        # A machine that is confined itself has not all there is to give, and says so.
        assert started == ["terminated"]
        assert "unable to apply caps" in space.container("all")["state"]["terminated"]["message"]
        return
    space.wait("plain")
    assert capabilities(space, "all") & KNOWN == ours & KNOWN
    assert status_of(space, "all")["Seccomp"] == "0"
    assert int(space.sh("all", "ls /dev | wc -l")) > int(space.sh("plain", "ls /dev | wc -l"))


def test_a_seccomp_profile_of_the_nodes_folder_is_in_force_and_a_missing_one_is_told(space: Space) -> None:
    folder = space.cluster.node_folder / "seccomp"
    folder.mkdir(exist_ok=True)
    refused = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refused]}
    (folder / "no-mkdir.json").write_text(json.dumps(profile))
    local = {"type": "Localhost", "localhostProfile": "no-mkdir.json"}
    missing = local | {"localhostProfile": "none.json"}
    space.create(pod("local", **context(seccompProfile=local)), pod("missing", **context(seccompProfile=missing)))
    space.wait("local")
    assert "Operation not permitted" in space.run("exec", "local", "--", "mkdir", "/x").stderr
    until(lambda: space.container("missing")["state"].get("waiting", {}).get("reason") == "CreateContainerError")
    file = folder / "none.json"
    assert space.container("missing")["state"]["waiting"]["message"] == (
        f'failed to generate seccomp spec opts: cannot load seccomp profile "{file}": open {file}: '
        "no such file or directory"
    )


def test_what_the_node_cannot_confine_or_must_not_open_is_refused(space: Space) -> None:
    def sysctls(**values: str) -> Any:
        return context(sysctls=[{"name": name.replace("__", "."), "value": value} for name, value in values.items()])

    profile = {"type": "RuntimeDefault"}
    space.create(
        pod(
            "safe",
            spec=sysctls(
                kernel__shm_rmid_forced="1", net__ipv4__ip_unprivileged_port_start="80", kernel__msgmax="65536"
            ),
        ),
        pod("unsafe", spec=sysctls(kernel__shm_rmid_forced="1", kernel__sem="250 32000 32 128")),
        pod("armored", **context(appArmorProfile=profile)),
        pod("users", spec={"hostUsers": False}),
        pod(
            "windows",
            spec={"os": {"name": "windows"}, "nodeName": space.kubectl("get", "nodes", "-o", "name")[5:].strip()},
        ),
    )
    space.wait("safe")
    files = "cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax"
    assert space.sh("safe", files).split() == ["1", "80", "65536"]
    message = 'forbidden sysctl: "kernel.sem" not allowlisted'
    assert failed(space, "unsafe") == ("SysctlForbidden", f"Pod was rejected: {message}")
    assert space.events("unsafe", "SysctlForbidden") == [message]
    assert failed(space, "windows")[0] == "PodOSNotSupported"
    if space.run("exec", "safe", "--", "cat", "/sys/module/apparmor/parameters/enabled").stdout.strip() != "Y":
        message = "Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host"
        assert failed(space, "armored") == ("AppArmor", message)
    told = 'Failed to create pod sandbox: RuntimeClass handler "" does not support user namespaces'
    until(lambda: told in space.events("users", "FailedCreatePodSandBox"))


def test_the_namespaces_of_the_machine_and_of_the_pod_are_shared_where_asked(space: Space) -> None:
    shell = pod("x")["spec"]["containers"][0]
    two = {"containers": [shell, shell | {"name": "d", "command": ["sh", "-c", "sleep 4321"]}]}
    space.create(
        pod("apart", spec=two),
        pod("together", spec=two | {"shareProcessNamespace": True}),
        pod("host", spec={"hostPID": True, "hostIPC": True, "hostNetwork": True}),
    )
    for name in ("apart", "together", "host"):
        space.wait(name)
    assert "4321" not in space.sh("apart", "ps")
    assert "4321" in space.sh("together", "ps")
    assert "/pause" in space.sh("together", "ps")
    # IPC is the pod's, and so is the network.
    space.sh("apart", "echo hello > /dev/shm/x")
    assert space.sh("apart", "cat /dev/shm/x", "d") == "hello"
    seen = "readlink /proc/self/ns/ipc; readlink /proc/self/ns/pid; readlink /proc/self/ns/net"
    ours = space.cluster.run("sh", "-c", seen).stdout.split()
    assert space.sh("host", seen).split() == ours
    assert not set(space.sh("apart", seen).split()) & set(ours)
    status = space.pod("host")["status"]
    assert status["podIP"] == status["hostIP"]
