"""Whether pods on an engine have control groups of their own: what it says of itself decides."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from kube_actors.node.runtime.cgroups.groups import Cgroups, detect
from kube_actors.node.runtime.cgroups.values import domain_of
from kube_actors.node.runtime.docker.engine import Engine, failures
from kube_actors.node.runtime.docker.names import Owner

# Drivers of engines, and the versions of control groups on which we know how they make them.
MANAGED = {("cgroupfs", "1"), ("cgroupfs", "2"), ("systemd", "2")}

log = structlog.get_logger(__name__)


async def groups_of(engine: Engine, owner: Owner) -> Cgroups | None:
    """None where pods have none of their own; the log says why."""
    async with failures():
        info: Mapping[str, Any] = await engine.json("GET", "info")
    reason = why_not(info, local=engine.endpoint.local, podman=engine.is_podman)
    if not reason:
        # Several engines of a machine may serve clusters and nodes of one name.
        domain = domain_of(owner.cluster, owner.node, str(info["DockerRootDir"]))
        if info["CgroupDriver"] == "cgroupfs":
            found = await asyncio.to_thread(detect, domain)
            if found is not None:
                return found
            reason = "this process may not make them"
        else:
            try:
                return await _slices(domain)
            except OSError as exc:
                reason = str(exc)
    log.info("pods have no control groups of their own, only their containers", node=owner.node, reason=reason)
    return None


def why_not(info: Mapping[str, Any], *, local: bool, podman: bool) -> str:
    """Why the engine cannot put containers into groups of ours, from what it says of itself; empty: it can."""
    if not local or not Path(info.get("DockerRootDir") or "/nonexistent").is_dir():
        return "the engine runs on another machine"
    if podman:
        return "the engine is Podman"
    if any("rootless" in option for option in info.get("SecurityOptions") or ()):
        return "the engine runs without root"
    kind = info.get("CgroupDriver"), info.get("CgroupVersion", "1")
    return "" if kind in MANAGED else "the engine's driver for them is {}, on version {}".format(*kind)


async def _slices(domain: str) -> Cgroups:
    # Few machines need it, and D-Bus takes a while to import.
    from kube_actors.node.runtime.cgroups import systemd

    return Cgroups(domain, await systemd.detect(domain))
