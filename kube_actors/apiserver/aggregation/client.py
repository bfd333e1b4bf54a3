"""Connections to the servers behind remote APIServices: where they are, and TLS both ways."""

from __future__ import annotations

import asyncio
import base64
import ssl
import tempfile
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import aiohttp
from multidict import CIMultiDict

from kube_actors.api import Obj
from kube_actors.apiserver.webhooks.resolver import Address, Lookup, NotFound, resolve
from kube_actors.rpc.tls import ClientTLS

CHECK_SECONDS = 5.0
CONNECTIONS = 256


class Unreachable(Exception):
    """The server cannot be asked; `reason` is that of the Available condition."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class RemoteClient:
    """Connects when it is first used. `stop` closes everything."""

    def __init__(self, lookup: Lookup, tls: ClientTLS | None) -> None:
        """`tls` is the certificate by which other servers know that this is the API server."""
        self._lookup = lookup
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def shown(self, spec: Obj) -> str:
        """The host and port as messages name them."""
        service = spec["service"]
        return f"{service['name']}.{service['namespace']}.svc:{service.get('port') or 443}"

    async def get(self, spec: Obj, path: str) -> tuple[int, bytes]:
        """(status, body) of a GET as this server itself. Raises Unreachable."""
        headers = (("X-Remote-User", "system:kube-aggregator"), ("X-Remote-Group", "system:masters"))
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                async with await self.request(spec, "GET", path, headers, None) as response:
                    return response.status, await response.read()
        except TimeoutError:
            text = f"failing or missing response from https://{self.shown(spec)}{path}: context deadline exceeded"
            raise Unreachable("FailedDiscoveryCheck", text) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            text = f"failing or missing response from https://{self.shown(spec)}{path}: {error}"
            raise Unreachable("FailedDiscoveryCheck", text) from error

    async def request(
        self, spec: Obj, method: str, path_and_query: str, headers: Iterable[tuple[str, str]], body: Any
    ) -> aiohttp.ClientResponse:
        """Begin a request; the caller closes the answer. Raises Unreachable, or aiohttp's errors and OSError."""
        address = self._locate(spec)
        host = f"[{address.host}]" if ":" in address.host else address.host
        return await self._open().request(
            method,
            f"https://{host}:{address.port}{path_and_query}",
            data=body,
            headers=CIMultiDict([("Host", self.shown(spec).rpartition(":")[0]), *headers]),
            ssl=_context(spec.get("caBundle") or "", bool(spec.get("insecureSkipTLSVerify")), self._tls),
            server_hostname=address.server_name,
            allow_redirects=False,
            auto_decompress=False,
        )

    def _locate(self, spec: Obj) -> Address:
        try:
            return resolve(self._lookup, {"service": spec["service"]})
        except NotFound as error:
            service = spec["service"]
            where = f"service/{service['name']} in {service['namespace']!r}".replace("'", '"')
            if "endpoints" in str(error):
                raise Unreachable(
                    "MissingEndpoints", f"endpoints for {where} have no addresses with port name"
                ) from None
            if "port" in str(error):
                raise Unreachable("ServicePortError", str(error)) from None
            raise Unreachable("ServiceNotFound", f"{where} is not present") from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS)
            self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        return self._session


@lru_cache(maxsize=64)
def _context(ca_bundle: str, insecure: bool, tls: ClientTLS | None) -> ssl.SSLContext:
    """Trusts the bundle alone, or the machine's authorities where there is none; shows the server's certificate."""
    if ca_bundle:
        try:
            context = ssl.create_default_context(cadata=base64.b64decode(ca_bundle).decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise ValueError(f"unable to load root certificates: {error}") from error
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    else:
        context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls is not None and tls.certificate:
        with tempfile.NamedTemporaryFile() as pair:
            # The ssl module takes certificate and key from files only; this one is ours alone and gone at once.
            pair.write(tls.key + b"\n" + tls.certificate)
            pair.flush()
            context.load_cert_chain(pair.name)
    return context
