"""Requests for remote versions, sent on as they are; who asks stands in headers.

Kubernetes: kube-aggregator's handler_proxy.go and apimachinery's util/proxy.
"""

from __future__ import annotations

from urllib.parse import quote

import aiohttp

from kube_actors.apiserver import authz
from kube_actors.apiserver.aggregation.client import RemoteClient, Unreachable
from kube_actors.apiserver.aggregation.remotes import Remote, Remotes
from kube_actors.apiserver.authz import Authorizer
from kube_actors.apiserver.request import Target, User
from kube_actors.apiserver.rest.exchange import Answer, Exchange
from kube_actors.apiserver.rest.paths import parse
from kube_actors.apiserver.rest.resources import unserved, verb_of

_TEXT = "text/plain; charset=utf-8"
_HOP_BY_HOP = frozenset((
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "trailers",
    "transfer-encoding", "upgrade",
))  # fmt: skip
_OURS = ("x-remote-", "authorization", "host", "content-length")
CHUNK = 64 * 1024


class AggregationProxy:
    def __init__(self, remotes: Remotes, client: RemoteClient, authorizer: Authorizer) -> None:
        self._remotes = remotes
        self._client = client
        self._authorizer = authorizer

    def remote(self, path: str) -> Remote | None:
        """The remote version that a path belongs to."""
        if not self._remotes.known:
            return None
        parts = path.removeprefix("/openapi/v3").split("/")
        return self._remotes.known.get((parts[2], parts[3])) if len(parts) > 3 and parts[1] == "apis" else None

    async def answer(self, exchange: Exchange, user: User, remote: Remote) -> Answer:
        """Send the request on, and what comes back."""
        self._authorize(exchange, user)
        if not remote.available:
            return Answer(b"service unavailable\n", 503, _TEXT)
        request = exchange.request
        body = await request.read() if request.can_read_body else None
        try:
            response = await self._client.request(
                remote.service["spec"], request.method, request.raw_path, _headers(exchange, user), body
            )
        except (Unreachable, aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(f"error trying to reach service: {error}\n".encode(), 503, _TEXT)
        async with response:
            headers = {key: value for key, value in response.headers.items() if key.lower() not in _HOP_BY_HOP}
            stream = await exchange.begin_relay(response.status, headers)
            async for chunk in response.content.iter_chunked(CHUNK):
                await stream.write(chunk)
            await stream.write_eof()
        return Answer(b"", response.status)

    def _authorize(self, exchange: Exchange, user: User) -> None:
        """Raises Forbidden."""
        path, method = parse(exchange.path), exchange.request.method
        if path is None:
            authz.check_path(self._authorizer, user, method.lower(), exchange.path)
            return
        exchange.resource_path = path
        target = Target(unserved(path), path.namespace, path.name, path.subresource)
        authz.check(self._authorizer, user, verb_of(method, path), target)


def _headers(exchange: Exchange, user: User) -> list[tuple[str, str]]:
    """The client's own, without what it may not say of itself, and who it is."""
    headers = [
        (key, value)
        for key, value in exchange.request.headers.items()
        if key.lower() not in _HOP_BY_HOP and not key.lower().startswith(_OURS)
    ]
    headers += identity_headers(user)
    peer = exchange.request.remote
    return [*headers, ("X-Forwarded-For", peer)] if peer else headers


def identity_headers(user: User) -> list[tuple[str, str]]:
    """Who asks, as the other server reads it."""
    headers = [("X-Remote-User", user.name)]
    headers += [("X-Remote-Group", group) for group in user.groups]
    if user.uid:
        headers.append(("X-Remote-Uid", user.uid))
    for key, values in user.extra:
        headers += [(f"X-Remote-Extra-{quote(key, safe='')}", value) for value in values]
    return headers
