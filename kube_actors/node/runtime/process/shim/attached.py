"""The container's side of attach: clients on a socket that get its output and may give it input."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import selectors
import socket
import termios

from . import frames

# A client that does not read loses its connection, not the container its time.
MAX_UNSENT = 4 * 1024 * 1024
# While the command does not read, no more is taken from clients.
MAX_UNWRITTEN = 256 * 1024


class Client:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.decoder = frames.Decoder()
        self.unsent = b""


class AttachServer:
    """Registers what it waits for with the supervisor's selector; each registration's data is its handler."""

    def __init__(self, selector: selectors.BaseSelector, folder: str, name: str, stdin: int, once: bool) -> None:
        """`stdin` is the descriptor behind the command's standard input, -1 without; `once`: one client's only."""
        self._selector = selector
        self._stdin = stdin
        self._once = once
        self._unwritten = b""
        self._ending = False
        self._clients: dict[int, Client] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        # By a relative name: a socket's path may have 107 bytes only.
        os.chdir(folder)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        self._listener.bind(name)
        os.chmod(name, 0o600)
        os.chdir("/")
        self._listener.listen(16)
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)
        if stdin >= 0:
            os.set_blocking(stdin, False)

    def send(self, frame: bytes) -> None:
        for client in list(self._clients.values()):
            client.unsent += frame
            self._flush(client)

    def close(self) -> None:
        """What is unsent goes out first, to who reads it."""
        for client in list(self._clients.values()):
            with contextlib.suppress(OSError):
                client.connection.settimeout(1.0)
                client.connection.sendall(client.unsent)
            self._drop(client)
        self._selector.unregister(self._listener)
        self._listener.close()

    def _accept(self, _events: int) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            client = Client(connection)
            self._clients[connection.fileno()] = client
            self._selector.register(connection, selectors.EVENT_READ, functools.partial(self._serve, client))

    def _serve(self, client: Client, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._flush(client)
        if not events & selectors.EVENT_READ or client.connection.fileno() not in self._clients:
            return
        try:
            data = client.connection.recv(65536)
            received = client.decoder.feed(data)
        except BlockingIOError:
            return
        except (OSError, ValueError):
            data, received = b"", []
        for kind, content in received:
            self._obey(kind, content)
        if not data:
            self._drop(client)
            if self._once:
                self._end_stdin()

    def _obey(self, kind: int, content: bytes) -> None:
        if kind == frames.STDIN:
            self._write_stdin(content)
        elif kind == frames.STDIN_END:
            self._end_stdin()
        elif kind == frames.RESIZE and self._stdin >= 0 and len(content) == 4:
            with contextlib.suppress(OSError):
                height, width = content[:2], content[2:]
                size = int.from_bytes(height, "big"), int.from_bytes(width, "big")
                termios.tcsetwinsize(self._stdin, size)

    def _write_stdin(self, data: bytes) -> None:
        if self._stdin < 0 or self._ending:
            return
        self._unwritten += data
        self._flush_stdin(0)

    def _flush_stdin(self, _events: int) -> None:
        try:
            written = os.write(self._stdin, self._unwritten) if self._unwritten else 0
            self._unwritten = self._unwritten[written:]
        except BlockingIOError:
            pass
        except OSError:
            self._unwritten, self._ending = b"", True
        self._listen_to_clients(len(self._unwritten) < MAX_UNWRITTEN)
        waiting = self._selector.get_map().get(self._stdin) is not None
        if self._unwritten and not waiting:
            self._selector.register(self._stdin, selectors.EVENT_WRITE, self._flush_stdin)
        elif waiting and not self._unwritten:
            self._selector.unregister(self._stdin)
        if self._ending and not self._unwritten:
            self._close_stdin()

    def _end_stdin(self) -> None:
        self._ending = True
        if self._stdin >= 0 and not self._unwritten:
            self._close_stdin()

    def _close_stdin(self) -> None:
        """A terminal has no end of input; its reader is told by the character that means it."""
        stdin, self._stdin = self._stdin, -1
        if stdin < 0:
            return
        with contextlib.suppress(OSError):
            if os.isatty(stdin):
                os.write(stdin, b"\x04")
            else:
                os.close(stdin)

    def _listen_to_clients(self, listen: bool) -> None:
        for client in self._clients.values():
            events = (selectors.EVENT_READ if listen else 0) | (selectors.EVENT_WRITE if client.unsent else 0)
            self._watch(client, events)

    def _watch(self, client: Client, events: int) -> None:
        key = self._selector.get_map().get(client.connection)
        handler = functools.partial(self._serve, client)
        if key is None and events:
            self._selector.register(client.connection, events, handler)
        elif key is not None and not events:
            self._selector.unregister(client.connection)
        elif key is not None and key.events != events:
            self._selector.modify(client.connection, events, handler)

    def _flush(self, client: Client) -> None:
        try:
            sent = client.connection.send(client.unsent) if client.unsent else 0
            client.unsent = client.unsent[sent:]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)
            return
        if len(client.unsent) > MAX_UNSENT:
            self._drop(client)
            return
        listen = selectors.EVENT_READ if len(self._unwritten) < MAX_UNWRITTEN else 0
        self._watch(client, listen | (selectors.EVENT_WRITE if client.unsent else 0))

    def _drop(self, client: Client) -> None:
        self._clients.pop(client.connection.fileno(), None)
        if self._selector.get_map().get(client.connection) is not None:
            self._selector.unregister(client.connection)
        client.connection.close()


def take_terminal(descriptor: int) -> None:
    """Make the terminal the controlling one of this session."""
    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)
