"""pods/proxy, services/proxy and nodes/proxy: HTTP and what it is upgraded to, carried to a server of the cluster.

Kubernetes: apimachinery/pkg/util/proxy/upgradeaware.go and transport.go. The caller's credentials stay here.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import zlib
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from kube_actors.aio.tasks import Tasks
from kube_actors.api import errors
from kube_actors.apiserver.operations import Operations, method_not_allowed
from kube_actors.apiserver.request import Request
from kube_actors.apiserver.rest.connect import negotiating
from kube_actors.apiserver.rest.connect.kubelet import Kubelet
from kube_actors.apiserver.rest.connect.locations import Locations
from kube_actors.apiserver.rest.connect.pump import READ
from kube_actors.apiserver.rest.connect.reach import Connector, Location
from kube_actors.apiserver.rest.connect.rewriting import Rewrite, rewrite_html, rewriter
from kube_actors.apiserver.rest.connect.tunnel import tunnel
from kube_actors.apiserver.rest.exchange import Answer, Exchange

VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
# OPTIONS has no verb of its own in Kubernetes: only who may do everything may ask.
METHODS = VERBS | {"OPTIONS": ""}
_PATH = re.compile(r"(/api/v1/(?:namespaces/[^/]+/)?[^/]+/[^/]+/proxy)(/.*)?")
# Of one connection only, and what is between the user and us.
_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
     "upgrade", "authorization", "proxy-connection")
)  # fmt: skip
# A page that is larger is given on as it is.
MAX_PAGE = 4 << 20


class Proxies:
    """One connection for each request; bodies are never kept, but for HTML, whose links are rewritten."""

    def __init__(self, operations: Operations, locations: Locations, kubelet: Kubelet) -> None:
        self._operations = operations
        self._locations = locations
        self._kubelet = kubelet

    async def answer(self, exchange: Exchange, request: Request) -> Answer:
        method = exchange.request.method
        if method not in METHODS:
            raise method_not_allowed()
        self._operations.authorize(request, METHODS[method])
        base, rest = _split(exchange.path)
        kind = f"{request.target.resource.kind}ProxyOptions"
        await self._operations.connect(request, {"kind": kind, "apiVersion": "v1", "path": rest})
        upgrade = negotiating.upgrade_of(exchange.request)
        if not rest and not upgrade and method in ("GET", "HEAD"):
            query = f"?{exchange.query_text}" if exchange.query_text else ""
            return Answer(b"", 301, "text/plain; charset=utf-8", {"Location": f"{base}/{query}"})
        if request.target.resource.plural == "nodes" and (known := self._kubelet.node_of(request.target)):
            return await self._kubelet.answer(known, method, rest)
        location = await self._locations.find(request.target)
        target = (rest or "/") + (f"?{exchange.query_text}" if exchange.query_text else "")
        tasks = Tasks("proxy")
        try:
            if upgrade:
                return await tunnel(exchange, location, target, _headers(exchange, base, rest, keep=True), tasks)
            return await self._forward(exchange, location, target, base, rest, tasks)
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            if exchange.streamed is not None:
                raise ConnectionResetError("the proxied server broke off") from error
            raise _unreachable(str(error)) from error
        except errors.Unavailable as error:
            raise _unreachable(error.message) from error
        finally:
            await tasks.stop()

    async def _forward(
        self, exchange: Exchange, location: Location, target: str, base: str, rest: str, tasks: Tasks
    ) -> Answer:
        request = exchange.request
        async with (
            aiohttp.ClientSession(
                connector=Connector(location, tasks),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
                timeout=aiohttp.ClientTimeout(total=None),
            ) as session,
            session.request(
                request.method,
                _url(location, target),
                headers=_headers(exchange, base, rest),
                data=request.content if request.body_exists else None,
                allow_redirects=False,
            ) as upstream,
        ):
            return await _answer(exchange, upstream, rewriter(base, frozenset((location.host, request.host))))


async def _answer(exchange: Exchange, upstream: aiohttp.ClientResponse, rewrite: Rewrite) -> Answer:
    headers = CIMultiDict(_passed(upstream.headers.items()))
    if "Location" in headers:
        headers["Location"] = rewrite(headers["Location"])
    body: AsyncIterator[bytes] = upstream.content.iter_chunked(READ)
    response = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=headers)
    if _is_page(upstream):
        page = _rewritten(await upstream.read(), headers.get("Content-Encoding", ""), rewrite)
        response.content_length = len(page)
        body = _once(page)
    elif "Content-Length" not in headers and exchange.request.method != "HEAD":
        response.enable_chunked_encoding()
    exchange.began(response)
    await response.prepare(exchange.request)
    async for chunk in body:
        await response.write(chunk)
    await response.write_eof()
    return Answer(b"", upstream.status)


async def _once(page: bytes) -> AsyncIterator[bytes]:
    yield page


def _is_page(upstream: aiohttp.ClientResponse) -> bool:
    size = upstream.content_length
    return (
        upstream.content_type == "text/html"
        and upstream.method != "HEAD"
        and upstream.headers.get("Content-Encoding", "") in ("", "gzip", "deflate")
        and (size is None or size <= MAX_PAGE)
    )


def _rewritten(page: bytes, encoding: str, rewrite: Rewrite) -> bytes:
    if not encoding:
        return rewrite_html(page, rewrite)
    unzip = zlib.decompressobj(wbits=47)
    with suppress(zlib.error):
        plain = unzip.decompress(page, MAX_PAGE)
        if not unzip.unconsumed_tail:
            found = rewrite_html(plain, rewrite)
            return gzip.compress(found, mtime=0) if encoding == "gzip" else zlib.compress(found)
    return page


def _headers(exchange: Exchange, base: str, rest: str, *, keep: bool = False) -> CIMultiDict[str]:
    """What the proxied server gets; `keep` the wish for an upgrade."""
    request = exchange.request
    headers = CIMultiDict(_passed(request.headers.items()))
    if keep:
        headers["Connection"] = "Upgrade"
        headers["Upgrade"] = request.headers.get("Upgrade", "")
    if request.remote:
        known = request.headers.get("X-Forwarded-For")
        headers["X-Forwarded-For"] = f"{known}, {request.remote}" if known else request.remote
    headers["X-Forwarded-Uri"] = base + (rest or "")
    return headers


def _passed(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [
        (name, value)
        for name, value in headers
        if name.lower() not in _HOP and not name.lower().startswith("access-control-")
    ]


def _split(path: str) -> tuple[str, str]:
    """The path of the proxy itself, and what follows it; the latter as the client wrote it."""
    found = _PATH.fullmatch(path)
    return (found[1], found[2] or "") if found else (path, "")


def _url(location: Location, target: str) -> URL:
    return URL(f"{location.scheme}://{location.host}{target}", encoded=True)


def _unreachable(text: str) -> errors.Unavailable:
    return errors.Unavailable(f"error trying to reach service: {text}")
