"""Images that are made here rather than pulled."""

from __future__ import annotations


async def make_python_image(name: str) -> None:
    """Put an image of this machine's Python into the local Docker engine, if it is not there."""
    from kube_actors.node.runtime.docker import Engine
    from kube_actors.node.runtime.docker.python_image import ensure_image_from_python

    engine = Engine(None)
    await engine.start()
    try:
        await ensure_image_from_python(engine, name)
    finally:
        await engine.stop()
