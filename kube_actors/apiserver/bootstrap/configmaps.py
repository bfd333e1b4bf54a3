"""ConfigMaps of kube-system that clients of the API server read.

`extension-apiserver-authentication` holds the CA of client certificates, by which extension servers know users.
"""

from __future__ import annotations

from datetime import UTC, datetime

from kube_actors.api import Obj
from kube_actors.api.resources import CONFIGMAPS
from kube_actors.apiserver.bootstrap.writing import Existing, First

AUTHENTICATION = "extension-apiserver-authentication"
TOKEN_TRACKING = "kube-apiserver-legacy-service-account-token-tracking"


def objects(client_ca: bytes, now: float) -> list[First]:
    """`now` is the day since which it would be known which old tokens are used."""
    since = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
    return [
        First(CONFIGMAPS, _config_map(AUTHENTICATION, {"client-ca-file": client_ca.decode()}), Existing.REPLACE),
        First(CONFIGMAPS, _config_map(TOKEN_TRACKING, {"since": since})),
    ]


def _config_map(name: str, data: dict[str, str]) -> Obj:
    return {"metadata": {"name": name, "namespace": "kube-system"}, "data": data}
