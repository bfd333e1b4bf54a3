"""The checks that probes and hooks make, in the words of Go's network stack, which users search for."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from kube_actors.api import Obj

# More of an answer than this is not read.
MAX_BODY = 10 * 1024
USER_AGENT = "kube-probe/1.36"
REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 10


@dataclass(frozen=True, slots=True)
class Result:
    """`unknown`: the check itself could not be made, so that nothing follows from it. `warning`: it is good, and yet
    somebody should know of it. `status`: of the HTTP answer, where there was one."""

    ok: bool
    output: str = ""
    unknown: bool = False
    warning: bool = False
    status: int = 0


async def http_get(action: Obj, host: str, ports: Mapping[str, int], timeout: float) -> Result:
    """2xx and 3xx are good. Redirects are followed on the same host. Certificates are not checked."""
    port = port_of(action.get("port"), ports)
    if port is None:
        return Result(False, f"couldn't find port {action.get('port')}", unknown=True)
    target, scheme = str(action.get("host") or host), str(action.get("scheme") or "HTTP").lower()
    path = str(action.get("path") or "/")
    path = path if path.startswith("/") else f"/{path}"
    url = f"{scheme}://{_bracketed(target)}:{port}{path}"
    try:
        async with asyncio.timeout(timeout):
            answer = await _followed(action, url)
    except TimeoutError:
        text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return Result(False, f'Get "{url}": {text}')
    except (OSError, ValueError, asyncio.IncompleteReadError) as error:
        return Result(False, f'Get "{url}": {_network_error(error, target, port)}', unknown=_is_ours(error))
    if 300 <= answer.status < 400:
        text = f"Probe terminated redirects, Response body: {answer.body}"
        return Result(True, text, warning=True, status=answer.status)
    good, text = 200 <= answer.status < 300, f"HTTP probe failed with statuscode: {answer.status}"
    return Result(good, text, status=answer.status)


async def tcp_connect(action: Obj, host: str, ports: Mapping[str, int], timeout: float) -> Result:
    port = port_of(action.get("port"), ports)
    if port is None:
        return Result(False, f"couldn't find port {action.get('port')}", unknown=True)
    target = str(action.get("host") or host)
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(target, port)
    except TimeoutError:
        return Result(False, f"dial tcp {_bracketed(target)}:{port}: i/o timeout")
    except OSError as error:
        return Result(False, _network_error(error, target, port), unknown=_is_ours(error))
    writer.close()
    return Result(True)


def port_of(port: object, ports: Mapping[str, int]) -> int | None:
    """A number, or the number of a named port of the container."""
    if isinstance(port, int):
        return port
    text = str(port or "")
    return int(text) if text.isdigit() else ports.get(text)


def _request(action: Obj, host: str, port: int, path: str) -> bytes:
    headers = {"Host": f"{_bracketed(host)}:{port}", "User-Agent": USER_AGENT, "Accept": "*/*", "Connection": "close"}
    for each in action.get("httpHeaders") or ():
        name = next((known for known in headers if known.lower() == str(each["name"]).lower()), str(each["name"]))
        headers[name] = str(each.get("value") or "")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    location: str = ""
    body: str = ""


async def _followed(action: Obj, url: str) -> _Answer:
    """The answer, after redirects that stay on the host. Raises ValueError for more than Go's client follows."""
    host = urlsplit(url).hostname
    for _ in range(MAX_REDIRECTS):
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        answer = await _answer(
            parts.hostname or "", port, parts.scheme == "https", _request(action, parts.hostname or "", port, path)
        )
        url = urljoin(url, answer.location)
        if answer.status not in REDIRECTS or not answer.location or urlsplit(url).hostname != host:
            return answer
    raise ValueError(f"stopped after {MAX_REDIRECTS} redirects")


async def _answer(host: str, port: int, tls: bool, request: bytes) -> _Answer:
    context = None
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=MAX_BODY)
    try:
        writer.write(request)
        await writer.drain()
        line = (await reader.readuntil(b"\r\n")).decode("latin-1")
        protocol, _, rest = line.partition(" ")
        code = rest[:3]
        if not protocol.startswith("HTTP/") or not code.isdigit():
            raise ValueError(f'malformed HTTP response "{line.strip()}"')
        if not 300 <= int(code) < 400:
            return _Answer(int(code))
        location = ""
        while header := (await reader.readline()).decode("latin-1").strip():
            name, _, value = header.partition(":")
            location = value.strip() if name.lower() == "location" else location
        body = await reader.read(MAX_BODY)
    finally:
        writer.close()
    return _Answer(int(code), location, body.decode(errors="replace"))


def _is_ours(error: BaseException) -> bool:
    """An agent without a free file descriptor knows nothing of the container."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def _network_error(error: BaseException, host: str, port: int) -> str:
    where = f"dial tcp {_bracketed(host)}:{port}"
    if isinstance(error, asyncio.IncompleteReadError):
        return "EOF"
    if isinstance(error, ConnectionRefusedError):
        return f"{where}: connect: connection refused"
    if isinstance(error, ConnectionResetError):
        return "read: connection reset by peer"
    if isinstance(error, OSError) and error.errno == errno.EHOSTUNREACH:
        return f"{where}: connect: no route to host"
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return f"{where}: connect: {os.strerror(error.errno).lower()}"
    return str(error)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
