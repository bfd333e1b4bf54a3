"""Who calls: authentication and impersonation, with a line in the audit log for those who fail at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kube_actors.api import errors
from kube_actors.apiserver.authn.impersonation import impersonated
from kube_actors.apiserver.authz import Authorizer
from kube_actors.apiserver.grpc_api import options
from kube_actors.apiserver.grpc_api.auditing import Caller, Recorder, Wanted, address_of
from kube_actors.apiserver.request import User
from kube_actors.rpc.server import Call
from kube_actors.rpc.tls import Identity

# From a certificate and headers with lower-case names to the user; see `Pipeline.identify`.
Identify = Callable[[Identity | None, Sequence[tuple[str, str]]], User]
NOBODY = User("")


class Callers:
    def __init__(self, identify: Identify, authorizer: Authorizer, recorder: Recorder | None) -> None:
        self._identify = identify
        self._authorizer = authorizer
        self._recorder = recorder

    def of(self, call: Call, wanted: Callable[[], Wanted]) -> Caller:
        """The caller. `wanted` is what a refusal is about. Raises Unauthorized, or Forbidden for an impersonation."""
        metadata = call.metadata
        headers = options.headers(metadata)
        if self._recorder is None:
            asker = self._identify(call.identity, headers)
            return Caller(impersonated(asker, headers, self._authorizer), asker)
        source, agent = address_of(call.peer), str(metadata.get("user-agent", ""))
        asker = NOBODY
        try:
            asker = self._identify(call.identity, headers)
            return Caller(impersonated(asker, headers, self._authorizer), asker, source, agent)
        except errors.KubeActorsError:
            with self._recorder.call(Caller(asker, asker, source, agent), wanted()):
                raise
