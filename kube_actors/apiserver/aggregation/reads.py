"""Reads of remote versions for callers of gRPC: an autoscaler asks for custom and external metrics so.

What is a path in REST is a Ref here. Writes and watches of remote versions go by REST alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp

from kube_actors.api import Obj, encoding, errors
from kube_actors.api.resources import Resource
from kube_actors.apiserver import authz
from kube_actors.apiserver.aggregation.client import RemoteClient, Unreachable
from kube_actors.apiserver.aggregation.proxy import identity_headers
from kube_actors.apiserver.aggregation.remotes import Remote, Remotes
from kube_actors.apiserver.authz import Authorizer
from kube_actors.apiserver.request import Request, Target

# An answer is held as a whole.
MAX_BODY = 16 << 20


class RemoteReads:
    def __init__(self, remotes: Remotes, client: RemoteClient, authorizer: Authorizer) -> None:
        self._remotes = remotes
        self._client = client
        self._authorizer = authorizer

    def of(self, ref: Any) -> Remote | None:
        """The remote version that a Ref belongs to."""
        return self._remotes.known.get((ref.group, ref.version)) if self._remotes.known else None

    async def get(self, request: Request, remote: Remote) -> bytes:
        """One object, as the other server has it. Raises ApiErrors."""
        return await self._read("get", request, remote, ())

    async def list(self, request: Request, remote: Remote, query: Sequence[tuple[str, str]]) -> Obj:
        """A list object. Raises ApiErrors."""
        return _object(await self._read("list", request, remote, query))

    async def _read(self, verb: str, request: Request, remote: Remote, query: Sequence[tuple[str, str]]) -> bytes:
        authz.check(self._authorizer, request.user, verb, request.target)
        if not remote.available:
            raise errors.Unavailable("service unavailable")
        headers = [("Accept", "application/json"), *identity_headers(request.user)]
        path = _path(request.target, query)
        try:
            response = await self._client.request(remote.service["spec"], "GET", path, headers, None)
            async with response:
                body = await response.content.read(MAX_BODY + 1)
                while len(body) <= MAX_BODY and (more := await response.content.read(MAX_BODY)):
                    body += more
        except (Unreachable, aiohttp.ClientError, OSError, ValueError) as error:
            raise errors.Unavailable(f"error trying to reach service: {error}") from error
        if len(body) > MAX_BODY:
            raise errors.Unavailable("error trying to reach service: its answer is too large")
        if response.status >= 400:
            raise _refusal(response.status, body)
        return body


def target_of(ref: Any) -> Target:
    """What a Ref of a remote version points to; what is served there only the other server knows."""
    resource = Resource(ref.group, ref.version, ref.resource, ref.resource, bool(ref.namespace))
    return Target(resource, ref.namespace, ref.name, ref.subresource)


def _path(target: Target, query: Sequence[tuple[str, str]]) -> str:
    parts = [part for part in (target.name, target.subresource) if part]
    path = "/".join((target.resource.path(target.namespace), *(quote(part, safe="*:") for part in parts)))
    asked = [(key, value) for key, value in query if value]
    return f"{path}?{urlencode(asked)}" if asked else path


def _refusal(status: int, body: bytes) -> errors.ApiError:
    try:
        return errors.from_status(_object(body))
    except errors.ApiError:
        return errors.Unavailable(f"the server answered {status}: {body[:256].decode(errors='replace')}")


def _object(body: bytes) -> Obj:
    try:
        found = encoding.loads(body)
    except ValueError as error:
        raise errors.Unavailable("the server's answer is no JSON") from error
    if not isinstance(found, dict):
        raise errors.Unavailable("the server's answer is no object")
    return found
