"""Errors across gRPC: raised on the server, raised again on the client as the same class.

ApiError    -> status code, message, trailing metadata kube-status-bin = the Status as JSON
StoreError  -> status code and etcd's text, by which the store client finds the class again
"""

from __future__ import annotations

import grpc

from kube_actors.api import encoding, errors

STATUS_KEY = "kube-status-bin"
# Larger Status objects (a long list of causes) are cut to the message: HTTP/2 metadata is bounded.
STATUS_LIMIT = 7000

Metadata = tuple[tuple[str, str | bytes], ...]


class RpcError(errors.KubeActorsError):
    """A gRPC failure that is no Kubernetes Status: the peer is away, or refused in its own words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message

    @property
    def transient(self) -> bool:
        """Whether the same call may work later: the peer was away or too busy."""
        return self.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "RESOURCE_EXHAUSTED")


def to_status(error: errors.KubeActorsError) -> tuple[grpc.StatusCode, str, Metadata]:
    """What to abort an RPC with."""
    metadata: list[tuple[str, str | bytes]] = []
    if isinstance(error, errors.ApiError):
        body = encoding.dumps(error.status())
        if len(body) <= STATUS_LIMIT:
            metadata.append((STATUS_KEY, body))
    code = error.code if isinstance(error, RpcError) else error.grpc_code
    message = error.message if isinstance(error, RpcError) else str(error)
    return grpc.StatusCode[code], message[:STATUS_LIMIT], tuple(metadata)


def from_rpc(error: grpc.aio.AioRpcError) -> errors.KubeActorsError:
    """The exception to raise on the client."""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_KEY:
            return errors.from_status(encoding.loads(value))
    return RpcError(error.code().name, error.details() or "")
