"""Makes, changes and removes control groups."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from kube_actors.node.runtime.cgroups import values
from kube_actors.node.runtime.interface import MIN_SHARES, Limits

MOUNT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "memory")
# A group can be removed a moment after its last process has ended.
REMOVE_SECONDS = 1.0
# Another node of the machine removes what stands above its groups and is empty: now and then while we make ours there.
ATTEMPTS = 5


class Cgroups:
    """The groups of one node's pods. Methods may be called from any thread, for different pods at once.

    `trees`: the hierarchies in which limits are set, by controller; of version 2 the only one, named "". `mount`: where
    all hierarchies are, also those in which only an engine makes groups.
    """

    def __init__(self, domain: str, trees: Mapping[str, Path], mount: Path = MOUNT) -> None:
        self._domain, self._trees, self._mount = domain, trees, mount
        self._cores = os.cpu_count() or 1
        # Of the Burstable pods, by uid.
        self._shares: dict[str, int] = {}

    @property
    def version(self) -> int:
        return 2 if "" in self._trees else 1

    def adopt(self) -> None:
        """Learn of the pods that an agent before this one has made groups for."""
        tree = self._trees.get("cpu", self._trees.get(""))
        prefix = values.pod_name("")
        for group in (tree / values.class_path(self._domain, "Burstable")).glob(f"{prefix}*") if tree else ():
            with suppress(OSError):
                self._shares[group.name.removeprefix(prefix)] = _shares(group)

    def create_pod(self, uid: str, qos_class: str, limits: Limits) -> str:
        """The pod's group, as the path that an engine takes for its containers' parent. Raises OSError."""
        path = values.class_path(self._domain, qos_class) / values.pod_name(uid)
        self._create(path, limits)
        if qos_class == "Burstable":
            self._count(uid, limits.cpu_shares)
        return f"/{path}"

    def update_pod(self, uid: str, limits: Limits) -> None:
        """Nothing happens where the pod has no group. Raises OSError, such as for memory that cannot be reclaimed."""
        path = self._path(uid)
        if path is not None:
            update([str(tree / path) for tree in self._trees.values()], limits)
            if uid in self._shares:
                self._count(uid, limits.cpu_shares)

    def create_container(self, uid: str, name: str, limits: Limits) -> list[str]:
        """The groups that the processes of a container shall join; none where the pod has none. Raises OSError."""
        path = self._path(uid)
        return [] if path is None else [str(group) for group in self._create(path / name, limits)]

    def remove_pod(self, uid: str) -> None:
        """With all in it; those above go with the last pod's, so that nothing is left behind."""
        self._count(uid, 0)
        paths = [values.class_path(self._domain, qos_class) for qos_class in ("", *values.CLASSES)]
        groups = [(tree, tree / path / values.pod_name(uid)) for tree in self._hierarchies() for path in paths]
        found = [(tree, group) for tree, group in groups if group.is_dir()]
        remove([folder for _, group in found for folder, _, _ in os.walk(group, topdown=False)])
        for tree, group in found:
            _remove_empty(group.parent, tree)

    def pods(self) -> set[str]:
        """The uids of all pods that have groups."""
        parents = [values.class_path(self._domain, qos_class) for qos_class in ("", *values.CLASSES)]
        names: set[str] = set()
        for tree in self._hierarchies():
            for parent in parents:
                with suppress(FileNotFoundError):
                    names.update(os.listdir(tree / parent))
        prefix = values.pod_name("")
        return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}

    async def sweep(self, known: Collection[str]) -> None:
        """Remove what is left of pods that are not known. It looks at once: what comes later is not in `known`."""
        for uid in self.pods() - set(known):
            await asyncio.to_thread(self.remove_pod, uid)

    def is_inhabited(self, uid: str) -> bool:
        """Whether there are groups in that of the pod."""
        path = self._path(uid)
        return path is not None and any(
            each.is_dir() for tree in self._trees.values() for each in (tree / path).iterdir()
        )

    def _path(self, uid: str) -> PurePosixPath | None:
        for qos_class in ("", *values.CLASSES):
            path = values.class_path(self._domain, qos_class) / values.pod_name(uid)
            if any((tree / path).is_dir() for tree in self._trees.values()):
                return path
        return None

    def _hierarchies(self) -> Iterator[Path]:
        """All of the machine, once each: some have a second name, which is a link."""
        if self.version == 2:
            return iter(self._trees.values())
        return (each for each in self._mount.iterdir() if each.is_dir() and not each.is_symlink())

    def _count(self, uid: str, shares: int) -> None:
        """The class of Burstable pods has what they have together."""
        if shares:
            self._shares[uid] = shares
        elif self._shares.pop(uid, None) is None:
            return
        wanted = values.share_values(values.shares_of_class(tuple(self._shares.values())))
        for tree in self._trees.values():
            # With its last pod the group goes too.
            with suppress(OSError):
                _write(tree / values.class_path(self._domain, "Burstable"), wanted)

    def _create(self, path: PurePosixPath, limits: Limits) -> list[Path]:
        """In each hierarchy, with those above it. A limit that cannot be set is left out."""
        made = []
        for controller, tree in self._trees.items():
            wanted = values.v1_values(limits)[controller] if controller else values.v2_values(limits)
            made.append(group := self._make(tree, path))
            for file, value in wanted.items():
                with suppress(OSError):
                    (group / file).write_text(value)
        return made

    def _make(self, tree: Path, path: PurePosixPath) -> Path:
        for _ in range(ATTEMPTS - 1):
            with suppress(FileNotFoundError):
                return self._walk(tree, path)
        return self._walk(tree, path)

    def _walk(self, tree: Path, path: PurePosixPath) -> Path:
        parent = group = tree
        for name in path.parts:
            parent, group = group, group / name
            if group.is_dir():
                continue
            if self.version == 2:
                # Groups have the controllers that all above them hand down.
                (parent / "cgroup.subtree_control").write_text(" ".join(f"+{each}" for each in CONTROLLERS))
            group.mkdir(exist_ok=True)
            if name in (values.PARENT, self._domain, values.KUBEPODS):
                _write(group, values.share_values(1024 * self._cores))
            elif name == values.BEST_EFFORT:
                _write(group, values.share_values(MIN_SHARES))
        return group


def detect(domain: str, mount: Path = MOUNT) -> Cgroups | None:
    """None where the node may not make groups; containers are then limited by their runtime or by nothing."""
    if (mount / "cgroup.controllers").exists():
        found = Cgroups(domain, {"": mount}, mount)
        try:
            # Whoever may make a folder may not always hand down controllers.
            found._make(mount, values.kubepods(domain))
        except OSError:
            return None
        finally:
            _remove_empty(mount / values.kubepods(domain), mount)
    else:
        usable = {name: mount / name for name in CONTROLLERS if os.access(mount / name, os.W_OK)}
        if not usable:
            return None
        found = Cgroups(domain, usable, mount)
    found.adopt()
    return found


def update(groups: Sequence[str], limits: Limits) -> None:
    """Give groups that were made here other limits. Raises OSError, such as for memory that cannot be reclaimed."""
    for group in map(Path, groups):
        if (group / "cgroup.controllers").exists():
            _write(group, values.v2_values(limits))
        else:
            for wanted in values.v1_values(limits).values():
                _write(group, wanted)


def remove(groups: Sequence[str]) -> None:
    """Groups in which nothing runs any more, each after those in it."""
    deadline = time.monotonic() + REMOVE_SECONDS
    for group in groups:
        while os.path.isdir(group):
            try:
                os.rmdir(group)
            except OSError:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.005)


def _write(group: Path, wanted: Mapping[str, str]) -> None:
    """Into those of the files that there are."""
    for file, value in wanted.items():
        if (group / file).exists():
            (group / file).write_text(value)


def _shares(group: Path) -> int:
    if (group / "cpu.weight").exists():
        return values.shares_of_weight(int((group / "cpu.weight").read_text()))
    return int((group / "cpu.shares").read_text())


def _remove_empty(group: Path, tree: Path) -> None:
    """The group and those above it, as long as nobody uses them."""
    with suppress(OSError):
        while group != tree:
            group.rmdir()
            group = group.parent
