"""What the machine is: read from the operating system once, when the agent starts."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from kube_actors.node.containers.dns import Resolver, parse_resolv_conf

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True, slots=True)
class Machine:
    """Sizes in bytes."""

    cpus: int
    memory: int
    disk: int
    os: str
    architecture: str
    kernel: str
    os_image: str
    machine_id: str
    system_uuid: str
    boot_id: str
    resolver: Resolver
    app_armor: bool = False


def read_machine(root_dir: Path) -> Machine:
    """The machine that this process runs on. What cannot be read is left empty."""
    existing = next(each for each in (root_dir, *root_dir.absolute().parents) if each.exists())
    machine_id = _text("/etc/machine-id")
    return Machine(
        cpus=os.cpu_count() or 1,
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        disk=shutil.disk_usage(existing).total,
        os=platform.system().lower(),
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        kernel=platform.release(),
        os_image=_os_image(),
        machine_id=machine_id,
        system_uuid=_text("/sys/class/dmi/id/product_uuid") or machine_id,
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        resolver=parse_resolv_conf(_text("/etc/resolv.conf")),
        app_armor=_text("/sys/module/apparmor/parameters/enabled") == "Y",
    )


def _os_image() -> str:
    for line in _text("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip().strip('"')
    return platform.system()


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""
