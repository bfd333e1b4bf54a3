"""What a container asks for and does not get from the process runtime is told."""

from __future__ import annotations

from kube_actors.node.runtime.interface import ContainerSpec, Limits, SandboxSpec, Security
from kube_actors.node.runtime.process.plan import has_recursive_attributes, shortcomings, shortcomings_of_pod


def told(spec: ContainerSpec, mode: str = "root", euid: int = 0, kernel: str = "6.1.0-13-amd64") -> list[str]:
    return [f"{reason}: {text}" for reason, text in shortcomings(spec, mode, euid, limited=euid == 0, kernel=kernel)]


def test_what_can_be_had_is_not_told() -> None:
    confined = Security(user=1234, read_only_root=True, no_new_privileges=True)
    assert told(ContainerSpec("c", "host", security=confined, limits=Limits(memory_bytes=1))) == []
    assert told(ContainerSpec("c", "/srv/root.tar")) == []


def test_what_cannot_is() -> None:
    (image,) = told(ContainerSpec("c", "nginx:1"))
    assert image.startswith('ImageIgnored: the process runtime has no images: "nginx:1" is ignored')
    user, limits = told(
        ContainerSpec("c", "host", security=Security(user=0), limits=Limits(cpu_quota_us=1)), "user", 99
    )
    assert "it runs as user 99, not 0" in user
    assert limits.startswith("LimitsIgnored")
    read_only = ContainerSpec("c", "host", security=Security(read_only_root=True))
    assert told(read_only, kernel="5.10.0") == told(read_only, "none")
    assert "not read-only" in told(read_only, "none")[0]
    assert "capabilities" in told(ContainerSpec("c", "host", security=Security(drop_capabilities=("ALL",))))[0]


def test_sysctls_of_a_pod_would_be_the_machines() -> None:
    sysctls = (("net.ipv4.tcp_syncookies", "0"), ("kernel.shm_rmid_forced", "1"))
    ((reason, text),) = shortcomings_of_pod(SandboxSpec("n", "p", "u", "h", sysctls=sysctls))
    assert reason == "SysctlsIgnored"
    assert text.endswith(": net.ipv4.tcp_syncookies, kernel.shm_rmid_forced not set")
    assert shortcomings_of_pod(SandboxSpec("n", "p", "u", "h")) == []


def test_kernels_are_told_by_their_first_two_numbers() -> None:
    assert [has_recursive_attributes(each) for each in ("5.11.9", "5.12-rc1", "6.0", "4.19.0-20")] == [
        False, True, True, False,
    ]  # fmt: skip
