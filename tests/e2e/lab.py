"""A lab: a network namespace without a way out, and a dockerd of its own inside it.

    with DockerLab() as lab:
        lab.docker_host            unix://... for clients anywhere on this machine
        lab.run("ping", ip)        a command inside the namespace, where the pods' addresses are reachable
        lab.import_busybox()       an image to run, made from this machine's static busybox

Nothing that a test sends can leave the namespace. `stop()` ends what the lab started, by pid, and removes
everything; `leaks()` then names what is left, which should be nothing.
"""

from __future__ import annotations

import io
import os
import re
import secrets
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from tests.programs import Program

BUSYBOX = Path("/bin/busybox")
BUSYBOX_IMAGE = "kube-actors-test/busybox:1"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
TOOLS = ("dockerd", "ip", "nsenter", "iptables")


def why_not() -> str | None:
    """Why no lab can stand on this machine; None if it can."""
    if os.geteuid() != 0:
        return "a Docker lab needs root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"a Docker lab needs {', '.join(missing)}"
    if not is_static(BUSYBOX):
        return "a Docker lab needs busybox-static"
    return None


def is_static(program: Path) -> bool:
    """An ELF file without an interpreter."""
    try:
        return b"/ld-linux" not in program.read_bytes()[:4096] and program.read_bytes()[:4] == b"\x7fELF"
    except OSError:
        return False


class LabError(Exception):
    """The lab could not be set up or taken down."""


class DockerLab:
    """One namespace with one engine. Several stand side by side; `bridge` names of Docker are per namespace."""

    def __init__(self, name: str = "") -> None:
        self.name = name or f"kalab-{secrets.token_hex(3)}"
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.docker_host = f"unix://{self.folder}/docker.sock"
        self._dockerd: subprocess.Popen[bytes] | None = None
        self._log, self._config = self.folder / "dockerd.log", self.folder / "daemon.json"

    def __enter__(self) -> DockerLab:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        _run("ip", "netns", "add", self.name)
        _run("ip", "-n", self.name, "link", "set", "lo", "up")
        self._config.write_text("{}")
        self.start_engine()
        self.run("iptables", "-P", "FORWARD", "ACCEPT")

    def engine_command(self, *flags: str) -> list[str]:
        """nsenter, not `ip netns exec`: that mounts another /sys, without the cgroups."""
        return [
            "nsenter", f"--net=/var/run/netns/{self.name}", "dockerd", "-H", self.docker_host,
            "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec",
            "--pidfile", f"{self.folder}/dockerd.pid", "--config-file", str(self._config), *flags,
        ]  # fmt: skip

    def start_engine(self, *flags: str) -> None:
        command = self.engine_command(*flags)
        with self._log.open("ab") as log:
            self._dockerd = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while self.docker("version", check=False).returncode != 0:
            if self._dockerd.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"the engine did not start:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.1)

    @property
    def engine_pid(self) -> int:
        """Of the dockerd that runs."""
        assert self._dockerd is not None
        return self._dockerd.pid

    def stop_engine(self, sign: int = signal.SIGTERM) -> None:
        """With KILL its containerd goes too, as with a service; containers then run on under their shims."""
        dockerd, self._dockerd = self._dockerd, None
        if dockerd is None:
            return
        dockerd.send_signal(sign)
        if sign == signal.SIGKILL:
            for pid in self.processes():
                if Path(f"/proc/{pid}/comm").read_text().strip() == "containerd":
                    os.kill(pid, sign)
            # The next dockerd takes the number for that of a living containerd while nobody has waited for the dead.
            (self.folder / "exec/containerd/containerd.pid").unlink(missing_ok=True)
        try:
            dockerd.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            dockerd.kill()
            dockerd.wait()

    def lose_power(self) -> None:
        """Engine and containers end at once, and what they keep in /run on a machine is gone."""
        self.stop_engine(signal.SIGKILL)
        self._end_orphans()
        for mount in sorted(self._mounts(), key=len, reverse=True):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        shutil.rmtree(self.folder / "exec", ignore_errors=True)
        (self.folder / "dockerd.pid").unlink(missing_ok=True)

    @contextmanager
    def calls(self) -> Iterator[list[str]]:
        """What the engine is asked in the block, whoever asks: `POST /v1.41/containers/create?name=...`.

        The list is filled when the block ends.
        """
        found: list[str] = []
        self._reload('{"debug": true}')
        begin = self._log.stat().st_size
        try:
            yield found
        finally:
            text = self._log.read_bytes()[begin:].decode(errors="replace")
            self._reload("{}")
        found += re.findall(r'msg="Calling ([A-Z]+ [^ "]+)', text)

    def _reload(self, config: str) -> None:
        assert self._dockerd is not None
        begin, deadline = self._log.stat().st_size, time.monotonic() + STOP_SECONDS
        self._config.write_text(config)
        self._dockerd.send_signal(signal.SIGHUP)
        while b"Reloaded configuration" not in self._log.read_bytes()[begin:]:
            if time.monotonic() > deadline:
                raise LabError("dockerd does not read its configuration again")
            time.sleep(0.05)

    def stop(self) -> None:
        """Everything away; may be called twice."""
        if self._dockerd is not None and self._dockerd.poll() is None:
            found = self.docker("ps", "-aq", check=False).stdout.split()
            if found:
                self.docker("rm", "-f", "-v", *found, check=False)
        self.stop_engine()
        self._end_orphans()
        for mount in sorted(self._mounts(), key=len, reverse=True):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(
        self, *command: str, check: bool = True, timeout: float = 60, stdin: bytes = b""
    ) -> subprocess.CompletedProcess[str]:
        """A command inside the namespace."""
        return _run(*self.command(command), check=check, timeout=timeout, stdin=stdin)

    def popen(self, *command: str) -> Program:
        """A program inside the namespace, until its `with` block is left."""
        return Program(self.command(command), stdin=subprocess.DEVNULL)

    def command(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` inside the namespace."""
        return ["nsenter", f"--net=/var/run/netns/{self.name}", *command]

    def docker(self, *arguments: str, check: bool = True, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Docker's own client against this engine."""
        return _run("docker", "-H", self.docker_host, *arguments, check=check, timeout=120, stdin=stdin)

    def import_busybox(self, name: str = BUSYBOX_IMAGE) -> str:
        """An image with /bin/busybox and its usual names; returns its name."""
        applets = _run(str(BUSYBOX), "--list").stdout.split()
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for folder, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777), ("root", 0o700)):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, mode
                archive.addfile(entry)
            archive.add(BUSYBOX.resolve(), "bin/busybox")
            for applet in applets:
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                if applet != "busybox":
                    archive.addfile(link)
            for path, text in (("etc/passwd", "root:x:0:0::/root:/bin/sh\n"), ("etc/group", "root:x:0:\n")):
                file = tarfile.TarInfo(path)
                file.size = len(text)
                archive.addfile(file, io.BytesIO(text.encode()))
        self.docker("import", "-c", 'CMD ["sh"]', "-", name, stdin=buffer.getvalue())
        return name

    def leftovers(self) -> list[str]:
        """What containers that are gone have left: ends of cables, supervisors, mounts of their files."""
        if self.docker("ps", "-q").stdout.split():
            return []
        links = self.run("ip", "-o", "link", "show", "type", "veth").stdout.splitlines()
        left = [f"network interface {line.split()[1].rstrip(':')}" for line in links]
        left += [f"supervisor {pid}" for pid in self.processes() if b"-shim" in _command_line(pid)]
        return left + [f"mount {mount}" for mount in self._mounts() if mount.endswith(("/merged", "/shm"))]

    def leaks(self) -> list[str]:
        """What is left of the lab after `stop()`."""
        left = [f"mount {mount}" for mount in self._mounts()]
        left += [f"process {pid}" for pid in self.processes()]
        left += [f"process {pid} of a container" for pid in self._contained()]
        if Path(f"/var/run/netns/{self.name}").exists():
            left.append(f"network namespace {self.name}")
        if self.folder.exists():
            left.append(f"folder {self.folder}")
        return left

    def _mounts(self) -> list[str]:
        lines = Path("/proc/self/mounts").read_text().splitlines()
        return [line.split()[1] for line in lines if line.split()[1].startswith(str(self.folder))]

    def processes(self) -> list[int]:
        """Processes whose command line names the lab's folder: dockerd, containerd and its shims."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and str(self.folder).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def _contained(self) -> list[int]:
        """Processes whose root is a layer in this lab's folder."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                mounts = (entry / "mounts").read_text().splitlines() if entry.name.isdigit() else []
            except OSError:
                continue
            roots = [line for line in mounts if line.split()[1] == "/"]
            found += [int(entry.name)] if any(str(self.folder) in root for root in roots) else []
        return found

    def _end_orphans(self) -> None:
        """What a killed dockerd leaves: its containerd, the shims, and the containers, which outlive their shims."""
        deadline = time.monotonic() + STOP_SECONDS
        while (left := self.processes()) and time.monotonic() < deadline:
            for pid in [*_children(left), *left]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.05)


def _children(parents: Sequence[int]) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) in parents:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _run(
    *command: str, check: bool = True, timeout: float = 60, stdin: bytes = b""
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, check=False)
    result = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(command)}: exit code {done.returncode}: {result.stderr.strip()}")
    return result
