"""The /etc/hosts of a pod, which the node keeps (pkg/kubelet/kubelet_pods.go, ensureHostsFile)."""

from __future__ import annotations

from pathlib import Path

from kube_actors.api import Obj
from kube_actors.node.config import NodeConfig
from kube_actors.node.containers.sandbox import domain_of, hostname_of
from kube_actors.node.runtime.interface import Mount

PATH = "/etc/hosts"
HEADER = "# Kubernetes-managed hosts file.\n"
HOST_NETWORK_HEADER = "# Kubernetes-managed hosts file (host network).\n"
STANDARD = (
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\n"
    "fe00::1\tip6-allnodes\n"
    "fe00::2\tip6-allrouters\n"
)


def hosts_text(pod: Obj, config: NodeConfig, ip: str, machine_hosts: str) -> str:
    """`ip` is the pod's; `machine_hosts` the machine's own file, for a pod in its network."""
    if pod["spec"].get("hostNetwork"):
        text = HOST_NETWORK_HEADER + machine_hosts
    else:
        hostname, domain = hostname_of(pod, config).partition(".")[0], domain_of(pod, config)
        names = f"{hostname}.{domain}\t{hostname}" if domain else hostname
        text = f"{HEADER}{STANDARD}{ip}\t{names}\n"
    aliases = pod["spec"].get("hostAliases") or ()
    if aliases:
        text += "\n# Entries added by HostAliases.\n"
        text += "".join(f"{each['ip']}\t" + "\t".join(each.get("hostnames") or ()) + "\n" for each in aliases)
    return text


def hosts_mount(pod: Obj, container: Obj, pod_dir: Path, config: NodeConfig, ip: str) -> list[Mount]:
    """Write the pod's file and mount it; nothing where the container mounts something there itself.

    Raises OSError.
    """
    if any(str(each["mountPath"]).rstrip("/") == PATH for each in container.get("volumeMounts") or ()):
        return []
    machine = ""
    if pod["spec"].get("hostNetwork"):
        machine = Path(PATH).read_text(errors="replace") if Path(PATH).exists() else ""
    file = pod_dir / "etc-hosts"
    text = hosts_text(pod, config, ip, machine)
    if not file.exists() or file.read_text() != text:
        pod_dir.mkdir(parents=True, exist_ok=True)
        # In place: containers that run have this very file mounted.
        file.write_text(text)
        file.chmod(0o644)
    return [Mount(str(file), PATH)]
