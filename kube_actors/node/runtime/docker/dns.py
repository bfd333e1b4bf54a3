"""A pod's /etc/resolv.conf.

On a network of its own Docker writes its embedded server (127.0.0.11) there, which answers for container names and
passes the rest on. Pods ask the cluster's DNS directly, and programs read search list and servers from the file, so
it is written again, in place because the containers of the pod have this very file mounted. Where the file is out of
reach (an engine elsewhere), Docker's stays: it forwards to the same servers.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from kube_actors.node.runtime.interface import SandboxSpec

log = structlog.get_logger(__name__)


def resolv_conf(spec: SandboxSpec) -> str:
    lines = [f"nameserver {server}" for server in spec.dns_servers]
    if spec.dns_searches:
        lines.insert(0, f"search {' '.join(spec.dns_searches)}")
    if spec.dns_options:
        lines.append(f"options {' '.join(spec.dns_options)}")
    return "\n".join(lines) + "\n"


def write_resolv_conf(path: str, spec: SandboxSpec) -> None:
    """Does nothing for a pod without servers of its own: it has the node's."""
    if not spec.dns_servers or not path:
        return
    try:
        Path(path).write_text(resolv_conf(spec))
    except OSError as exc:
        log.info("resolv.conf left to Docker", pod=f"{spec.namespace}/{spec.name}", path=path, error=str(exc))
