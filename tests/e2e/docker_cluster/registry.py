"""A real registry on loopback in the lab's network, with one user; dockerd takes loopback without TLS."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.e2e.lab import DockerLab
from tests.kactl_cluster import until

PROGRAM = "docker-registry"
HOST = "127.0.0.1:5000"
USER, PASSWORD = "puller", "secret-word"
# What `htpasswd -nbB` makes of them.
USERS = "puller:$2y$05$WjtEJz6JQ1.CeyaMKgve8.T5sB8psUFKF8YiJuvGoIt1amLALuNrC\n"


def why_not() -> str | None:
    return None if shutil.which(PROGRAM) else f"a registry needs {PROGRAM}"


class Registry:
    """Serves while the block lasts."""

    def __init__(self, lab: DockerLab) -> None:
        self._lab = lab
        self._folder = Path(tempfile.mkdtemp(prefix="ka-registry-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Registry:
        (self._folder / "users").write_text(USERS)
        (self._folder / "config.yml").write_text(
            json.dumps(
                {
                    "version": 0.1,
                    "log": {"level": "warn"},
                    "storage": {"filesystem": {"rootdirectory": str(self._folder / "data")}},
                    "http": {"addr": HOST},
                    "auth": {"htpasswd": {"realm": "lab", "path": str(self._folder / "users")}},
                }
            )
        )
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self) -> None:
        command = self._lab.command([PROGRAM, "serve", str(self._folder / "config.yml")])
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        port = f":{int(HOST.partition(':')[2]):04X} "
        until(lambda: port in self._lab.run("cat", f"/proc/{self._process.pid}/net/tcp").stdout, "the registry serves")

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def freeze(self) -> None:
        """It takes connections and answers none."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def push(self, dockerfile: str, tag: str) -> str:
        """Build an image and push it: its name with the digest that the registry gave it.

        Here all is as it was before: what had the name has it again.
        """
        name = f"{HOST}/{tag}"
        before = self._lab.docker("images", "-q", name).stdout.strip()
        self.build(dockerfile, name)
        config = self._folder / "docker"
        config.mkdir(exist_ok=True)
        (config / "config.json").write_text(json.dumps({"auths": {HOST: auth()}}))
        self._lab.run("docker", "--config", str(config), "-H", self._lab.docker_host, "push", "-q", name)
        digests = self._lab.docker("image", "inspect", "-f", "{{index .RepoDigests 0}}", name).stdout.strip()
        self._lab.docker("image", "rm", name)
        if before:
            self._lab.docker("tag", before, name)
        return digests

    def build(self, dockerfile: str, name: str) -> None:
        """As a developer builds one; `now` in the folder differs each time."""
        folder = self._folder / "build"
        folder.mkdir(exist_ok=True)
        (folder / "Dockerfile").write_text(dockerfile)
        (folder / "now").write_text(str(time.time_ns()))
        self._lab.docker("build", "-q", "-t", name, str(folder))


def auth(password: str = PASSWORD) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{USER}:{password}".encode()).decode()}


def pull_secret(name: str, password: str = PASSWORD, kind: str = "dockerconfigjson") -> Any:
    servers: Any = {HOST: auth(password)}
    content = servers if kind == "dockercfg" else {"auths": servers}
    data = {f".{kind}": base64.b64encode(json.dumps(content).encode()).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": f"kubernetes.io/{kind}",
        "data": data,
    }
