"""A conversation with a container, at this program's own input, output and terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import threading
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

from kube_actors.aio.tasks import Tasks
from kube_actors.rpc.channel import Conversation
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import api_pb2 as pb

CHUNK = 32 * 1024
STDIN = 0


async def converse(session: Conversation, *, stdin: bool, terminal: bool) -> int:
    """Until the process ends; its exit code. The conversation is over with it."""
    tasks = Tasks("remote")
    try:
        with _raw(terminal), _sizes(session, tasks, terminal):
            if stdin:
                tasks.spawn(_feed(session), "stdin")
            return await _show(session)
    finally:
        await tasks.stop()
        session.cancel()


def is_terminal() -> bool:
    return os.isatty(STDIN)


async def read_input() -> AsyncIterator[bytes]:
    """Standard input, whatever it is. Its thread may wait for ever, and does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue(4)

    def read() -> None:
        with suppress(RuntimeError, OSError):
            while True:
                data = os.read(STDIN, CHUNK)
                asyncio.run_coroutine_threadsafe(chunks.put(data), loop).result()
                if not data:
                    return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while data := await chunks.get():
        yield data


async def _feed(session: Conversation) -> None:
    # The process may end, or close its input, before the user does.
    with suppress(RpcError):
        async for data in read_input():
            await session.write(pb.ExecInput(stdin=data))
        await session.write(pb.ExecInput(stdin_closed=True))


async def _show(session: Conversation) -> int:
    async for message in session:
        kind = message.WhichOneof("output")
        if kind == "exit_code":
            return int(message.exit_code)
        out = sys.stderr.buffer if kind == "stderr" else sys.stdout.buffer
        out.write(message.stderr if kind == "stderr" else message.stdout)
        out.flush()
    raise RpcError("UNAVAILABLE", "the server ended the session")


@contextmanager
def _raw(terminal: bool) -> Iterator[None]:
    """Every key goes to the container while the block runs."""
    if not terminal:
        yield
        return
    before = termios.tcgetattr(STDIN)
    tty.setraw(STDIN)
    try:
        yield
    finally:
        termios.tcsetattr(STDIN, termios.TCSADRAIN, before)


@contextmanager
def _sizes(session: Conversation, tasks: Tasks, terminal: bool) -> Iterator[None]:
    """Tell the terminal's size, now and when it changes."""
    if not terminal:
        yield
        return

    async def tell() -> None:
        height, width = termios.tcgetwinsize(STDIN)
        with suppress(RpcError):
            await session.write(pb.ExecInput(resize=pb.TerminalSize(width=width, height=height)))

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, lambda: tasks.spawn(tell(), "size"))
    tasks.spawn(tell(), "size")
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
