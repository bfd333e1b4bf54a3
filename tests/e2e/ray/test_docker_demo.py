"""`kactl demo` on a real Docker engine: the README's first command, in a namespace without a way out."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(600)


class Inside:
    """kactl inside a Docker lab's namespace."""

    def __init__(self, lab: Any, home: Path) -> None:
        self.lab, self.home = lab, home

    def run(self, *words: str) -> tuple[int, str, str]:
        assignments = [
            f"KUBE_ACTORS_HOME={self.home}",
            f"DOCKER_HOST={self.lab.docker_host}",
            "http_proxy=",
            "HTTP_PROXY=",
            "https_proxy=",
            "HTTPS_PROXY=",
        ]
        command = self.lab.command(["env", *assignments, sys.executable, "-m", "kube_actors_cli.main", *words])
        answer = subprocess.run(command, capture_output=True, text=True, timeout=300)
        return answer.returncode, answer.stdout, answer.stderr

    def __call__(self, *words: str) -> str:
        code, out, err = self.run(*words)
        assert code == 0, f"kactl {' '.join(words)}: {out}{err}"
        return out


@pytest.fixture
def kactl(make_docker_lab: Callable[[], Any]) -> Iterator[Inside]:
    pytest.importorskip("ray", reason="Ray is not installed")
    lab = make_docker_lab()
    home = Path(tempfile.mkdtemp(prefix="ka-e2e-"))
    inside = Inside(lab, home)
    try:
        yield inside
    finally:
        inside.run("down")
        shutil.rmtree(home, ignore_errors=True)


def test_the_demo_runs_in_containers_and_down_removes_them(kactl: Inside) -> None:
    out = kactl("demo")
    assert 'deployment "web" successfully rolled out' in out
    assert "Hello from kube_actors, Ada! This is web-" in out
    assert "docker" in next(line for line in out.splitlines() if line.startswith("Runtime:"))
    assert "Ray dashboard: http://127.0.0.1:" in out
    pods = json.loads(kactl("get", "pods", "-n", "demo", "-o", "json"))["items"]
    ids = {pod["status"]["containerStatuses"][0]["containerID"].removeprefix("docker://") for pod in pods}
    running = set(kactl.lab.docker("ps", "-q", "--no-trunc").stdout.split())
    assert len(ids) == 3
    assert ids <= running
    assert kactl("down") == "Cluster default is down\n"
    assert kactl.lab.docker("ps", "-aq").stdout == ""
    assert "kube-actors" not in kactl.lab.docker("network", "ls").stdout
    assert "kube" not in kactl.lab.run("nft", "list", "tables").stdout


def test_an_image_that_does_not_exist_is_told_in_the_pods_status(kactl: Inside, tmp_path: Path) -> None:
    kactl("up")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "missing"},
        "spec": {"containers": [{"name": "c", "image": "registry.invalid/nothing:1"}]},
    }
    (tmp_path / "pod.json").write_text(json.dumps(pod))
    kactl("apply", "-f", str(tmp_path / "pod.json"))
    waiting = "jsonpath={.status.containerStatuses[0].state.waiting.reason}"
    kactl("wait", f"--for={waiting}=ErrImagePull", "pod/missing", "--timeout=60s")
    described = kactl("describe", "pod", "missing")
    assert "Failed to pull image" in described
