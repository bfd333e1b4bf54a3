"""Limits of CPU and memory through control groups, where the node may make them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kube_actors.node.runtime.interface import Limits

MOUNT = Path("/sys/fs/cgroup")
PARENT = "kube-actors"
PERIOD_US = 100_000
# A group can be removed a moment after its last process has ended.
REMOVE_SECONDS = 1.0


def v2_values(limits: Limits) -> dict[str, str]:
    # Weights run from 1 to 10000 where shares run from 2 to 262144.
    weight = 1 + (max(2, min(limits.cpu_shares, 262144)) - 2) * 9999 // 262142
    values = {"cpu.weight": str(weight)}
    if limits.cpu_quota_us:
        values["cpu.max"] = f"{limits.cpu_quota_us} {PERIOD_US}"
    if limits.memory_bytes:
        values |= {"memory.max": str(limits.memory_bytes), "memory.swap.max": "0"}
    return values


def v1_values(limits: Limits) -> dict[str, dict[str, str]]:
    """By controller."""
    cpu = {"cpu.shares": str(max(2, limits.cpu_shares))}
    if limits.cpu_quota_us:
        cpu |= {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(limits.cpu_quota_us)}
    memory = {"memory.limit_in_bytes": str(limits.memory_bytes)} if limits.memory_bytes else {}
    return {"cpu": cpu, "memory": memory}


@dataclass(frozen=True, slots=True)
class Cgroups:
    """The groups of one node. `controllers` empty: version 2, where one group has all."""

    parents: tuple[Path, ...]
    controllers: tuple[str, ...] = ()

    def create(self, name: str, limits: Limits) -> list[str]:
        """The groups that the container's processes shall join; a limit that cannot be set is left out."""
        made = []
        for index, parent in enumerate(self.parents):
            values = v1_values(limits)[self.controllers[index]] if self.controllers else v2_values(limits)
            group = parent / name
            try:
                if not self.controllers:
                    # They went with the last container's group.
                    _hand_down(parent)
                group.mkdir(parents=True, exist_ok=True)
            except OSError:
                continue
            for file, value in values.items():
                with suppress(OSError):
                    (group / file).write_text(value)
            made.append(str(group))
        return made


def update(groups: Sequence[str], limits: Limits) -> None:
    """Give groups that were made here other limits. Raises OSError, such as for memory that cannot be reclaimed."""
    for group in map(Path, groups):
        if (group / "cgroup.controllers").exists():
            values = {"cpu.max": f"max {PERIOD_US}", "memory.max": "max"} | v2_values(limits)
        elif (group / "cpu.shares").exists():
            values = {"cpu.cfs_quota_us": "-1"} | v1_values(limits)["cpu"]
        else:
            values = {"memory.limit_in_bytes": "-1"} | v1_values(limits)["memory"]
        for file, value in values.items():
            if (group / file).exists():
                (group / file).write_text(value)


def detect(node: str, mount: Path = MOUNT) -> Cgroups | None:
    """None where the node may not make groups; containers are then limited by nothing."""
    if (mount / "cgroup.controllers").exists():
        parent = mount / PARENT / node
        try:
            _hand_down(parent)
        except OSError:
            return None
        finally:
            _remove_empty(parent)
        return Cgroups((parent,))
    usable = [name for name in ("cpu", "memory") if os.access(mount / name, os.W_OK)]
    if not usable:
        return None
    return Cgroups(tuple(mount / name / PARENT / node for name in usable), tuple(usable))


def _hand_down(parent: Path) -> None:
    """Version 2: the groups below have the controllers that all above them hand down. Raises OSError."""
    parent.mkdir(parents=True, exist_ok=True)
    for folder in (parent.parent.parent, parent.parent, parent):
        (folder / "cgroup.subtree_control").write_text("+cpu +memory")


def remove(groups: Sequence[str]) -> None:
    """The node's own groups go with the last container's, so that nothing is left behind."""
    deadline = time.monotonic() + REMOVE_SECONDS
    for group in groups:
        while os.path.isdir(group):
            try:
                os.rmdir(group)
            except OSError:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.005)
        _remove_empty(Path(group).parent)


def _remove_empty(parent: Path) -> None:
    """The node's own group and the one above it, as long as nobody uses them."""
    with suppress(OSError):
        parent.rmdir()
        parent.parent.rmdir()
