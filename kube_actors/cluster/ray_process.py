"""Ray itself: the version that is here, a Ray of our own on loopback or one that exists, the connection to it."""

from __future__ import annotations

import importlib
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from kube_actors.api.errors import ConfigError
from kube_actors.cluster import ports
from kube_actors.cluster.config import RaySection
from kube_actors.cluster.desired import NAMESPACE
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.processes import ProcessId, end_session, find_by_argument, identify
from kube_actors.cluster.record import RayRecord

OLDEST, TOO_NEW = (2, 55), (3, 0)
HOST = "127.0.0.1"
DASHBOARD_PORT = 8265
START_SECONDS = 90.0
LISTENER_SECONDS = 5.0
STOP_SECONDS = 15.0
TEMP_PREFIX = "kube-actors-ray-"
READY_LINE = "Ray runtime started"
# The name of a session, as the path of a node's socket has it: the same on every node of one Ray.
SESSION = re.compile(r"/(session_[^/]+)/")
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    # A resolver of its own environment for each worker would take seconds.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}


def require_ray() -> str:
    """The installed version. Raises ConfigError where Ray is missing or of a version that is not supported."""
    try:
        version = metadata.version("ray")
    except metadata.PackageNotFoundError:
        raise ConfigError(
            "Ray is not installed: pip install 'kube-actors[ray]', or use 'kactl up --embedded', which needs none"
        ) from None
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if not OLDEST <= numbers < TOO_NEW:
        raise ConfigError(
            f"Ray {version} is installed, but kube-actors needs >=2.55,<3: pip install 'kube-actors[ray]', "
            "or use 'kactl up --embedded'"
        )
    return version


def environment(paths: ClusterPaths) -> dict[str, str]:
    """What every process that talks to our Ray has in its environment.

    Ray's token protects it from other users of the machine; the last one keeps it on loopback: without
    it Ray replaces 127.0.0.1 by an address of the network, and listens there.
    """
    return {
        **QUIET,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(paths.ray_token),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }


def environment_of(paths: ClusterPaths, ray: RayRecord) -> dict[str, str]:
    """What a process needs that talks to the Ray on record. One that was there before has its own rules."""
    if not ray.joined:
        return environment(paths)
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": ray.token_file} if ray.token_file else {}
    return {**QUIET, **token}


@dataclass(frozen=True, slots=True)
class PreparedRay:
    """A Ray that can be launched. `record` names its folder already, but no process."""

    record: RayRecord
    command: tuple[str, ...]


def prepare(paths: ClusterPaths, wanted: RaySection) -> PreparedRay:
    """Choose ports and a session folder. Raises ConfigError where a wanted port is in use.

    The folder is short and not below the state folder: a socket's path may have 107 bytes.
    """
    paths.read_or_make_token(paths.ray_token)
    ports.require_free(HOST, {"ray.port": wanted.port, "ray.dashboardPort": wanted.dashboard_port})
    free = ports.free_ports(4, HOST, avoid=(wanted.port, wanted.dashboard_port))
    port = wanted.port or free.pop()
    dashboard = wanted.dashboard_port or (DASHBOARD_PORT if ports.is_free(HOST, DASHBOARD_PORT) else free.pop())
    temp_dir = tempfile.mkdtemp(prefix=TEMP_PREFIX)
    arguments = {
        "--node-ip-address": HOST,
        "--port": port,
        "--num-cpus": wanted.num_cpus,
        "--object-store-memory": wanted.object_store_memory,
        "--dashboard-host": HOST,
        "--dashboard-port": dashboard,
        "--dashboard-agent-listen-port": free.pop(),
        "--ray-client-server-port": free.pop(),
        "--temp-dir": temp_dir,
        "--include-log-monitor": "false",
    }
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"]
    command += [str(part) for pair in arguments.items() for part in pair]
    nobody = ProcessId(0, "")
    record = RayRecord(f"{HOST}:{port}", f"http://{HOST}:{dashboard}", temp_dir, nobody)
    return PreparedRay(record, tuple(command))


def launch(paths: ClusterPaths, prepared: PreparedRay) -> RayRecord:
    """Start it in a session of its own; returns before it is ready."""
    with open(log_file(paths), "wb") as log:
        process = subprocess.Popen(
            prepared.command,
            env={**os.environ, **environment(paths)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=prepared.record.temp_dir,
        )
    return replace(prepared.record, leader=identify(process.pid))


def wait_ready(paths: ClusterPaths, ray: RayRecord, tick: Callable[[], None] = lambda: None) -> None:
    """Until it says that it runs. Raises ConfigError with its own last line where it ends instead."""
    deadline = time.monotonic() + START_SECONDS
    while READY_LINE not in (text := log_file(paths).read_text(errors="replace")):
        tick()
        if not ray.leader.alive():
            raise ConfigError(f"Ray did not start: {_last_line(text)} (see {log_file(paths)})")
        if time.monotonic() > deadline:
            raise ConfigError(f"Ray did not start within {START_SECONDS:.0f} s; see {log_file(paths)}")
        time.sleep(0.1)


def connect(paths: ClusterPaths, ray: RayRecord) -> None:
    """Make this process a driver of that Ray and of no other. Raises ConfigError."""
    again = "run 'kactl down' and 'kactl up' again"
    if not ports.answers(ray.address, LISTENER_SECONDS):
        # Ray itself would wait for minutes for a head that is not there.
        raise ConfigError(f"the cluster's Ray at {ray.address} does not answer; {again}")
    module = _init(paths, ray)
    sockets = [str(node.get("RayletSocketName", "")) for node in module.nodes()]
    if not any(path.startswith(ray.temp_dir) if ray.temp_dir else f"/{ray.session}/" in path for path in sockets):
        module.shutdown()
        raise ConfigError(f"another Ray answers at {ray.address}; {again}")


def join(paths: ClusterPaths, wanted: RaySection) -> tuple[RayRecord, str]:
    """Make this process a driver of a Ray that exists; the record, and this machine's address in it.

    Raises ConfigError where it does not answer, or where no node of it runs on this machine.
    """
    if not ports.answers(wanted.address, LISTENER_SECONDS):
        raise ConfigError(f"ray.address: no Ray answers at {wanted.address}; 'ray start --head' starts one")
    ray = RayRecord(wanted.address, "", "", ProcessId(0, ""), session="unknown", token_file=wanted.token_file)
    module = _init(paths, ray)
    mine = module.get_runtime_context().get_node_id()
    node = next(node for node in module.nodes() if node["NodeID"] == mine)
    found = SESSION.search(str(node["RayletSocketName"]))
    context = module.worker.global_worker.node.address_info
    dashboard = f"http://{context['webui_url']}" if context.get("webui_url") else ""
    session = found.group(1) if found else ""
    return replace(ray, session=session, dashboard=dashboard), str(node["NodeManagerAddress"])


def _init(paths: ClusterPaths, ray: RayRecord) -> Any:
    module = import_ray(environment_of(paths, ray))
    try:
        # What actors die of is asked for and said in one line, not printed by Ray as it comes.
        module.init(address=ray.address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, RuntimeError, ValueError, module.exceptions.RayError) as error:
        raise ConfigError(f"cannot reach the cluster's Ray at {ray.address}: {_first_line(str(error))}") from error
    return module


def import_ray(variables: Mapping[str, str]) -> Any:
    """Import ray with our environment: some of it is read at the import, and never again."""
    os.environ.update(variables)
    # It would win over the explicit address in some of Ray's own helpers.
    os.environ.pop("RAY_ADDRESS", None)
    return importlib.import_module("ray")


def disconnect() -> None:
    module = sys.modules.get("ray")
    if module is not None and module.is_initialized():
        module.shutdown()


def stop(ray: RayRecord) -> None:
    """End that Ray, all processes of its session, and its session folder; not one that was there before."""
    if ray.joined:
        return
    leader = ray.leader if ray.leader.pid else find_by_argument(ray.temp_dir)
    if leader is not None:
        end_session(leader, STOP_SECONDS)
    if Path(ray.temp_dir).name.startswith(TEMP_PREFIX):
        shutil.rmtree(ray.temp_dir, ignore_errors=True)


def log_file(paths: ClusterPaths) -> Path:
    return paths.logs / "ray.log"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else "no reason given"
