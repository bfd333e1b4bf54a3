"""A cluster on plain processes, as a user starts it: `kactl up --embedded --runtime process`, and kubectl.

It runs in a process of its own, so that it can be killed, be somebody without rights, and see programs that are
not on this machine.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.kactl_cluster import KactlCluster, kactl

CONFIG = """
name: {name}
mode: embedded
runtime: process
apiServer: {{port: 0, grpcPort: 0, tokenPort: 0}}
store: {{durable: {durable}}}
"""
# The user without rights of some tests.
NOBODY = 65534


class ProcessCluster(KactlCluster):
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
        super().__init__("ka-process-")
        self.name, self._durable, self.home = name, durable, self.folder / "home"
        self._config = self.folder / "config.yaml"
        self.configure(config)
        self._uid, self._path, self._namespaces = uid, path, namespaces
        self.home.mkdir()
        self.data.mkdir()
        if uid is not None:
            for each in (self.folder, self.home, self.data):
                os.chown(each, uid, uid)

    def configure(self, config: str) -> None:
        """What the next start is to find."""
        self._config.write_text(CONFIG.format(name=self.name, durable=str(self._durable).lower()) + config)

    def up_command(self) -> list[str]:
        words = ("up", "--embedded", "-f", str(self._config), *(("--data", str(self.data)) if self._durable else ()))
        return self._as_user(*kactl(*words, "--kubeconfig", str(self.kubeconfig)))

    def close(self) -> None:
        super().close()
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
