"""What an image is to the process runtime.

folder:/srv/app, /srv/app   a root file system as a folder
/srv/app.tar                the same as a tar, perhaps compressed; unpacked once
host                        none: commands run on the machine's own files
anything else               the same, and an event of the pod that says so
"""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import threading
from contextlib import suppress
from pathlib import Path

from kube_actors.node.runtime.interface import Image, ImageFailure, RuntimeFailure
from kube_actors.node.runtime.layers import LayerError, apply_layer

FOLDER = "folder:"
HOST, HOST_ID = "host", "host"


def path_of(name: str) -> Path | None:
    """The folder or tar that an image names; None for a name that is ignored."""
    if name.startswith(FOLDER):
        return Path(name.removeprefix(FOLDER))
    return Path(name) if name.startswith("/") else None


class Images:
    """The images that were asked for, and the unpacked ones."""

    def __init__(self, unpacked: Path) -> None:
        self._unpacked = unpacked
        self._ignored: dict[str, Image] = {}
        self._named: dict[str, Image] = {}
        self._unpacking = threading.Lock()

    def find(self, name: str) -> Image | None:
        """Raises ImageFailure for a path that is none."""
        path = path_of(name)
        if path is None:
            return self._ignore(name)
        if not path.is_absolute():
            raise ImageFailure(f'image "{name}": the path of a folder starts with /', "InvalidImageName")
        if not path.exists():
            return None
        size, is_copy = path.stat().st_size, not path.is_dir()
        image = Image(id=_identity(path), names=(name,), size_bytes=size, is_copy=is_copy)
        self._named[name] = image
        return image

    def must_find(self, name: str) -> Image:
        image = self.find(name)
        if image is None:
            raise ImageFailure(f'failed to pull image "{name}": {path_of(name)} does not exist', "ErrImagePull")
        return image

    def list(self) -> list[Image]:
        return [*self._ignored.values(), *self._named.values()]

    def remove(self, image_id: str) -> None:
        """Its unpacked files; never what the user named."""
        self._named = {name: image for name, image in self._named.items() if image.id != image_id}
        if image_id.startswith("sha256:"):
            target = self._unpacked / image_id.removeprefix("sha256:")
            with self._unpacking:
                shutil.rmtree(_partial(target), ignore_errors=True)
                # First under the name of what is not whole: an agent that is killed here leaves half of it.
                with suppress(FileNotFoundError):
                    target.rename(_partial(target))
                shutil.rmtree(_partial(target), ignore_errors=True)

    def root(self, name: str) -> str:
        """The folder that is the container's root, unpacked if need be; empty for the machine's own. Blocks."""
        path = path_of(name)
        if path is None:
            return ""
        image = self.must_find(name)
        if path.is_dir():
            return str(path)
        target = self._unpacked / image.id.removeprefix("sha256:")
        # Two threads in one folder would leave half of it.
        with self._unpacking:
            if not target.is_dir():
                _unpack(path, target)
        return str(target)

    def _ignore(self, name: str) -> Image:
        if name not in self._ignored:
            self._ignored[name] = Image(id=HOST_ID, names=(name,), size_bytes=0)
        return self._ignored[name]


def _identity(path: Path) -> str:
    if path.is_dir():
        return f"{FOLDER}{path}"
    info = path.stat()
    return "sha256:" + hashlib.sha256(f"{path} {info.st_size} {info.st_mtime_ns}".encode()).hexdigest()


def _partial(target: Path) -> Path:
    return target.with_name(f"{target.name}.partial")


def _unpack(path: Path, target: Path) -> None:
    """Into a folder beside it first, so that a half-unpacked image is never taken for a whole one."""
    partial = _partial(target)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with tarfile.open(path) as archive:
            apply_layer(archive, partial)
        partial.rename(target)
    except (OSError, LayerError, tarfile.TarError) as exc:
        shutil.rmtree(partial, ignore_errors=True)
        raise RuntimeFailure(f"image {path} cannot be unpacked: {exc}", "ErrImagePull") from exc
