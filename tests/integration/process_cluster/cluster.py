"""A cluster on plain processes, as a user starts it: `kactl up --embedded --runtime process`, and kubectl.

It runs in a process of its own, so that it can be killed, be somebody without rights, and see programs that are
not on this machine.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.e2e.docker_cluster.cluster import until

START_SECONDS = 90.0
CONFIG = """
name: {name}
mode: embedded
runtime: process
apiServer: {{port: 0, grpcPort: 0, tokenPort: 0}}
store: {{durable: {durable}}}
"""
# The user without rights of some tests.
NOBODY = 65534


class ProcessCluster:
    """`config` is YAML that is added to what every test needs. `uid`: who runs it, not root. `path`: a folder of
    programs that come first. Without `namespaces` that user may make none, as on hardened machines. Usable where
    DockerCluster is, by `Space`."""

    def __init__(
        self,
        config: str = "",
        *,
        name: str = "default",
        uid: int | None = None,
        path: Path | None = None,
        namespaces: bool = True,
        durable: bool = True,
    ) -> None:
        self.name, self._durable = name, durable
        self.folder = Path(tempfile.mkdtemp(prefix="ka-process-"))
        self.kubeconfig = self.folder / "kubeconfig"
        self.log, self.data, self.home = self.folder / "kactl.log", self.folder / "data", self.folder / "home"
        self._config = self.folder / "config.yaml"
        self.configure(config)
        self._uid, self._path, self._namespaces = uid, path, namespaces
        self.home.mkdir()
        self.data.mkdir()
        if uid is not None:
            for each in (self.folder, self.home, self.data):
                os.chown(each, uid, uid)
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, config: str) -> None:
        """What the next start is to find."""
        self._config.write_text(CONFIG.format(name=self.name, durable=str(self._durable).lower()) + config)

    @property
    def node_folder(self) -> Path:
        """Where the one node keeps its pods' files."""
        return next((self.data / "nodes").iterdir())

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when the node is Ready and pods can be created. May follow `stop` or `kill`: the objects are back."""
        self.kubeconfig.unlink(missing_ok=True)
        words = ("up", "--embedded", "-f", str(self._config), *(("--data", str(self.data)) if self._durable else ()))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._as_user(*kactl(*words, "--kubeconfig", str(self.kubeconfig))),
                env=self.environment,
                stdout=log,
                stderr=log,
                cwd="/",
            )
        until(self._is_up, "the cluster is up", START_SECONDS)

    def _is_up(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"kactl up has ended:\n{self.log.read_text()[-3000:]}")
        if not self.kubeconfig.exists():
            return False
        ready = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
        return self.kubectl("get", "nodes", "-o", ready) == "True" and bool(
            self.kubectl("get", "serviceaccount", "default", "-n", "default")
        )

    def kill(self) -> None:
        """As a crash of everything but the pods."""
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
            # What the user's pods made is the user's.
            subprocess.run(["rm", "-rf", str(self.folder)], check=False)

    @property
    def environment(self) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        path = f"{self._path}:{clean['PATH']}" if self._path else clean["PATH"]
        homes = {"HOME": str(self.home), "KUBE_ACTORS_HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig)}
        # Where a cluster that is only in memory has its files.
        return clean | homes | {"PATH": path, "TMPDIR": str(self.data)}

    def _as_user(self, *words: str) -> list[str]:
        return list(words) if self._uid is None else as_user(self._uid, words, namespaces=self._namespaces)

    def run(self, *words: str, stdin: bytes = b"", seconds: float = 90) -> subprocess.CompletedProcess[str]:
        """Any program; the caller looks at its exit code."""
        done = subprocess.run(words, input=stdin, capture_output=True, timeout=seconds, env=self.environment)
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def popen(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """A program to talk with; the caller ends it."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(words, env=self.environment, **pipes | options)

    def kubectl(self, *words: str, stdin: bytes = b"", seconds: float = 90) -> str:
        """What kubectl prints; an AssertionError with its complaint where it fails."""
        done = self.run("kubectl", *words, stdin=stdin, seconds=seconds)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr.strip()}"
        return done.stdout

    def kactl(self, *words: str, seconds: float = 90) -> subprocess.CompletedProcess[str]:
        return self.run(*self._as_user(*kactl(*words)), seconds=seconds)

    def processes(self) -> list[str]:
        """The command lines of all processes of its pods: a supervisor names its folder, the others are below it."""
        return [line for line in command_lines() if str(self.data) in line]

    def cgroups(self) -> list[str]:
        """The groups of its nodes."""
        mount = Path("/sys/fs/cgroup")
        patterns = (f"kube-actors/{self.name}-*", f"*/kube-actors/{self.name}-*")
        return [str(each) for pattern in patterns for each in mount.glob(pattern)]


def kactl(*words: str) -> tuple[str, ...]:
    return sys.executable, "-m", "kube_actors_cli.main", *words


def as_user(uid: int, words: tuple[str, ...], *, namespaces: bool = True) -> list[str]:
    """The command line that runs a program as that user, who can reach this interpreter wherever it lies."""
    prefix = Path(sys.base_prefix).resolve()
    closed = next((each for each in reversed(prefix.parents) if not each.stat().st_mode & 0o001), None)
    open_way = ""
    if closed is not None:
        # In a mount namespace of its own: what is closed to others is covered, and holds nothing but the interpreter.
        where, held = shlex.quote(str(closed)), shlex.quote(str(prefix))
        open_way = (
            f"exec 9<{held}; mount -t tmpfs -o mode=755 tmpfs {where}; mkdir -p {held}; "
            f"mount --no-canonicalize --bind /proc/self/fd/9 {held}; "
        )
    if not namespaces:
        # A limit of a namespace of users, so that the machine keeps its own; those inside have none of its rights.
        limit = f"echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --inh-caps=-all -- {shlex.join(words)}"
        words = ("unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-ec", limit)
    drop = f"exec setpriv --reuid={uid} --regid={uid} --clear-groups -- {shlex.join(words)}"
    return ["unshare", "--mount", "sh", "-ec", open_way + drop]


def command_lines() -> list[str]:
    """Of all processes of the machine."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
    return found
