"""A cluster on a real Docker engine in a network without a way out, and what a test sees of it through kubectl.

DockerCluster   one dockerd, one `kactl up --embedded --runtime docker`, kubectl as an administrator
Space           a namespace of a test's own
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from kube_actors.node.runtime.cgroups.cgroupfs import MOUNT
from kube_actors.node.runtime.cgroups.values import domain_of, slice_folder
from tests.e2e.lab import BUSYBOX_IMAGE, DockerLab, why_not
from tests.kactl_cluster import KactlCluster, kactl, until

# Docker's own, and the one for the pods.
NETWORKS = {"bridge", "host", "none", "kube-actors-default"}


class DockerCluster(KactlCluster):
    """`lab` is a DockerLab that runs and has the busybox image. `config` is YAML for `kactl up -f`."""

    def __init__(self, lab: Any, config: str = "") -> None:
        super().__init__("ka-e2e-")
        self.lab = lab
        self._config = self.folder / "config.yaml" if config else None
        if self._config is not None:
            self._config.write_text(config)

    def up_command(self) -> list[str]:
        chosen = ["-f", str(self._config)] if self._config is not None else ["--runtime", "docker", "--api-port", "0"]
        files = ("--data", str(self.data), "--kubeconfig", str(self.kubeconfig))
        return self.command(*kactl("up", "--embedded", *chosen, *files))

    def command(self, *words: str) -> list[str]:
        """The command line that runs a program in the lab's network, as this cluster's user."""
        clean = [f"{name}=" for name in os.environ if name.lower().endswith("_proxy")]
        homes = [f"DOCKER_HOST={self.lab.docker_host}", f"KUBE_ACTORS_HOME={self.folder}", f"HOME={self.folder}"]
        return list(self.lab.command(["env", *clean, *homes, f"KUBECONFIG={self.kubeconfig}", *words]))

    def docker(self, *words: str) -> str:
        return str(self.lab.docker(*words).stdout)

    def groups(self, below: str = "") -> list[Path]:
        """The node's own control group in each hierarchy that has it, or one `below` it."""
        domain = domain_of("default", self.node_folder.name, f"{self.lab.folder}/data")
        mounts = [MOUNT] if (MOUNT / "cgroup.controllers").exists() else list(MOUNT.iterdir())
        path = PurePosixPath("kube-actors", domain, below)
        if self._driver == "systemd":
            path = slice_folder(path)
        return [group for mount in mounts if (group := mount / path).is_dir()]

    @cached_property
    def _driver(self) -> str:
        """Who keeps the engine's control groups."""
        return self.docker("info", "-f", "{{.CgroupDriver}}").strip()

    def leaks(self) -> list[str]:
        """What is left of pods when no pod is: containers, volumes, networks, mounts, folders, groups, ..."""
        left = [f"container {each}" for each in self.docker("ps", "-a", "--format", "{{.Names}}").split()]
        left += [f"Docker volume {each}" for each in self.docker("volume", "ls", "-q").split()]
        networks = set(self.docker("network", "ls", "--format", "{{.Name}}").split())
        left += [f"network {each}" for each in networks - NETWORKS]
        left += [f"mount {each}" for each in self.mounts()]
        left += self.lab.leftovers()
        left += [f"control group {each}" for each in self.groups()]
        pods = self.node_folder / "pods"
        left += [f"folder {each}" for each in pods.iterdir()] if pods.exists() else []
        return left


@contextmanager
def cluster_in_a_lab(config: str = "", lab: DockerLab | None = None) -> Iterator[DockerCluster]:
    """A cluster that has not been started, on an engine that has. Both are gone in the end, or the test fails."""
    if reason := why_not():
        pytest.skip(reason)
    lab = lab or DockerLab()
    with lab:
        lab.import_busybox()
        cluster = DockerCluster(lab, config)
        try:
            yield cluster
        finally:
            print(cluster.log.read_text()[-6000:] if cluster.log.exists() else "it was not started")
            cluster.close()
    assert not lab.leaks()


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
        found = [each for kind in lists for each in status.get(kind, ()) if each["name"] == name]
        assert found, f"{pod} has no status of {name} yet"
        return found[0]

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


def python_pod(name: str, script: str, /, *, spec: Any = None, **container: Any) -> Any:
    """A pod that runs a script with this machine's interpreter and packages, of which the image has none."""
    places = dict.fromkeys(("/usr", "/lib", "/lib64", sys.base_prefix, sys.prefix))
    found = {f"host-{number}": path for number, path in enumerate(places) if Path(path).is_dir()}
    volumes = [{"name": each, "hostPath": {"path": path}} for each, path in found.items()]
    mounts = [{"name": each, "mountPath": path, "readOnly": True} for each, path in found.items()]
    spec = (spec or {}) | {"volumes": [*(spec or {}).get("volumes", ()), *volumes]}
    container |= {"volumeMounts": [*container.get("volumeMounts", ()), *mounts]}
    return pod(name, spec=spec, **container | {"command": [sys.executable, "-c", script]})
