"""The files of an image as a folder, from what `docker save` gives: for image volumes.

Docker 28 can mount images by itself, older engines cannot. Unpacking works with all of them.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tarfile
from pathlib import Path

from kube_actors.node.runtime.docker.engine import Engine, failures
from kube_actors.node.runtime.interface import Image, RuntimeFailure
from kube_actors.node.runtime.layers import LayerError, apply_layer

CHUNK = 1 << 20
REASON = "ErrImagePull"


async def unpack(engine: Engine, image: Image, folder: Path) -> Path:
    """`folder`/ID with the image's files; at once where they are there. Raises RuntimeFailure or OSError."""
    target = folder / image.id.removeprefix("sha256:")
    if target.is_dir():
        return target
    saved, partial = target.with_suffix(".tar"), target.with_suffix(".partial")
    try:
        await _save(engine, image, saved)
        await asyncio.to_thread(_extract, saved, partial)
        partial.rename(target)
    except (LayerError, tarfile.TarError, KeyError, ValueError) as error:
        raise RuntimeFailure(f"image {image.id} cannot be unpacked: {error}", REASON) from error
    finally:
        saved.unlink(missing_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
    return target


async def _save(engine: Engine, image: Image, path: Path) -> None:
    async with failures(REASON), engine.request("GET", f"images/{image.id}/get") as response:
        with path.open("wb") as file:
            async for chunk in response.content.iter_chunked(CHUNK):
                await asyncio.to_thread(file.write, chunk)


def _extract(saved: Path, root: Path) -> None:
    """All layers, the lowest first. A layer may be compressed."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(mode=0o755)
    with tarfile.open(saved) as archive:
        manifest = archive.extractfile("manifest.json")
        if manifest is None:
            raise ValueError("it has no manifest")
        for layer in json.load(manifest)[0]["Layers"]:
            content = archive.extractfile(layer)
            if content is None:
                raise ValueError(f"its layer {layer} is missing")
            with tarfile.open(fileobj=content) as files:
                apply_layer(files, root)
