"""The HTTPS client of webhooks: one pool of connections, one TLS context for each caBundle."""

from __future__ import annotations

import asyncio
import base64
import ssl
from functools import lru_cache
from typing import Any

import aiohttp

from kube_actors.api import Obj, encoding
from kube_actors.apiserver.webhooks.resolver import Address, Lookup, NotFound, resolve, url_of

# Bytes of an answer; one that patches the largest object fits.
MAX_ANSWER = 16 << 20
CONNECTIONS_PER_WEBHOOK = 64
DEADLINE = "context deadline exceeded"
# OpenSSL's codes of what is wrong with a certificate, in Go's words.
_UNKNOWN_CA = frozenset((2, 18, 19, 20, 21))
_EXPIRED = frozenset((9, 10))
_WRONG_HOST = 62


class CallFailed(Exception):
    """The webhook could not be asked, or its answer is none: `Post "https://...": context deadline exceeded`."""


class WebhookClient:
    """Connects when it is first used. `stop` closes everything."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._session: aiohttp.ClientSession | None = None

    async def call(self, config: Obj, body: Obj, timeout: float) -> Any:
        """POST `body` to the webhook of a clientConfig, within `timeout` seconds; answers the JSON it sends back.

        Raises CallFailed.
        """
        shown = f"{url_of(config)}?timeout={timeout:g}s"
        try:
            address = resolve(self._lookup, config)
            async with asyncio.timeout(timeout):
                status, data = await self._post(address, _context(config.get("caBundle") or ""), shown, body)
        except NotFound as error:
            raise CallFailed(f'Post "{shown}": {error}') from None
        except TimeoutError:
            raise CallFailed(f'Post "{shown}": {DEADLINE}') from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CallFailed(f'Post "{shown}": {_reason(error)}') from error
        if not 200 <= status < 300:
            raise CallFailed(_refusal(status, data))
        try:
            return encoding.loads(data)
        except ValueError as error:
            raise CallFailed(f"the answer is no JSON: {error}") from None

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, address: Address, context: ssl.SSLContext, url: str, body: Obj) -> tuple[int, bytes]:
        host = f"[{address.host}]" if ":" in address.host else address.host
        scheme, _, rest = url.partition("://")
        authority, _, path = rest.partition("/")
        async with self._open().post(
            f"{scheme}://{host}:{address.port}/{path}",
            data=encoding.dumps(body),
            headers={"Host": authority, "Content-Type": "application/json", "Accept": "application/json"},
            ssl=context,
            server_hostname=address.server_name,
            allow_redirects=False,
        ) as response:
            data = await response.content.read(MAX_ANSWER + 1)
            while not response.content.at_eof():
                if len(data) > MAX_ANSWER:
                    raise ValueError(f"the answer is larger than {MAX_ANSWER} bytes")
                data += await response.content.read(MAX_ANSWER)
            return response.status, data

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS_PER_WEBHOOK)
            # Each call has a deadline of its own.
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=None), headers={"User-Agent": "kube-apiserver"}
            )
        return self._session


@lru_cache(maxsize=256)
def _context(ca_bundle: str) -> ssl.SSLContext:
    """Trusts the bundle alone, or the machine's authorities where there is none."""
    if not ca_bundle:
        return ssl.create_default_context()
    try:
        context = ssl.create_default_context(cadata=base64.b64decode(ca_bundle).decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"unable to load root certificates: {error}") from error
    # As Go: a bundle may hold the server's own certificate, and old authorities' forms are accepted.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _reason(error: Exception) -> str:
    """What Go says of a connection that could not be used."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"tls: failed to verify certificate: x509: {_certificate_fault(error.certificate_error)}"
    if isinstance(error, aiohttp.ClientConnectorError):
        place = f"{error.host}:{error.port}"
        if isinstance(error.os_error, ConnectionRefusedError):
            return f"dial tcp {place}: connect: connection refused"
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return f"dial tcp: lookup {error.host}: no such host"
        return f"dial tcp {place}: {error.os_error.strerror or error.os_error}"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return "EOF"
    return str(error)


def _certificate_fault(error: Exception) -> str:
    code = getattr(error, "verify_code", 0)
    if code in _UNKNOWN_CA:
        return "certificate signed by unknown authority"
    if code in _EXPIRED:
        return "certificate has expired or is not yet valid"
    if code == _WRONG_HOST:
        message = str(getattr(error, "verify_message", ""))
        return f"certificate is not valid for any names, but wanted to match {_between_quotes(message)}"
    return str(getattr(error, "verify_message", "") or error)


def _between_quotes(text: str) -> str:
    return text.partition("'")[2].partition("'")[0]


def _refusal(status: int, data: bytes) -> str:
    """client-go's text of an HTTP status without a Status in the body."""
    if status == 404:
        return "the server could not find the requested resource"
    if status == 401:
        return "the server has asked for the client to provide credentials"
    if status == 503:
        return "the server is currently unable to handle the request"
    if status >= 500:
        shown = data[:2048].decode(errors="replace").strip().replace('"', '\\"')
        return f'an error on the server ("{shown}") has prevented the request from succeeding'
    return f"the server responded with the status code {status} but did not return more information"
