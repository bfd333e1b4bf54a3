"""Starting the supervisor's program."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from kube_actors.node.runtime.interface import RuntimeFailure

# The folder in which the package `shim` is.
_FOLDER = str(Path(__file__).parent)
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from shim.main import main; sys.exit(main(sys.argv[1:]))"
START_SECONDS = 30.0
# A supervisor has none of the node's settings.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def shim_command(*arguments: str) -> list[str]:
    """-I and -S: nothing of the node's environment, no installed packages; 15 ms and 9 MB."""
    return [sys.executable, "-I", "-S", "-c", _BOOT, _FOLDER, *arguments]


async def call_shim(*arguments: str) -> bytes:
    """Run it and return what it prints. Raises RuntimeFailure."""
    process = await asyncio.create_subprocess_exec(
        *shim_command(*arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(START_SECONDS):
            out, err = await process.communicate()
    except TimeoutError as exc:
        process.kill()
        await process.wait()
        raise RuntimeFailure(f"the container's supervisor did not answer in {START_SECONDS:.0f} s") from exc
    if process.returncode != 0:
        last = err.decode(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeFailure(f"the container's supervisor failed: {last or process.returncode}")
    return out


async def run_container(folder: Path) -> str:
    """Start the container; returns why its command could not be started, empty where it was."""
    out = await call_shim("run", str(folder))
    try:
        return str(json.loads(out).get("error", ""))
    except ValueError as exc:
        raise RuntimeFailure("the container's supervisor ended while it started") from exc
