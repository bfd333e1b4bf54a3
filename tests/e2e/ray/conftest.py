"""A cluster on a Ray of its own, started and ended by the real kactl."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "cluster_configs" / "demo.yaml"
CONFIG = """
apiServer: {port: 0, grpcPort: 0, tokenPort: 0}
store: {port: 0}
runtime: process
ray: {objectStoreMemory: 80000000}
"""


@dataclass(frozen=True)
class Kactl:
    """kactl with a home of its own."""

    home: Path

    @property
    def config(self) -> Path:
        path = self.home / "config.yaml"
        path.write_text(CONFIG)
        return path

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        return {**kept, "KUBE_ACTORS_HOME": str(self.home)}

    def start(self, *words: str) -> subprocess.Popen[str]:
        program = [sys.executable, "-m", "kube_actors_cli.main", *words]
        return subprocess.Popen(
            program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment
        )

    def run(self, *words: str, seconds: float = 150) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        process = self.start(*words)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            out, err = process.communicate()
            raise AssertionError(f"kactl {' '.join(words)} hangs: {out}{err}") from None
        return process.returncode, out, err

    def __call__(self, *words: str, seconds: float = 150) -> str:
        """The output of a command that has to succeed."""
        code, out, err = self.run(*words, seconds=seconds)
        assert code == 0, f"kactl {' '.join(words)}: {out}{err}"
        return out

    def record(self) -> dict[str, Any]:
        """What is on record of the cluster; empty where nothing is."""
        path = self.home / "default" / "cluster.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def components(self) -> dict[str, dict[str, Any]]:
        _, out, _ = self.run("status", "-o", "json")
        return {each["kind"]: each for each in json.loads(out)["components"]}

    def processes(self) -> list[str]:
        """The command lines of everything that this home has started."""
        found = []
        marks = [str(self.home), self.record().get("ray", {}).get("temp_dir") or str(self.home)]
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                text = (entry / "cmdline").read_bytes() + b"\0" + (entry / "environ").read_bytes()
            except OSError:
                continue
            if any(mark.encode() in text for mark in marks):
                found.append(text.split(b"\0\0")[0].replace(b"\0", b" ").decode(errors="replace")[:150])
        return found


def until(holds: Callable[[], bool], seconds: float = 60, what: str = "it") -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what} does not hold after {seconds} s"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    return until


def _home() -> Iterator[Kactl]:
    pytest.importorskip("ray", reason="Ray is not installed")
    folder = Path(tempfile.mkdtemp(prefix="ka-e2e-"))
    kactl = Kactl(folder)
    try:
        yield kactl
    finally:
        kactl.run("down")
        logs = folder / "default" / "logs"
        if logs.exists():
            for path in sorted(logs.iterdir()):
                print(f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def kactl() -> Iterator[Kactl]:
    """A home without a cluster."""
    yield from _home()


@pytest.fixture(scope="module")
def running() -> Iterator[Kactl]:
    """A cluster that runs, for all tests of a module."""
    for kactl in _home():
        kactl("up", "-f", str(kactl.config))
        yield kactl
