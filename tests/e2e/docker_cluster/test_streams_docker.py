"""A cluster on a real Docker engine, without a way out: streams of its pods, and their way to the API server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)

# Whether something listens at the address that every pod is told, and whether anything would be believed.
REACH = "nc -w 5 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT </dev/null; echo $?; "
REACH += "nc -w 2 $POD_IP 9 </dev/null; echo $?"


class Inside:
    """Programs in a Docker lab's namespace, with a cluster of one process."""

    def __init__(self, lab: Any, folder: Path) -> None:
        self.lab, self.config = lab, folder / "kubeconfig"
        up = ("-m", "kube_actors_cli.main", "up", "--embedded", "--runtime", "docker", "--api-port", "0")
        command = self._command(sys.executable, *up, "--kubeconfig", str(self.config))
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.communicate(timeout=60)
        finally:
            self.process.kill()

    def kubectl(self, *words: str, stdin: bytes = b"") -> str:
        command = self._command("kubectl", "--kubeconfig", str(self.config), *words)
        answer = subprocess.run(command, input=stdin, capture_output=True, timeout=90)
        assert answer.returncode == 0, answer.stderr.decode()
        return answer.stdout.decode()

    def until_up(self) -> None:
        deadline = time.monotonic() + 90
        while True:
            assert self.process.poll() is None
            try:
                if self.config.exists() and "True" in self.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status}"):
                    self.kubectl("get", "serviceaccount", "default")
                    return
            except AssertionError:
                assert time.monotonic() < deadline
            time.sleep(0.5)

    def _command(self, *words: str) -> list[str]:
        clean = [f"{name}=" for name in os.environ if name.lower().endswith("_proxy")]
        homes = [f"DOCKER_HOST={self.lab.docker_host}", f"KUBE_ACTORS_HOME={self.config.parent}"]
        return self.lab.command(["env", *clean, *homes, *words])


@pytest.fixture
def inside(docker_lab: Any) -> Iterator[Inside]:
    folder = Path(tempfile.mkdtemp(prefix="ka-e2e-"))
    inside = Inside(docker_lab, folder)
    try:
        inside.until_up()
        yield inside
    finally:
        inside.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_streams_of_containers_and_their_way_to_the_api_server(inside: Inside) -> None:
    from tests.e2e.lab import BUSYBOX_IMAGE

    serve = "echo begun; mkdir /www; echo page >/www/index.html; exec httpd -f -p 8080 -h /www"
    ip = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    container = {"name": "c", "image": BUSYBOX_IMAGE, "command": ["sh", "-c", serve], "env": [ip]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    inside.kubectl("create", "-f", "-", stdin=json.dumps(pod).encode())
    inside.kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=60s")
    assert inside.kubectl("exec", "-i", "web", "--", "wc", "-c", stdin=b"x" * 100_000).strip() == "100000"
    assert inside.kubectl("get", "--raw", "/api/v1/namespaces/default/pods/web:8080/proxy/") == "page\n"
    assert inside.kubectl("logs", "web") == "begun\n"
    assert inside.kubectl("exec", "web", "--", "sh", "-c", REACH).split() == ["0", "1"]
