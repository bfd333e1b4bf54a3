"""A cluster on a real Docker engine in a network without a way out, and what a test sees of it through kubectl.

DockerCluster   one dockerd, one `kactl up --embedded --runtime docker`, kubectl as an administrator
Space           a namespace of a test's own
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tests.e2e.lab import BUSYBOX_IMAGE

T = TypeVar("T")
START_SECONDS = 90.0
# Generous: a condition that holds ends the wait, and CI's machine may be busy.
PATIENCE = 60.0
# Docker's own, and the one for the pods.
NETWORKS = {"bridge", "host", "none", "kube-actors-default"}


def until(look: Callable[[], T], what: str = "", seconds: float = PATIENCE) -> T:
    """The first result of `look` that is true. A failed assertion or kubectl counts as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found, last = look(), ""
        except AssertionError as error:
            found, last = None, str(error)
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what} {last or found!r}"
        time.sleep(0.1)


class DockerCluster:
    """`lab` is a DockerLab that runs and has the busybox image. `config` is YAML for `kactl up -f`."""

    def __init__(self, lab: Any, config: str = "") -> None:
        self.lab = lab
        self.folder = Path(tempfile.mkdtemp(prefix="ka-e2e-"))
        self.kubeconfig = self.folder / "kubeconfig"
        self.log, self.data = self.folder / "kactl.log", self.folder / "data"
        self._config = self.folder / "config.yaml" if config else None
        if self._config is not None:
            self._config.write_text(config)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def node_folder(self) -> Path:
        """Where the one node keeps its pods' files."""
        return next((self.data / "nodes").iterdir())

    def start(self) -> None:
        """Returns when the node is Ready and pods can be created. May follow `stop` or `kill`: the objects are back."""
        chosen = ["-f", str(self._config)] if self._config is not None else ["--runtime", "docker", "--api-port", "0"]
        command: tuple[str, ...] = ("-m", "kube_actors_cli.main", "up", "--embedded", *chosen, "--data", str(self.data))
        command += ("--kubeconfig", str(self.kubeconfig))
        self.kubeconfig.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command(sys.executable, *command), stdout=log, stderr=log)
        until(self._is_up, "the cluster is up", START_SECONDS)

    def _is_up(self) -> bool:
        process = self._process
        if process is None or process.poll() is not None:
            raise RuntimeError(f"kactl up has ended:\n{self.log.read_text()[-3000:]}")
        if not self.kubeconfig.exists():
            return False
        ready = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
        return self.kubectl("get", "nodes", "-o", ready) == "True" and bool(
            self.kubectl("get", "serviceaccount", "default", "-n", "default")
        )

    def kill(self) -> None:
        """As a crash of everything but the engine and its containers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """In order, as with Ctrl-C: pods end with the cluster."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._process = None

    def close(self) -> None:
        """`stop`, and no file is left."""
        try:
            self.stop()
        finally:
            for mount in self._mounts():
                subprocess.run(["umount", "-l", mount], check=False)
            shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *words: str) -> list[str]:
        """The command line that runs a program in the lab's network, as this cluster's user."""
        clean = [f"{name}=" for name in os.environ if name.lower().endswith("_proxy")]
        homes = [f"DOCKER_HOST={self.lab.docker_host}", f"KUBE_ACTORS_HOME={self.folder}", f"HOME={self.folder}"]
        return list(self.lab.command(["env", *clean, *homes, f"KUBECONFIG={self.kubeconfig}", *words]))

    def run(self, *words: str, stdin: bytes = b"", seconds: float = 90) -> subprocess.CompletedProcess[str]:
        """Any program; the caller looks at its exit code."""
        done = subprocess.run(self.command(*words), input=stdin, capture_output=True, timeout=seconds)
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def popen(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """A program to talk with; the caller ends it."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.command(*words), **pipes | options)

    def kubectl(self, *words: str, stdin: bytes = b"", seconds: float = 90) -> str:
        """What kubectl prints; an AssertionError with its complaint where it fails."""
        done = self.run("kubectl", *words, stdin=stdin, seconds=seconds)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr.strip()}"
        return done.stdout

    def docker(self, *words: str) -> str:
        return str(self.lab.docker(*words).stdout)

    def leaks(self) -> list[str]:
        """What is left of pods when no pod is: containers, volumes, networks, mounts, folders, cables, processes."""
        left = [f"container {each}" for each in self.docker("ps", "-a", "--format", "{{.Names}}").split()]
        left += [f"Docker volume {each}" for each in self.docker("volume", "ls", "-q").split()]
        networks = set(self.docker("network", "ls", "--format", "{{.Name}}").split())
        left += [f"network {each}" for each in networks - NETWORKS]
        left += [f"mount {each}" for each in self._mounts()]
        left += self.lab.leftovers()
        pods = self.node_folder / "pods"
        left += [f"folder {each}" for each in pods.iterdir()] if pods.exists() else []
        return left

    def _mounts(self) -> list[str]:
        """What is mounted below the cluster's folder, the innermost first."""
        points = (line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())
        return [point for point in reversed(list(points)) if str(self.folder) in point]


class Space:
    """A namespace, and kubectl in it."""

    def __init__(self, cluster: DockerCluster, name: str) -> None:
        self.cluster, self.name = cluster, name

    def kubectl(self, *words: str, stdin: bytes = b"", seconds: float = 90) -> str:
        """See `DockerCluster.kubectl`."""
        return self.cluster.kubectl("-n", self.name, *words, stdin=stdin, seconds=seconds)

    def run(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        """kubectl, whose exit code the caller looks at."""
        return self.cluster.run("kubectl", "-n", self.name, *words, stdin=stdin)

    def create(self, *objects: Any) -> None:
        """Create objects in one call."""
        content = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("create", "-f", "-", stdin=json.dumps(content).encode())

    def get(self, kind: str, name: str) -> Any:
        return json.loads(self.kubectl("get", kind, name, "-o", "json"))

    def pod(self, name: str) -> Any:
        return self.get("pod", name)

    def container(self, pod: str, name: str = "c") -> Any:
        """The status of a container of any kind."""
        status = self.pod(pod)["status"]
        lists = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
        return next(each for kind in lists for each in status.get(kind, ()) if each["name"] == name)

    def wait(self, pod: str, condition: str = "Ready", seconds: int = 90) -> None:
        """Until a condition of the pod is True."""
        self.kubectl(
            "wait", f"pod/{pod}", f"--for=condition={condition}", f"--timeout={seconds}s", seconds=seconds + 30
        )

    def phase(self, pod: str, phase: str) -> Any:
        """The pod, when it has come to the phase."""
        return until(lambda: (found := self.pod(pod))["status"].get("phase") == phase and found, f"{pod} is {phase}")

    def sh(self, pod: str, script: str, container: str = "c") -> str:
        """What a shell in the container prints, without the last newline."""
        return self.kubectl("exec", pod, "-c", container, "--", "sh", "-c", script).rstrip("\n")

    def events(self, name: str, reason: str = "") -> list[str]:
        """Messages of an object's events."""
        chosen = f"involvedObject.name={name}" + (f",reason={reason}" if reason else "")
        found = json.loads(self.kubectl("get", "events", "--field-selector", chosen, "-o", "json"))
        return [each["message"] for each in found["items"]]


def pod(name: str, script: str = "sleep 3600", /, *, spec: Any = None, **container: Any) -> Any:
    """A pod of one busybox container `c` that runs a shell script and ends without a grace."""
    shell = {"name": "c", "image": BUSYBOX_IMAGE, "command": ["sh", "-c", script]}
    body = {"terminationGracePeriodSeconds": 0, "containers": [shell | container]} | (spec or {})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": body}
