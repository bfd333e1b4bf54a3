"""Hosts on one machine: network namespaces on a bridge that has no way out, each with a Ray node of its own.

    with HostLab() as lab:
        head, *others = lab.add(3)
        for host in lab.hosts: host.start_ray(head if host is not head else None); host.wait_for_ray()
        head.command(["kactl", "up"])      the command line that runs something there
        others[0].lose()                   every process and the cable at once, as a machine that loses its power

Each host has a home of its own (KUBE_ACTORS_HOME), so that nothing is shared but the programs. The bridge is in a
namespace too: in the root one, packet filters of the machine would see its traffic.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

READY_SECONDS = 120.0
RAY_PORT = 6379
# A node that is gone is known to be after seconds, not after a minute; one that starts may be slow.
PATIENCE = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_raylet_start_wait_time_s": "120",
}
NETWORK = "10.77.0"


def why_not() -> str | None:
    """Why no hosts can be made on this machine; None if they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [tool for tool in ("ip", "nsenter") if shutil.which(tool) is None]
    return f"hosts need {', '.join(missing)}" if missing else None


class Host:
    """One namespace with an address, a home, and what was started in it."""

    def __init__(self, lab: HostLab, number: int) -> None:
        self.namespace = f"{lab.name}-{number}"
        self.address = f"{NETWORK}.{number}"
        self.home = lab.folder / f"home-{number}"
        self.home.mkdir()
        self._lab = lab
        self._number = number
        self._ray: subprocess.Popen[bytes] | None = None
        ip("netns", "add", self.namespace)
        ip("-n", self.namespace, "link", "set", "lo", "up")
        ip("link", "add", "eth0", "netns", self.namespace, "type", "veth", "peer", "name", f"port{number}",
           "netns", lab.bridge)  # fmt: skip
        ip("-n", lab.bridge, "link", "set", f"port{number}", "master", "br0", "up")
        ip("-n", self.namespace, "address", "add", f"{self.address}/24", "dev", "eth0")
        ip("-n", self.namespace, "link", "set", "eth0", "up")

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self._lab.token)}
        return {**kept, **token, **PATIENCE, "KUBE_ACTORS_HOME": str(self.home)}

    def command(self, command: Sequence[str]) -> list[str]:
        return ["nsenter", f"--net=/var/run/netns/{self.namespace}", *command]

    def start_ray(self, head: Host | None = None, labels: str = "") -> None:
        """Returns at once; see `wait_for_ray`. One at a time: they share a folder for sockets, and would the names."""
        where = [f"--address={head.address}:{RAY_PORT}"] if head else ["--head", f"--port={RAY_PORT}"]
        more = [] if head else ["--include-dashboard=false", "--temp-dir", str(self._lab.folder / "ray")]
        command = [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *where, *more,
            f"--node-ip-address={self.address}", "--num-cpus=1", "--object-store-memory=80000000",
            "--disable-usage-stats", *([f"--labels={labels}"] if labels else []),
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self._ray = subprocess.Popen(
                self.command(command), stdout=log, stderr=log, env=self.environment, start_new_session=True
            )

    def wait_for_ray(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while "Ray runtime started" not in self._log.read_text():
            assert self._ray is not None
            assert self._ray.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.1)

    def lose(self) -> None:
        """The cable first, so that no process says goodbye."""
        if f"{self.namespace}" in ip("netns", "list"):
            ip("-n", self._lab.bridge, "link", "del", f"port{self._number}")
        self.end()

    def end(self) -> None:
        """Everything that runs in the namespace, whoever started it."""
        deadline = time.monotonic() + 30
        while (pids := self.processes()) and time.monotonic() < deadline:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.05)
        if self._ray is not None:
            self._ray.wait()

    def processes(self) -> list[int]:
        return [int(pid) for pid in ip("netns", "pids", self.namespace).split()]

    @property
    def _log(self) -> Path:
        return self._lab.folder / f"ray-{self._number}.log"


class HostLab:
    """Hosts that see each other and nobody else."""

    def __init__(self) -> None:
        # Short: a network interface's and a socket's name may not be long.
        self.name = f"ka{secrets.token_hex(2)}"
        self.bridge = f"{self.name}-br"
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.token = self.folder / "token"
        self.token.write_text(secrets.token_hex(32))
        self.hosts: list[Host] = []

    def __enter__(self) -> HostLab:
        ip("netns", "add", self.bridge)
        ip("-n", self.bridge, "link", "add", "br0", "type", "bridge")
        ip("-n", self.bridge, "link", "set", "br0", "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for host in self.hosts:
            host.end()
        for namespace in (*(host.namespace for host in self.hosts), self.bridge):
            ip("netns", "del", namespace)
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, count: int = 1) -> list[Host]:
        added = [Host(self, len(self.hosts) + 1 + number) for number in range(count)]
        self.hosts.extend(added)
        return added


def ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout
