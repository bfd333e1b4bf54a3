"""Which protocol a client wants to be upgraded to. Kubernetes: apimachinery/pkg/util/httpstream."""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import web

from kube_actors.api import errors

WEBSOCKET = "websocket"
SPDY = "SPDY/3.1"
SPDY_PROTOCOLS = "X-Stream-Protocol-Version"
ACCEPTED = "X-Accept-Stream-Protocol-Version"
WEBSOCKET_PROTOCOLS = "Sec-WebSocket-Protocol"


def upgrade_of(request: web.BaseRequest) -> str:
    """What the client asks to switch to, in lower case; empty for a plain request."""
    if "upgrade" not in request.headers.get("Connection", "").lower():
        return ""
    return request.headers.get("Upgrade", "").lower()


def required() -> errors.BadRequest:
    return errors.BadRequest("Upgrade request required")


def offered(request: web.BaseRequest, header: str) -> list[str]:
    """The subprotocols that the client offers, the dearest first."""
    values = request.headers.getall(header, [])
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def choose(request: web.BaseRequest, header: str, supported: Collection[str], default: str) -> str:
    """The first offered one that is supported; `default` where none is offered.

    Raises BadRequest for a WebSocket, Forbidden for SPDY, as Kubernetes does.
    """
    wanted = offered(request, header)
    if not wanted:
        return default
    for name in wanted:
        if name in supported:
            return name
    listed = f"unable to negotiate protocol: client supports {_list(wanted)}, server supports {_list(supported)}"
    raise errors.BadRequest(listed) if header == WEBSOCKET_PROTOCOLS else errors.Forbidden(listed)


def _list(names: Collection[str]) -> str:
    return f"[{' '.join(names)}]"
