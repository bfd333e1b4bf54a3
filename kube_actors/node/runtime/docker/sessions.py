"""Exec and attach: a process inside a container and its streams."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiodocker

from kube_actors.node.runtime.docker.engine import Engine, failures
from kube_actors.node.runtime.docker.hijack import RawStream, upgrade
from kube_actors.node.runtime.docker.logs import Demultiplexer
from kube_actors.node.runtime.interface import RuntimeFailure

# The engine closes the streams a moment before it notes the exit code.
_EXIT_POLL_SECONDS = 0.01
_EXIT_POLL_LIMIT = 0.2
_START_POLLS = 10


class _Session:
    """What exec and attach have in common."""

    def __init__(self, engine: Engine, stream: RawStream, tty: bool) -> None:
        self._engine = engine
        self._stream = stream
        self._tty = tty
        self._ended = asyncio.Event()

    async def write_stdin(self, data: bytes) -> None:
        await self._stream.write(data)

    async def close_stdin(self) -> None:
        self._stream.write_eof()

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        frames = Demultiplexer(self._tty)
        while data := await self._stream.read():
            for piece in frames.feed(data):
                yield piece.stream, piece.data
        self._ended.set()

    async def close(self) -> None:
        self._ended.set()
        await self._stream.close()

    async def _resize(self, path: str, width: int, height: int) -> None:
        # A terminal whose process has just ended cannot be resized, which is nobody's error.
        with suppress(aiodocker.DockerError):
            await self._engine.json("POST", path, params={"w": str(width), "h": str(height)})


class DockerExec(_Session):
    """A command run in a running container."""

    def __init__(self, engine: Engine, stream: RawStream, tty: bool, exec_id: str, container: str) -> None:
        super().__init__(engine, stream, tty)
        self._id = exec_id
        self._container = container

    @classmethod
    async def open(
        cls, engine: Engine, container: str, command: tuple[str, ...], *, stdin: bool, tty: bool
    ) -> DockerExec:
        body = {
            "AttachStdin": stdin,
            "AttachStdout": True,
            "AttachStderr": not tty,
            "Tty": tty,
            "Cmd": list(command),
        }
        async with failures("ExecFailed"):
            created = await engine.json("POST", f"containers/{container}/exec", body=body)
            exec_id = str(created["Id"])
            stream = await upgrade(engine, f"exec/{exec_id}/start", body={"Detach": False, "Tty": tty})
        return cls(engine, stream, tty, exec_id, container)

    async def resize(self, width: int, height: int) -> None:
        await self._resize(f"exec/{self._id}/resize", width, height)

    async def wait(self) -> int:
        await self._ended.wait()
        delay = _EXIT_POLL_SECONDS
        while True:
            state = await self._state()
            if not state["Running"]:
                code = state["ExitCode"]
                return 0 if code is None else int(code)
            # A background child may hold the streams no longer while the command goes on; wait with patience.
            await asyncio.sleep(delay)
            delay = min(delay * 2, _EXIT_POLL_LIMIT)

    async def close(self) -> None:
        """Docker lets a command run on when its streams close; on this machine it is ended, as kubelets do."""
        await super().close()
        if not self._engine.endpoint.local:
            return
        with suppress(RuntimeFailure, ProcessLookupError, PermissionError):
            state = await self._state()
            # It may have been accepted and not started yet.
            for _ in range(_START_POLLS):
                if not state["Running"] or state["Pid"]:
                    break
                await asyncio.sleep(_EXIT_POLL_LIMIT)
                state = await self._state()
            if state["Running"] and _belongs(state["Pid"], self._container):
                os.kill(state["Pid"], signal.SIGKILL)

    async def _state(self) -> dict[str, Any]:
        async with failures("ExecFailed"):
            state: dict[str, Any] = await self._engine.json("GET", f"exec/{self._id}/json")
        return state


class DockerAttach(_Session):
    """The main process of a container."""

    def __init__(self, engine: Engine, stream: RawStream, tty: bool, container: str) -> None:
        super().__init__(engine, stream, tty)
        self._container = container

    @classmethod
    async def open(cls, engine: Engine, container: str, *, stdin: bool, tty: bool) -> DockerAttach:
        params = {"stream": "1", "stdin": str(int(stdin)), "stdout": "1", "stderr": "1", "logs": "0"}
        async with failures("AttachFailed"):
            stream = await upgrade(engine, f"containers/{container}/attach", params=params)
        return cls(engine, stream, tty, container)

    async def resize(self, width: int, height: int) -> None:
        await self._resize(f"containers/{self._container}/resize", width, height)

    async def wait(self) -> int:
        async with failures("AttachFailed"):
            return int((await self._engine.json("POST", f"containers/{self._container}/wait"))["StatusCode"])


def _belongs(pid: int, container: str) -> bool:
    """Whether the process runs in the container's cgroup: the engine may be in another PID namespace than we."""
    try:
        return pid > 0 and container in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False
