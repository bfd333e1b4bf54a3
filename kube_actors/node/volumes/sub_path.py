"""subPath and subPathExpr: a part of a volume is mounted, never anything outside of it.

The contents of a volume belong to its pods, and a link in it may lead anywhere: what is found is resolved first, and
what is missing is made below a directory that is known to be inside.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import structlog

from kube_actors.api import Obj
from kube_actors.node.containers.environment import ConfigFailure
from kube_actors.node.containers.expansion import expand

log = structlog.get_logger(__name__)


def inner_path(mount: Obj, env: Mapping[str, str]) -> str:
    """The path inside the volume that a volumeMount names; empty for the volume itself. Raises ConfigFailure."""
    inside = _expanded(str(mount["subPathExpr"]), env) if mount.get("subPathExpr") else str(mount.get("subPath") or "")
    if inside.startswith("/"):
        raise ConfigFailure(f"error SubPath `{inside}` must not be an absolute path")
    if ".." in PurePosixPath(inside).parts:
        raise ConfigFailure(f"unable to provision SubPath `{inside}`: must not contain '..'")
    return inside


def _expanded(expression: str, env: Mapping[str, str]) -> str:
    missing: set[str] = set()

    def value_of(name: str) -> str:
        if not env.get(name):
            missing.add(name)
        return env.get(name, "")

    expanded = expand(expression, value_of)
    if missing:
        raise ConfigFailure(f"missing value for {', '.join(sorted(missing))}")
    return expanded


def prepare(volume: Path, inside: str, mount: str, container: str) -> Path:
    """The file or directory, made where it is missing. Raises ConfigFailure, whose text says nothing of the node."""
    whose = f'for volumeMount "{mount}" of container "{container}"'
    path = volume / inside
    try:
        if not _is_there(path):
            _make(path, volume)
    except OSError as error:
        log.warning("subPath not created", path=str(path), error=str(error))
        raise ConfigFailure(f"failed to create subPath directory {whose}") from error
    try:
        return _inside(path, volume)
    except OSError as error:
        log.warning("subPath not usable", path=str(path), error=str(error))
        raise ConfigFailure(f"failed to prepare subPath {whose}") from error


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _make(path: Path, volume: Path) -> None:
    """With the mode of the volume, so that whoever may write there may write here."""
    missing: list[str] = []
    while not _is_there(path):
        missing.insert(0, path.name)
        path = path.parent
    path = _inside(path, volume)
    for name in missing:
        path /= name
        path.mkdir()
    path.chmod(stat.S_IMODE(volume.stat().st_mode))


def _inside(path: Path, volume: Path) -> Path:
    """Where the path really is. Raises OSError where that is outside of the volume."""
    resolved = path.resolve(strict=True)
    if not resolved.is_relative_to(volume.resolve(strict=True)):
        raise PermissionError(f"{path} leads out of the volume")
    return resolved
