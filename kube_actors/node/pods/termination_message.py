"""What a container leaves behind as its last words: the file at terminationMessagePath, or the end of its log."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

from kube_actors.api import Obj
from kube_actors.node.pods.view import Run
from kube_actors.node.runtime.interface import LogOptions, Mount, Runtime, RuntimeFailure

MAX_BYTES = 4096
LOG_LINES, LOG_BYTES = 80, 2048
KEPT = 3
DEFAULT_PATH = "/dev/termination-log"


def message_file(pod_dir: Path, container: str, attempt: int) -> Path:
    return pod_dir / "containers" / container / f"{attempt}.termination"


def message_mount(pod_dir: Path, container: Obj, attempt: int) -> Mount:
    """The mount of an empty file that any user of the container may write."""
    path = message_file(pod_dir, str(container["name"]), attempt)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of the runs before only the last two are kept.
    message_file(pod_dir, str(container["name"]), attempt - KEPT).unlink(missing_ok=True)
    path.touch()
    path.chmod(0o666)
    return Mount(str(path), str(container.get("terminationMessagePath") or DEFAULT_PATH))


async def read_message(runtime: Runtime, pod_dir: Path, container: Obj, run: Run) -> str:
    """The termination message of a run that has ended; empty where it left none."""
    try:
        with message_file(pod_dir, str(container["name"]), run.attempt).open("rb") as file:
            text = file.read(MAX_BYTES)
    except OSError:
        text = b""
    if not text and run.exit_code and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
        text = await _log_tail(runtime, run.id)
    return text.decode(errors="replace")


async def _log_tail(runtime: Runtime, container_id: str) -> bytes:
    text = bytearray()
    try:
        async with aclosing(runtime.logs(container_id, LogOptions(tail=LOG_LINES))) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                text.extend(chunk)
    except RuntimeFailure:
        return b""
    return bytes(text[-LOG_BYTES:])
