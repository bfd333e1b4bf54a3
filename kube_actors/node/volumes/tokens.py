"""Service account tokens for projected volumes, asked for by TokenRequest and renewed before they expire."""

from __future__ import annotations

from kube_actors.aio.clock import Clock, parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.errors import MethodNotAllowed, NotFound
from kube_actors.api.resources import SERVICE_ACCOUNTS
from kube_actors.client.interface import Client

DEFAULT_SECONDS = 3607
# Renewed after this part of its life, and after a day at the latest, as kubelet does.
RENEW_AT = 0.8
RENEW_AFTER = 24 * 3600.0


class Tokens:
    """Tokens by pod, audience and lifetime."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[tuple[str, str, int], tuple[float, str]] = {}

    async def token(self, pod: Obj, audience: str, seconds: int) -> str | None:
        """None where the API server has no TokenRequest. Raises ApiError or RpcError where it refuses."""
        key = (str(pod["metadata"]["uid"]), audience, seconds)
        now = self._clock.now()
        known = self._known.get(key)
        if known is not None and now < known[0]:
            return known[1]
        try:
            answer = await self._request(pod, audience, seconds)
        except (NotFound, MethodNotAllowed):
            return None
        token = str((answer.get("status") or {}).get("token") or "")
        if not token:
            return None
        expires = parse_rfc3339(answer["status"]["expirationTimestamp"])
        renew = now + min((expires - now) * RENEW_AT, RENEW_AFTER)
        self._known[key] = (renew, token)
        return token

    def forget(self, uid: str) -> None:
        for key in [each for each in self._known if each[0] == uid]:
            del self._known[key]

    async def _request(self, pod: Obj, audience: str, seconds: int) -> Obj:
        metadata = pod["metadata"]
        request: Obj = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {},
            "spec": {
                "audiences": [audience] if audience else [],
                "expirationSeconds": seconds,
                "boundObjectRef": {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                },
            },
        }
        account = str(pod["spec"].get("serviceAccountName") or "default")
        namespace = str(metadata["namespace"])
        return await self._client.create(
            SERVICE_ACCOUNTS, request, namespace=namespace, name=account, subresource="token"
        )
