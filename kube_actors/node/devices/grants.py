"""Which devices a pod's containers have, as the text that a sandbox's record keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable

from kube_actors.node.runtime.interface import DeviceGrant


def encode(grants: Iterable[DeviceGrant]) -> str:
    """Empty for a pod without devices."""
    rows = [[grant.container, grant.resource, list(grant.ids)] for grant in grants]
    return json.dumps(rows) if rows else ""


def decode(text: str) -> tuple[DeviceGrant, ...]:
    """A record that somebody has damaged grants nothing."""
    try:
        rows = json.loads(text) if text else []
        return tuple(DeviceGrant(str(name), str(resource), tuple(map(str, ids))) for name, resource, ids in rows)
    except (ValueError, TypeError):
        return ()
