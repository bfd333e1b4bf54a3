"""The connection to a Docker engine: two aiodocker clients, the API version, and errors as ours.

Why not aiodocker's defaults (version 0.27 was read):
- its connector holds 100 connections at most; followed logs and waits would starve everything else. Ours has
  no limit, and endless streams go through a client of their own;
- `api_version="auto"` takes the daemon's newest version, which may have dropped fields we send. We ask for the
  version this package is written against, or the nearest one that the daemon still speaks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

import aiodocker
import aiohttp

from kube_actors.api.errors import ConfigError
from kube_actors.node.runtime.docker.endpoint import Endpoint, resolve
from kube_actors.node.runtime.interface import NoSuchContainer, RuntimeFailure

# The Docker Engine API this package is written against, and the oldest that has all it uses (Docker 20.10, Podman 4).
WRITTEN_FOR = (1, 44)
OLDEST = (1, 40)
CONNECT_SECONDS = 5.0
# What aiodocker reports as status where the engine cannot be reached.
UNREACHABLE = 900

Json = dict[str, Any]


class EngineUnavailable(RuntimeFailure):
    """The engine does not answer; what runs in it may go on running."""


def choose_version(newest: str, oldest: str) -> str:
    """The API version to speak with a daemon that accepts `oldest` to `newest`. Raises ConfigError.

    1.41 .. 1.12 -> v1.41      1.52 .. 1.44 -> v1.44      1.60 .. 1.50 -> v1.50
    """
    high, low = _numbers(newest), _numbers(oldest)
    if high < OLDEST:
        raise ConfigError(f"the Docker engine speaks API {newest}; {OLDEST[0]}.{OLDEST[1]} (Docker 20.10) is needed")
    major, minor = max(min(high, WRITTEN_FOR), low)
    return f"v{major}.{minor}"


def _numbers(version: str) -> tuple[int, int]:
    try:
        major, minor = version.split(".")[:2]
        return int(major), int(minor)
    except ValueError as exc:
        raise ConfigError(f"the Docker engine reports the API version {version!r}, which is not one") from exc


class Engine:
    """An open connection to an engine. `docker` is for calls that end, `request` for streams too.

        async with Engine(docker_host) as engine: ...

    Raises ConfigError from `start` where there is no engine or it is too old.
    """

    def __init__(self, docker_host: str | None = None) -> None:
        self._host = docker_host
        self._connectors: list[aiohttp.BaseConnector] = []
        self._clients: list[aiodocker.Docker] = []
        self.version: Json = {}
        self.api_version = ""

    @property
    def docker(self) -> aiodocker.Docker:
        return self._clients[0]

    async def start(self) -> None:
        self.endpoint: Endpoint = resolve(self._host)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self.version = await self._ask_version()
        except TimeoutError as exc:
            raise ConfigError(f"the Docker engine at {self.endpoint.url} does not answer") from exc
        except aiohttp.ClientConnectorError as exc:
            why = exc.os_error.strerror or str(exc.os_error)
            raise ConfigError(f"the Docker engine at {self.endpoint.url} cannot be reached: {why}") from exc
        except (aiohttp.ClientError, ValueError) as exc:
            raise ConfigError(f"{self.endpoint.url} does not answer as a Docker engine does: {exc}") from exc
        self.api_version = choose_version(
            str(self.version.get("ApiVersion", "")), str(self.version.get("MinAPIVersion") or "1.12")
        )
        for _ in range(2):
            connector = self._connector()
            self._connectors.append(connector)
            self._clients.append(
                aiodocker.Docker(
                    self._base_url(),
                    connector=connector,
                    api_version=self.api_version,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                )
            )

    @property
    def is_podman(self) -> bool:
        """Podman's service speaks Docker's API with a few differences."""
        return any(part.get("Name") == "Podman Engine" for part in self.version.get("Components") or ())

    def speaks(self, version: tuple[int, int]) -> bool:
        """Whether the API version in use has what came with that one."""
        return _numbers(self.api_version.removeprefix("v")) >= version

    async def stop(self) -> None:
        clients, self._clients = self._clients, []
        for client in clients:
            await client.close()
        connectors, self._connectors = self._connectors, []
        for connector in connectors:
            await connector.close()

    async def __aenter__(self) -> Engine:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | list[tuple[str, str]] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A call whose answer is read while it comes. Errors of the engine are raised before the first byte."""
        client = self._clients[1]
        url = f"{client.docker_host}/{self.api_version}/{path}"
        try:
            async with client.session.request(method, url, params=params, data=data, headers=headers) as response:
                if response.status >= 400:
                    raise aiodocker.DockerError(response.status, _message(await response.read()))
                yield response
        except aiohttp.ClientConnectionError as exc:
            raise aiodocker.DockerError(UNREACHABLE, f"Cannot connect to the Docker engine: {exc}") from exc

    async def json(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        """A call that aiodocker has no method for, or whose raw answer is wanted."""
        data = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        async with self.request(method, path, params=params, data=data, headers=headers) as response:
            content = await response.read()
        return json.loads(content) if content else None

    async def _ask_version(self) -> Json:
        connector = self._connector()
        try:
            async with (
                aiohttp.ClientSession(connector=connector, connector_owner=False) as session,
                session.get(f"{self._base_url().replace('tcp:', 'http:')}/version") as response,
            ):
                version: Json = json.loads(await response.read())
                return version
        finally:
            await connector.close()

    def _base_url(self) -> str:
        if self.endpoint.local:
            return "unix://localhost"
        scheme = "https" if self.endpoint.tls else "http"
        host = f"[{self.endpoint.host}]" if ":" in self.endpoint.host else self.endpoint.host
        return f"{scheme}://{host}:{self.endpoint.port}"

    def _connector(self) -> aiohttp.BaseConnector:
        if self.endpoint.local:
            return aiohttp.UnixConnector(self.endpoint.path, limit=0)
        return aiohttp.TCPConnector(limit=0, ssl=self.endpoint.tls or False)


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()


@asynccontextmanager
async def failures(reason: str = "RuntimeError") -> AsyncIterator[None]:
    """Turns the engine's errors inside the block into RuntimeFailure and its children."""
    try:
        yield
    except aiodocker.DockerError as exc:
        if exc.status == UNREACHABLE:
            raise EngineUnavailable(exc.message, reason) from exc
        if exc.status == 404 and "o such container" in exc.message:
            raise NoSuchContainer(exc.message, reason) from exc
        raise RuntimeFailure(exc.message, reason) from exc
    except (aiohttp.ClientError, ConnectionError) as exc:
        raise EngineUnavailable(f"the Docker engine broke off: {exc}", reason) from exc
