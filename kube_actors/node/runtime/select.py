"""Which container runtime a node uses: the one that is asked for, or what works here."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path

from kube_actors.aio.clock import Clock
from kube_actors.api.errors import ConfigError
from kube_actors.node.runtime.interface import LogRotation, Runtime

KINDS = ("docker", "process", "simulated")
AUTO = "auto"
PROBE_SECONDS = 2.0


def docker_available(docker_host: str | None = None) -> str | None:
    """None where a Docker engine that we can use answers, else why not, in one line. Takes 2 s at most."""
    from kube_actors.node.runtime.docker.endpoint import resolve
    from kube_actors.node.runtime.docker.engine import choose_version

    try:
        endpoint = resolve(docker_host)
        connection = http.client.HTTPConnection(endpoint.host or "localhost", endpoint.port, timeout=PROBE_SECONDS)
        if endpoint.tls is not None:
            connection = http.client.HTTPSConnection(
                endpoint.host, endpoint.port, timeout=PROBE_SECONDS, context=endpoint.tls
            )
        try:
            if endpoint.local:
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.settimeout(PROBE_SECONDS)
                connection.sock.connect(endpoint.path)
            connection.request("GET", "/version")
            version = json.loads(connection.getresponse().read())
            choose_version(str(version["ApiVersion"]), str(version.get("MinAPIVersion") or "1.12"))
        finally:
            connection.close()
    except ConfigError as exc:
        return str(exc)
    except OSError as exc:
        return f"the Docker engine at {endpoint.url} cannot be reached: {exc.strerror or exc}"
    except (http.client.HTTPException, ValueError, KeyError, TypeError):
        return f"{endpoint.url} does not answer as a Docker engine does"
    return None


def detect(docker_host: str | None = None) -> str:
    """`docker` where an engine answers, else `process`."""
    return "docker" if docker_available(docker_host) is None else "process"


def create_runtime(
    kind: str,
    *,
    cluster: str,
    node: str,
    root_dir: Path,
    pod_network: str = "kube-actors",
    pod_subnet: str = "10.244.0.0/16",
    docker_host: str | None = None,
    clock: Clock | None = None,
    outlive: bool = True,
    logs: LogRotation = LogRotation(),  # noqa: B008
) -> Runtime:
    """A runtime that is not started yet. Without `outlive` processes end with this one, however it ends. Raises
    ConfigError for a kind that does not exist."""
    if kind == AUTO:
        kind = detect(docker_host)
    if kind == "docker":
        from kube_actors.node.runtime.docker import DockerConfig, DockerRuntime

        return DockerRuntime(DockerConfig(cluster, node, pod_network, pod_subnet, docker_host, logs), clock)
    if kind == "process":
        from kube_actors.node.runtime.process import ProcessConfig, ProcessRuntime

        return ProcessRuntime(ProcessConfig(root_dir, cluster, node, outlive, logs), clock)
    if kind == "simulated":
        from kube_actors.aio.clock import SystemClock
        from kube_actors.node.runtime.simulated import SimulatedConfig, SimulatedRuntime

        return SimulatedRuntime(SimulatedConfig(), clock or SystemClock())
    raise ConfigError(f"runtime {kind!r} is unknown: use {AUTO}, {', '.join(KINDS)}")
