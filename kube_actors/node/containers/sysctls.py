"""Which kernel parameters a pod may set on the node, as pkg/kubelet/sysctl decides: those that are kept apart for each
pod and do no harm to others, and what the administrator allows besides."""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.api import Obj

SAFE = frozenset((
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
))  # fmt: skip
# What a namespace keeps apart, by the beginning of its name.
_NAMESPACES = {"kernel.sem": "IPC", "kernel.shm": "IPC", "kernel.msg": "IPC", "fs.mqueue.": "IPC", "net.": "Net"}
_SHARED_BY = {"IPC": "hostIPC", "Net": "hostNetwork"}


def dotted(name: str) -> str:
    """`net/ipv4/conf/eth0.100/x` is the same as `net.ipv4.conf.eth0/100.x`: the first separator says which it is."""
    separator = next((char for char in name if char in "./"), ".")
    return name if separator == "." else name.translate(str.maketrans("./", "/."))


def problem(patterns: Iterable[str]) -> str | None:
    """What is wrong with a list of allowed names (`kernel.msg*` for all that begin so)."""
    bad = [each for each in patterns if not _namespace(dotted(each).removesuffix("*"))]
    return f"has {bad[0]!r}, which Linux does not keep apart for each pod" if bad else None


def forbidden(pod: Obj, allowed: Iterable[str]) -> str | None:
    """Why the pod's sysctls are refused, in kubelet's words."""
    spec = pod["spec"]
    for each in (spec.get("securityContext") or {}).get("sysctls") or ():
        name = dotted(str(each["name"]))
        namespace = _namespace(name)
        if name not in SAFE and not any(_matches(name, dotted(pattern)) for pattern in allowed):
            return f'forbidden sysctl: "{name}" not allowlisted'
        if spec.get(_SHARED_BY.get(namespace, "")):
            return f'forbidden sysctl: "{name}" not allowed with host {namespace} enabled'
    return None


def _matches(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _namespace(name: str) -> str:
    return next((each for start, each in _NAMESPACES.items() if name.startswith(start)), "")
