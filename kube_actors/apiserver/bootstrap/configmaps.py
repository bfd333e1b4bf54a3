"""ConfigMaps of kube-system that clients of the API server read.

`extension-apiserver-authentication` holds what servers of aggregated APIs need to know users: the CA of client
certificates, and which headers of which certificate's holder they may believe.
"""

from __future__ import annotations

from datetime import UTC, datetime

from kube_actors.api import Obj
from kube_actors.api.resources import CONFIGMAPS
from kube_actors.apiserver.bootstrap.writing import Existing, First

FRONT_PROXY = "front-proxy-client"
AUTHENTICATION = "extension-apiserver-authentication"
TOKEN_TRACKING = "kube-apiserver-legacy-service-account-token-tracking"


def objects(client_ca: bytes, now: float) -> list[First]:
    """`now` is the day since which it would be known which old tokens are used."""
    since = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
    return [
        First(CONFIGMAPS, _config_map(AUTHENTICATION, _authentication(client_ca.decode())), Existing.REPLACE),
        First(CONFIGMAPS, _config_map(TOKEN_TRACKING, {"since": since})),
    ]


def _authentication(client_ca: str) -> dict[str, str]:
    """One authority issues both kinds of certificates, so the proxy is told by its name."""
    return {
        "client-ca-file": client_ca,
        "requestheader-client-ca-file": client_ca,
        "requestheader-allowed-names": f'["{FRONT_PROXY}"]',
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    }


def _config_map(name: str, data: dict[str, str]) -> Obj:
    return {"metadata": {"name": name, "namespace": "kube-system"}, "data": data}
