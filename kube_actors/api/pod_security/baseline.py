"""The level baseline: what lets a pod out of its container is forbidden."""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, get_path
from kube_actors.api.pod_security.checks import (
    Check,
    Violation,
    containers,
    containers_of,
    context_of,
    in_user_namespace,
    named,
    plural,
    pod_context,
    profile_values,
    quoted,
    setters,
)

PROFILES = ("RuntimeDefault", "Localhost")
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_CAPABILITIES = frozenset((
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
))  # fmt: skip
_SELINUX_TYPES = frozenset(("", "container_t", "container_init_t", "container_kvm_t"))
_SELINUX_TYPES_31 = _SELINUX_TYPES | {"container_engine_t"}
_SYSCTLS = frozenset((
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
))  # fmt: skip
_SYSCTLS_27 = _SYSCTLS | {"net.ipv4.ip_local_reserved_ports"}
_SYSCTLS_29 = _SYSCTLS_27 | {
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
_SYSCTLS_32 = _SYSCTLS_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}


def app_armor(pod: Obj) -> Violation | None:
    who, values = profile_values(pod, "appArmorProfile", PROFILES)
    notes = sorted(
        f'{key}="{value}"'
        for key, value in annotations_of(pod).items()
        if key.startswith(_APP_ARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    )
    if not who and not notes:
        return None
    parts = [part for part in (who, plural("annotation", len(notes)) if notes else "") if part]
    # Kubernetes quotes the annotations' values a second time, as Go quotes a text.
    shown = quoted(one.replace('"', '\\"') for one in (*values, *notes))
    reason = plural("forbidden AppArmor profile", len(values) + len(notes))
    return Violation(reason, f"{' and '.join(parts)} must not set AppArmor profile type to {shown}")


def capabilities(pod: Obj) -> Violation | None:
    def extra(container: Obj) -> set[str]:
        return set(get_path(container, "securityContext", "capabilities", "add", default=[])) - _CAPABILITIES

    names = named(pod, extra)
    if not names:
        return None
    added = sorted(set().union(*(extra(one) for one in containers_of(pod))))
    detail = f"{containers(names)} must not include {quoted(added)} in securityContext.capabilities.add"
    return Violation("non-default capabilities", detail)


def host_namespaces(pod: Obj) -> Violation | None:
    shared = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if pod["spec"].get(field)]
    return Violation("host namespaces", ", ".join(shared)) if shared else None


def host_path_volumes(pod: Obj) -> Violation | None:
    names = [one["name"] for one in pod["spec"].get("volumes") or () if one.get("hostPath") is not None]
    return Violation("hostPath volumes", f"{plural('volume', len(names))} {quoted(names)}") if names else None


def host_ports(pod: Obj) -> Violation | None:
    def ports(container: Obj) -> list[int]:
        return [port["hostPort"] for port in container.get("ports") or () if port.get("hostPort")]

    names = named(pod, ports)
    if not names:
        return None
    used = sorted({str(port) for one in containers_of(pod) for port in ports(one)})
    verb = "uses" if len(names) == 1 else "use"
    return Violation("hostPort", f"{containers(names)} {verb} {plural('hostPort', len(used))} {', '.join(used)}")


def host_probes(pod: Obj) -> Violation | None:
    names = sorted(set(named(pod, lambda one: list(_hosts(one)))))
    if not names:
        return None
    used = sorted({host for one in containers_of(pod) for host in _hosts(one)})
    verb = "uses" if len(names) == 1 else "use"
    detail = f"{containers(names)} {verb} {plural('probe or lifecycle host', len(used))} {quoted(used)}"
    return Violation("probe or lifecycle host", detail)


def _hosts(container: Obj) -> Iterable[str]:
    lifecycle = container.get("lifecycle") or {}
    handlers = [container.get(field) for field in ("livenessProbe", "readinessProbe", "startupProbe")]
    handlers += [lifecycle.get("postStart"), lifecycle.get("preStop")]
    for handler in handlers:
        for field in ("httpGet", "tcpSocket"):
            if host := get_path(handler, field, "host"):
                yield host


def privileged(pod: Obj) -> Violation | None:
    names = named(pod, lambda one: context_of(one).get("privileged"))
    if not names:
        return None
    return Violation("privileged", f"{containers(names)} must not set securityContext.privileged=true")


def proc_mount(pod: Obj) -> Violation | None:
    def unusual(container: Obj) -> str:
        mount = str(context_of(container).get("procMount") or "Default")
        return "" if mount == "Default" else mount

    names = named(pod, unusual)
    if not names:
        return None
    values = sorted({unusual(one) for one in containers_of(pod)} - {""})
    return Violation("procMount", f"{containers(names)} must not set securityContext.procMount to {quoted(values)}")


def proc_mount_35(pod: Obj) -> Violation | None:
    return None if in_user_namespace(pod) else proc_mount(pod)


def selinux_options(pod: Obj, types: frozenset[str] = _SELINUX_TYPES) -> Violation | None:
    def faults(context: Obj) -> list[str]:
        options = context.get("seLinuxOptions") or {}
        found = [f'"{options["type"]}"'] if (options.get("type") or "") not in types else []
        return found + [field for field in ("user", "role") if options.get(field)]

    names = named(pod, lambda one: faults(context_of(one)))
    every = faults(pod_context(pod)) + [fault for one in containers_of(pod) for fault in faults(context_of(one))]
    if not every:
        return None
    bad = sorted({one for one in every if one.startswith('"')})
    data = [f"{plural('type', len(bad))} {', '.join(bad)}"] if bad else []
    data += [f"{field} may not be set" for field in ("user", "role") if field in every]
    who = setters(bool(faults(pod_context(pod))), names)
    return Violation("seLinuxOptions", f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}")


def seccomp_annotations(pod: Obj) -> Violation | None:
    """Before 1.19 the profile was an annotation."""
    found = annotations_of(pod)
    keys = {_SECCOMP_POD, *(_SECCOMP_CONTAINER + one.get("name", "") for one in containers_of(pod))}
    bad = sorted(f'{key}="{found[key]}"' for key in keys if key in found and not _allowed_seccomp(found[key]))
    if not bad:
        return None
    return Violation("seccompProfile", f"forbidden {plural('annotation', len(bad))} {', '.join(bad)}")


def _allowed_seccomp(value: str) -> bool:
    return value in ("runtime/default", "docker/default") or value.startswith("localhost/")


def seccomp_profile(pod: Obj) -> Violation | None:
    who, values = profile_values(pod, "seccompProfile", PROFILES)
    if not who:
        return None
    return Violation("seccompProfile", f"{who} must not set securityContext.seccompProfile.type to {quoted(values)}")


def sysctls(pod: Obj, allowed: frozenset[str] = _SYSCTLS) -> Violation | None:
    names = [one.get("name", "") for one in pod_context(pod).get("sysctls") or ()]
    bad = [name for name in names if name not in allowed]
    return Violation("forbidden sysctls", ", ".join(bad)) if bad else None


def windows_host_process(pod: Obj) -> Violation | None:
    def set_by(context: Obj) -> bool:
        return bool(get_path(context, "windowsOptions", "hostProcess"))

    who = setters(set_by(pod_context(pod)), named(pod, lambda one: set_by(context_of(one))))
    if not who:
        return None
    return Violation("hostProcess", f"{who} must not set securityContext.windowsOptions.hostProcess=true")


# In the order of their names, which is that of the messages.
CHECKS = (
    Check("appArmorProfile", ((0, app_armor),)),
    Check("capabilities_baseline", ((0, capabilities),)),
    Check("hostNamespaces", ((0, host_namespaces),)),
    Check("hostPathVolumes", ((0, host_path_volumes),)),
    Check("hostPorts", ((0, host_ports),)),
    Check("hostProbesAndHostLifecycle", ((34, host_probes),)),
    Check("privileged", ((0, privileged),)),
    Check("procMount", ((0, proc_mount), (35, proc_mount_35))),
    Check("seLinuxOptions", ((0, selinux_options), (31, lambda pod: selinux_options(pod, _SELINUX_TYPES_31)))),
    Check("seccompProfile_baseline", ((0, seccomp_annotations), (19, seccomp_profile))),
    Check(
        "sysctls",
        (
            (0, sysctls),
            (27, lambda pod: sysctls(pod, _SYSCTLS_27)),
            (29, lambda pod: sysctls(pod, _SYSCTLS_29)),
            (32, lambda pod: sysctls(pod, _SYSCTLS_32)),
        ),
    ),
    Check("windowsHostProcess", ((0, windows_host_process),)),
)
