"""A lab with Podman's Docker-compatible service in the place of dockerd."""

from __future__ import annotations

import resource
import shutil

from tests.e2e.lab import DockerLab
from tests.e2e.lab import why_not as why_no_lab

# What Podman wants by default is more than a machine may allow; runc knows every kind of cgroups.
CONFIG = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
[network]
network_backend = "netavark"
"""


def why_not() -> str | None:
    """Why no lab can stand on this machine; None if it can."""
    missing = [tool for tool in ("podman", "runc") if shutil.which(tool) is None]
    return f"a Podman lab needs {', '.join(missing)}" if missing else why_no_lab()


class PodmanLab(DockerLab):
    """See DockerLab; Docker's own client talks to this engine too."""

    def engine_command(self, *flags: str) -> list[str]:
        config = self.folder / "containers.conf"
        config.write_text(CONFIG.format(files=resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        return [
            "nsenter", f"--net=/var/run/netns/{self.name}", "env", f"CONTAINERS_CONF={config}", "podman",
            "--root", f"{self.folder}/data", "--runroot", f"{self.folder}/run", "--tmpdir", f"{self.folder}/tmp",
            "--network-config-dir", f"{self.folder}/networks", *flags,
            "system", "service", "--time=0", self.docker_host,
        ]  # fmt: skip
