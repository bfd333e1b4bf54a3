"""What keeps control groups: the file system that they are (cgroupfs.py), or systemd (systemd.py)."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Protocol

from kube_actors.node.runtime.interface import Limits


class Driver(Protocol):
    """Groups are named by their paths from the root, as values.py gives them."""

    def parent_name(self, path: PurePosixPath) -> str:
        """The group as an engine takes it for its containers' parent."""

    def own_name(self, folder: str) -> str:
        """The last part of a group's path, of its folder's name."""

    def folders(self, path: PurePosixPath) -> list[Path]:
        """The group in all hierarchies that have it."""

    async def create(self, path: PurePosixPath, limits: Limits) -> None:
        """With those above it; a group that there is gets the limits. Raises OSError."""

    async def update(self, path: PurePosixPath, limits: Limits) -> None:
        """Of a group that there is. Raises OSError, such as for memory that cannot be reclaimed."""

    async def weigh(self, path: PurePosixPath, shares: int) -> None:
        """Give a group shares of the CPU, where there is one. Raises nothing: the next pod of a class tries again."""

    async def remove(self, path: PurePosixPath) -> None:
        """With all in it in which nothing runs, and those above as long as nobody uses them. Raises nothing: what stays
        is for a later sweep."""
