"""The control groups of a node's pods, whoever keeps them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path, PurePosixPath

from kube_actors.node.runtime.cgroups import values
from kube_actors.node.runtime.cgroups.cgroupfs import CONTROLLERS, MOUNT, Cgroupfs, end_as_one
from kube_actors.node.runtime.cgroups.driver import Driver
from kube_actors.node.runtime.interface import Limits


class Cgroups:
    """By the pods' uids, and for different pods at once."""

    def __init__(self, domain: str, driver: Driver) -> None:
        self._domain, self._driver = domain, driver
        # Of the Burstable pods, by uid: those that an agent before this one has made groups for, too.
        self._shares: dict[str, int] = {}
        for uid in self._pods_of("Burstable"):
            for folder in driver.folders(self._place("Burstable", uid)):
                with suppress(OSError):
                    self._shares[uid] = _shares(folder)

    async def create_pod(self, uid: str, qos_class: str, limits: Limits) -> str:
        """The pod's group, as an engine takes it for its containers' parent. Raises OSError."""
        path = self._place(qos_class, uid)
        await self._driver.create(path, limits)
        if qos_class == "Burstable":
            await self._count(uid, limits.cpu_shares)
        return self._driver.parent_name(path)

    async def update_pod(self, uid: str, limits: Limits) -> None:
        """Nothing happens where the pod has no group. Raises OSError, such as for memory that cannot be reclaimed."""
        path = self._path(uid)
        if path is not None:
            await self._driver.update(path, limits)
            if uid in self._shares:
                await self._count(uid, limits.cpu_shares)

    async def remove_pod(self, uid: str) -> None:
        """With all in it; those above go with the last pod's, so that nothing is left behind."""
        await self._count(uid, 0)
        for qos_class in values.QOS_CLASSES:
            path = self._place(qos_class, uid)
            if await asyncio.to_thread(self._driver.folders, path):
                await self._driver.remove(path)

    async def sweep(self, known: Collection[str]) -> None:
        """Remove what is left of pods that are not known. It looks at once: what comes later is not in `known`."""
        for uid in self.pods() - set(known):
            await self.remove_pod(uid)

    def pods(self) -> set[str]:
        """The uids of all pods that have groups."""
        return {uid for qos_class in values.QOS_CLASSES for uid in self._pods_of(qos_class)}

    def is_inhabited(self, uid: str) -> bool:
        """Whether there are groups in that of the pod."""
        return any(each.is_dir() for group in self._folders(uid) for each in group.iterdir())

    def _place(self, qos_class: str, uid: str) -> PurePosixPath:
        return values.class_path(self._domain, qos_class) / values.pod_name(uid)

    def _path(self, uid: str) -> PurePosixPath | None:
        paths = (self._place(qos_class, uid) for qos_class in values.QOS_CLASSES)
        return next((path for path in paths if self._driver.folders(path)), None)

    def _folders(self, uid: str) -> list[Path]:
        path = self._path(uid)
        return [] if path is None else self._driver.folders(path)

    def _pods_of(self, qos_class: str) -> set[str]:
        names: set[str] = set()
        for folder in self._driver.folders(values.class_path(self._domain, qos_class)):
            with suppress(FileNotFoundError):
                names.update(map(self._driver.own_name, os.listdir(folder)))
        prefix = values.pod_name("")
        return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}

    async def _count(self, uid: str, shares: int) -> None:
        """The class of Burstable pods has what they have together."""
        if shares:
            self._shares[uid] = shares
        elif self._shares.pop(uid, None) is None:
            return
        wanted = values.shares_of_class(tuple(self._shares.values()))
        await self._driver.weigh(values.class_path(self._domain, "Burstable"), wanted)


class OwnCgroups(Cgroups):
    """Of a runtime that makes the groups of its containers too, as files."""

    def __init__(self, domain: str, files: Cgroupfs) -> None:
        super().__init__(domain, files)
        self._files = files

    @property
    def version(self) -> int:
        return self._files.version

    def create_container(self, uid: str, name: str, limits: Limits) -> list[str]:
        """The groups that the processes of a container shall join; none where the pod has none. Raises OSError."""
        path = self._path(uid)
        if path is None:
            return []
        made = self._files.make(path / name, limits)
        for group in made:
            end_as_one(group)
        return [str(group) for group in made]


def detect(domain: str, mount: Path = MOUNT) -> OwnCgroups | None:
    """Groups as files. None where the node may not make them; containers are then limited by their runtime or by
    nothing."""
    if (mount / "cgroup.controllers").exists():
        files = Cgroupfs({"": mount}, mount)
        if not files.may_make(values.kubepods(domain)):
            return None
    else:
        usable = {name: mount / name for name in CONTROLLERS if os.access(mount / name, os.W_OK)}
        if not usable:
            return None
        files = Cgroupfs(usable, mount)
    return OwnCgroups(domain, files)


def _shares(group: Path) -> int:
    if (group / "cpu.weight").exists():
        return values.shares_of_weight(int((group / "cpu.weight").read_text()))
    return int((group / "cpu.shares").read_text())
