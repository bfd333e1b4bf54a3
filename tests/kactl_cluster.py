"""`kactl up --embedded` in a process of its own, and kubectl as its administrator."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.programs import Program, Terminal, talking

T = TypeVar("T")
START_SECONDS = 90.0
# Generous: a condition that holds ends the wait, and CI's machine may be busy.
PATIENCE = 60.0


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


class KactlCluster:
    """A cluster in a folder of its own below /tmp, whose name begins with `prefix`."""

    def __init__(self, prefix: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=prefix))
        self.kubeconfig = self.folder / "kubeconfig"
        self.log, self.data = self.folder / "kactl.log", self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None

    # What differs between kinds

    @property
    def environment(self) -> dict[str, str] | None:
        """Of every program; None: this process' own."""
        return None

    def command(self, *words: str) -> list[str]:
        """The command line that runs a program where the cluster is."""
        return list(words)

    def up_command(self) -> list[str]:
        """The command line that starts the cluster."""
        raise NotImplementedError

    # Its life

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
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.up_command(), env=self.environment, stdout=log, stderr=log, cwd=self.folder
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
        """`stop`, and no file or mount is left."""
        try:
            self.stop()
        finally:
            for mount in self.mounts():
                subprocess.run(["umount", "-l", mount], check=False)
            shutil.rmtree(self.folder, ignore_errors=True)

    def mounts(self) -> list[str]:
        """What is mounted below the cluster's folder, the innermost first."""
        points = (line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())
        return [point for point in reversed(list(points)) if str(self.folder) in point]

    # What is done with it

    def run(self, *words: str, stdin: bytes = b"", seconds: float = 90) -> subprocess.CompletedProcess[str]:
        """Any program; the caller looks at its exit code."""
        done = subprocess.run(
            self.command(*words), input=stdin, capture_output=True, timeout=seconds, env=self.environment
        )
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def popen(self, *words: str) -> Program:
        """A program to talk with, until its `with` block is left."""
        return talking(self.command(*words), env=self.environment)

    def terminal(self, *words: str) -> Terminal:
        """A program on a pseudo-terminal, until its `with` block is left."""
        return Terminal(self.command(*words), self.environment)

    def kubectl(self, *words: str, stdin: bytes = b"", seconds: float = 90) -> str:
        """What kubectl prints; an AssertionError with its complaint where it fails."""
        done = self.run("kubectl", *words, stdin=stdin, seconds=seconds)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr.strip()}"
        return done.stdout


def kactl(*words: str) -> tuple[str, ...]:
    """The command line of this checkout's kactl."""
    return sys.executable, "-m", "kube_actors_cli.main", *words
