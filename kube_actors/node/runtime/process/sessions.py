"""Exec and attach of the process runtime."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import termios
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

from kube_actors.node.runtime.interface import NoSuchContainer, RuntimeFailure
from kube_actors.node.runtime.process.launch import ENVIRONMENT, shim_command
from kube_actors.node.runtime.process.shim import files, frames

_READ = 64 * 1024
# Bytes of output that wait for their reader before the process has to.
_UNREAD = 256 * 1024
# A terminal has no end of input; this character means it (control-D).
END_OF_INPUT = b"\x04"


class ProcessExec:
    """A further process in a container; it ends with the session."""

    def __init__(self, transport: asyncio.SubprocessTransport, streams: _Streams, terminal: _Terminal | None) -> None:
        self._transport = transport
        self._streams = streams
        self._terminal = terminal
        self._closed: Callable[[], None] | None = None

    def on_close(self, closed: Callable[[], None]) -> None:
        self._closed = closed

    def kill(self) -> None:
        """Its container has ended; the session's user sees the end of its streams."""
        if not self._streams.exited.is_set():
            with suppress(ProcessLookupError):
                os.killpg(self._transport.get_pid(), signal.SIGKILL)

    @classmethod
    async def open(cls, folder: Path, command: tuple[str, ...], *, stdin: bool, tty: bool) -> ProcessExec:
        arguments = shim_command("enter", str(folder), "tty" if tty else "pipes", *command)
        terminal = _Terminal() if tty else None
        pipe, inner = subprocess.PIPE, terminal.inner if terminal else -1
        try:
            transport, streams = await asyncio.get_running_loop().subprocess_exec(
                _Streams,
                *arguments,
                stdin=inner if terminal else pipe if stdin else subprocess.DEVNULL,
                stdout=inner if terminal else pipe,
                stderr=inner if terminal else pipe,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        except OSError as exc:
            if terminal is not None:
                terminal.close()
            raise RuntimeFailure(f"exec failed: {exc}", "ExecFailed") from exc
        streams.begin(transport)
        if terminal is not None:
            terminal.close_inner()
        return cls(transport, streams, terminal)

    async def write_stdin(self, data: bytes) -> None:
        if self._terminal is not None:
            await self._terminal.write(data)
        else:
            await self._streams.write(data)

    async def close_stdin(self) -> None:
        if self._terminal is not None:
            await self._terminal.write(END_OF_INPUT)
        else:
            self._streams.write_eof()

    async def resize(self, width: int, height: int) -> None:
        if self._terminal is not None:
            self._terminal.resize(width, height)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        if self._terminal is not None:
            while data := await self._terminal.read():
                yield 1, data
            return
        while chunk := await self._streams.read():
            yield chunk

    async def wait(self) -> int:
        await self._streams.exited.wait()
        code = self._transport.get_returncode() or 0
        return 128 - code if code < 0 else code

    async def close(self) -> None:
        """Whatever of it runs on is killed."""
        self.kill()
        if self._closed is not None:
            self._closed()
        if self._terminal is not None:
            self._terminal.close()
        try:
            await self._streams.exited.wait()
        finally:
            # Also for who is cancelled here.
            self._transport.close()


class _Streams(asyncio.SubprocessProtocol):
    """The pipes of a process: output waits here until it is read, and beyond _UNREAD in the process."""

    def __init__(self) -> None:
        self.exited = asyncio.Event()
        self._transport: asyncio.SubprocessTransport | None = None
        self._chunks: deque[tuple[int, bytes]] = deque()
        self._unread = 0
        self._open = {1, 2}
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def begin(self, transport: asyncio.SubprocessTransport) -> None:
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._chunks.append((fd, data))
        self._unread += len(data)
        self._arrived.set()
        if self._unread > _UNREAD:
            self._pause(True)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)
        self._arrived.set()
        if fd == 0:
            self._writable.set()

    def process_exited(self) -> None:
        self.exited.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def read(self) -> tuple[int, bytes] | None:
        """None at the end of both."""
        while not self._chunks:
            if not self._open:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        chunk = self._chunks.popleft()
        before, self._unread = self._unread, self._unread - len(chunk[1])
        if before > _UNREAD >= self._unread:
            self._pause(False)
        return chunk

    async def write(self, data: bytes) -> None:
        pipe = self._pipe(0)
        if isinstance(pipe, asyncio.WriteTransport) and not pipe.is_closing():
            pipe.write(data)
            await self._writable.wait()

    def write_eof(self) -> None:
        pipe = self._pipe(0)
        if pipe is not None:
            pipe.close()

    def _pause(self, pause: bool) -> None:
        for fd in self._open:
            pipe = self._pipe(fd)
            if isinstance(pipe, asyncio.ReadTransport) and not pipe.is_closing():
                if pause:
                    pipe.pause_reading()
                else:
                    pipe.resume_reading()

    def _pipe(self, fd: int) -> asyncio.BaseTransport | None:
        return None if self._transport is None else self._transport.get_pipe_transport(fd)


class _Terminal:
    """A pseudo-terminal's outer end in the loop."""

    def __init__(self) -> None:
        self.outer, self.inner = os.openpty()
        os.set_blocking(self.outer, False)

    def close_inner(self) -> None:
        if self.inner >= 0:
            os.close(self.inner)
            self.inner = -1

    def close(self) -> None:
        self.close_inner()
        if self.outer >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self.outer)
            loop.remove_writer(self.outer)
            os.close(self.outer)
            self.outer = -1

    def resize(self, width: int, height: int) -> None:
        if self.outer >= 0:
            with suppress(termios.error, OSError):
                termios.tcsetwinsize(self.outer, (height, width))

    async def read(self) -> bytes:
        """Empty at the end: the last process on the terminal has gone."""
        while self.outer >= 0:
            try:
                return os.read(self.outer, _READ)
            except BlockingIOError:
                await self._ready(writing=False)
            except OSError:
                return b""
        return b""

    async def write(self, data: bytes) -> None:
        while data and self.outer >= 0:
            try:
                data = data[os.write(self.outer, data) :]
            except BlockingIOError:
                await self._ready(writing=True)
            except OSError:
                return

    async def _ready(self, *, writing: bool) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
        add(self.outer, ready.set)
        try:
            await ready.wait()
        finally:
            if self.outer >= 0:
                remove(self.outer)


class ProcessAttach:
    """The main process of a container, through its supervisor's socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stdin: bool) -> None:
        self._reader, self._writer = reader, writer
        self._stdin = stdin
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, folder: Path, *, stdin: bool) -> ProcessAttach:
        # A path through a descriptor is short; a socket's may have 107 bytes only.
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        try:
            reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{descriptor}/{files.SOCKET}")
        except OSError as exc:
            raise NoSuchContainer("container is not running", "AttachFailed") from exc
        finally:
            os.close(descriptor)
        return cls(reader, writer, stdin)

    async def write_stdin(self, data: bytes) -> None:
        if self._stdin:
            for start in range(0, len(data), frames.MAX_FRAME):
                await self._send(frames.encode(frames.STDIN, data[start : start + frames.MAX_FRAME]))

    async def close_stdin(self) -> None:
        if self._stdin:
            await self._send(frames.encode(frames.STDIN_END))

    async def resize(self, width: int, height: int) -> None:
        await self._send(frames.encode_size(width, height))

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        decoder = frames.Decoder()
        with suppress(ConnectionError):
            while data := await self._reader.read(_READ):
                for kind, content in decoder.feed(data):
                    if kind == frames.EXIT:
                        self._ended(frames.decode_exit(content))
                    else:
                        yield kind, content
        self._ended(None)

    async def wait(self) -> int:
        return await self._code

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
        self._ended(None)

    def _ended(self, code: int | None) -> None:
        if not self._code.done():
            self._code.set_result(0 if code is None else code)

    async def _send(self, frame: bytes) -> None:
        with suppress(ConnectionError):
            self._writer.write(frame)
            await self._writer.drain()
