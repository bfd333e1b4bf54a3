"""etcdserverpb.Auth: who may connect is decided by TLS client certificates, so there are no users here.

The answers are those of an etcd whose authentication is off; by them clients that were given a user go on
without one. What would change users and roles is refused with the same error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.server import Call
from kube_actors.store.engine import Engine
from kube_actors.store.errors import AuthNotEnabled
from kube_actors.store.services.messages import header


async def _refuse(request: Any, call: Call) -> Any:
    raise AuthNotEnabled


class AuthService:
    """Every method but two refuses."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        for method in pb.DESCRIPTOR.services_by_name["Auth"].methods:
            if not hasattr(self, method.name):
                refuse: Callable[[Any, Call], Awaitable[Any]] = _refuse
                setattr(self, method.name, refuse)

    async def AuthStatus(self, request: pb.AuthStatusRequest, call: Call) -> pb.AuthStatusResponse:
        return pb.AuthStatusResponse(header=header(self._engine), enabled=False, authRevision=1)

    async def AuthDisable(self, request: pb.AuthDisableRequest, call: Call) -> pb.AuthDisableResponse:
        """It is off already."""
        return pb.AuthDisableResponse(header=header(self._engine))
