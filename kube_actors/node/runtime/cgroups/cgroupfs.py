"""Control groups as folders and files, of both versions."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from kube_actors.node.runtime.cgroups import values
from kube_actors.node.runtime.interface import Limits

MOUNT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "memory")
# A group can be removed a moment after its last process has ended.
REMOVE_SECONDS = 1.0
# Another node of the machine removes what stands above its groups and is empty: now and then while we make ours there.
ATTEMPTS = 5


class Cgroupfs:
    """The groups of one node. The methods that do not wait may be called from any thread.

    `trees`: the hierarchies in which limits are set, by controller; of version 2 the only one, named "". `mount`: where
    all hierarchies are, also those in which only an engine makes groups.
    """

    def __init__(self, trees: Mapping[str, Path], mount: Path = MOUNT) -> None:
        self._trees, self._mount = trees, mount

    @property
    def version(self) -> int:
        return 2 if "" in self._trees else 1

    def parent_name(self, path: PurePosixPath) -> str:
        return f"/{path}"

    def own_name(self, folder: str) -> str:
        return folder

    def folders(self, path: PurePosixPath) -> list[Path]:
        return [group for tree in self._hierarchies() if (group := tree / path).is_dir()]

    async def create(self, path: PurePosixPath, limits: Limits) -> None:
        self.make(path, limits)

    async def update(self, path: PurePosixPath, limits: Limits) -> None:
        update([str(tree / path) for tree in self._trees.values()], limits)

    async def weigh(self, path: PurePosixPath, shares: int) -> None:
        for tree in self._trees.values():
            # With its last pod the group goes too.
            with suppress(OSError):
                _write(tree / path, values.share_values(shares))

    async def remove(self, path: PurePosixPath) -> None:
        await asyncio.to_thread(self._remove, path)

    def make(self, path: PurePosixPath, limits: Limits) -> list[Path]:
        """In each hierarchy, with those above. A limit that cannot be set is left out. Raises OSError."""
        made = []
        for controller, tree in self._trees.items():
            wanted = values.v1_values(limits)[controller] if controller else values.v2_values(limits)
            made.append(group := self._make(tree, path))
            for file, value in wanted.items():
                with suppress(OSError):
                    (group / file).write_text(value)
        return made

    def may_make(self, path: PurePosixPath) -> bool:
        """Whether the node may make a group there: it is tried."""
        try:
            # Whoever may make a folder may not always hand down controllers.
            for tree in self._trees.values():
                self._make(tree, path)
        except OSError:
            return False
        finally:
            for tree in self._trees.values():
                _remove_empty(tree / path, tree)
        return True

    def _hierarchies(self) -> Iterator[Path]:
        """All of the machine, once each: some have a second name, which is a link."""
        if self.version == 2:
            return iter(self._trees.values())
        return (each for each in self._mount.iterdir() if each.is_dir() and not each.is_symlink())

    def _make(self, tree: Path, path: PurePosixPath) -> Path:
        for _ in range(ATTEMPTS - 1):
            with suppress(FileNotFoundError):
                return self._walk(tree, path)
        return self._walk(tree, path)

    def _walk(self, tree: Path, path: PurePosixPath) -> Path:
        for each in (*reversed(path.parents[:-1]), path):
            group = tree / each
            if group.is_dir():
                continue
            if self.version == 2:
                # Groups have the controllers that all above them hand down.
                (group.parent / "cgroup.subtree_control").write_text(" ".join(f"+{each}" for each in CONTROLLERS))
            group.mkdir(exist_ok=True)
            shares = values.shares_of_parent(each)
            if shares is not None:
                _write(group, values.share_values(shares))
        return tree / path

    def _remove(self, path: PurePosixPath) -> None:
        found = [(tree, group) for tree in self._hierarchies() if (group := tree / path).is_dir()]
        remove([folder for _, group in found for folder in inside(group)])
        for tree, group in found:
            _remove_empty(group.parent, tree)


def update(groups: Sequence[str], limits: Limits) -> None:
    """Give groups that were made here other limits. Raises OSError, such as for memory that cannot be reclaimed."""
    for group in map(Path, groups):
        if (group / "cgroup.controllers").exists():
            _write(group, values.v2_values(limits))
        else:
            for wanted in values.v1_values(limits).values():
                _write(group, wanted)


def inside(group: Path) -> list[str]:
    """A group and those in it, each after those in it."""
    return [folder for folder, _, _ in os.walk(group, topdown=False)]


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


def end_as_one(group: Path) -> None:
    """Where one of its processes runs out of memory, all of them end. Version 1 does not know this."""
    with suppress(OSError):
        _write(group, {"memory.oom.group": "1"})


def _write(group: Path, wanted: Mapping[str, str]) -> None:
    """Into those of the files that there are."""
    for file, value in wanted.items():
        if (group / file).exists():
            (group / file).write_text(value)


def _remove_empty(group: Path, tree: Path) -> None:
    """The group and those above it, as long as nobody uses them."""
    with suppress(OSError):
        while group != tree:
            group.rmdir()
            group = group.parent
