"""A pod's /etc/resolv.conf.

On a network of its own Docker writes its embedded server (127.0.0.11) there, which answers for container names and
passes the rest on. Pods ask the cluster's DNS directly, and programs read search list and servers from the file, so
it is written again, in place because the containers of the pod have this very file mounted. Where the file is out of
reach (an engine elsewhere), Docker's stays: it forwards to the same servers.

A server that no pod asks costs: Docker starts its own program once more for each pod to lead port 53 of 127.0.0.11 to
it, 80 ms of a processor, a quarter of a sandbox's start (measured with 20.10). No setting of the API prevents it, but
up to version 24 Docker gives it up where it cannot bring its own `ndots` into the pod's options.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

import structlog

from kube_actors.node.runtime.interface import SandboxSpec

# Not a number of dots that Docker accepts.
NO_SERVER = ("ndots:-1",)
# The API of Docker 25, whose ways with it were not tried.
UNTRIED = (1, 44)

log = structlog.get_logger(__name__)


def reachable_servers(spec: SandboxSpec) -> list[str]:
    """Without servers on the node's loopback (systemd-resolved's 127.0.0.53), which a pod's own network has not."""
    if spec.host_network:
        return list(spec.dns_servers)
    return [server for server in spec.dns_servers if not ipaddress.ip_address(server).is_loopback]


def resolv_conf(spec: SandboxSpec) -> str:
    """Empty for a pod without servers of its own: it has the node's."""
    if not reachable_servers(spec):
        return ""
    lines = [f"nameserver {server}" for server in reachable_servers(spec)]
    if spec.dns_searches:
        lines.insert(0, f"search {' '.join(spec.dns_searches)}")
    if spec.dns_options:
        lines.append(f"options {' '.join(spec.dns_options)}")
    return "\n".join(lines) + "\n"


def docker_options(spec: SandboxSpec, *, refuse_server: bool) -> list[str]:
    """The options to tell Docker; with `refuse_server`, which is for pods whose file is written by us, no true ones."""
    refused = refuse_server and not spec.host_network and resolv_conf(spec)
    return list(NO_SERVER if refused else spec.dns_options)


def write_resolv_conf(path: str, text: str) -> None:
    """Does nothing without a text, or where it is there already."""
    if not path or not text:
        return
    try:
        if Path(path).read_text() != text:
            Path(path).write_text(text)
    except OSError as exc:
        log.info("resolv.conf left to Docker", path=path, error=str(exc))
