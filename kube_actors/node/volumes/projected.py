"""projected volumes: several sources in one directory."""

from __future__ import annotations

from pathlib import Path

from kube_actors.api import Obj
from kube_actors.node.volumes.atomic_writer import write_atomically
from kube_actors.node.volumes.config_map import config_map_payload
from kube_actors.node.volumes.context import VolumeContext
from kube_actors.node.volumes.downward_api import downward_payload
from kube_actors.node.volumes.payload import File, Payload, VolumeFailure, mode_of
from kube_actors.node.volumes.secret import secret_payload
from kube_actors.node.volumes.tokens import DEFAULT_SECONDS

# Tokens are for their reader alone; a group of the pod is added by the writer.
TOKEN_MODE = 0o600


async def set_up(context: VolumeContext, source: Obj) -> Path:
    mode = mode_of(source)
    payload: Payload = {}
    for each in source.get("sources") or ():
        payload |= await _payload(context, each, mode)
    write_atomically(context.path, payload, context.group)
    return context.path


async def _payload(context: VolumeContext, source: Obj, mode: int) -> Payload:
    if source.get("configMap"):
        return await config_map_payload(context, source["configMap"], mode)
    if source.get("secret"):
        return await secret_payload(context, source["secret"], mode)
    if source.get("downwardAPI"):
        return downward_payload(context, source["downwardAPI"], mode)
    if source.get("serviceAccountToken"):
        return await _token_payload(context, source["serviceAccountToken"], mode)
    raise VolumeFailure(f"projected source {', '.join(source)} is not supported by this node")


async def _token_payload(context: VolumeContext, source: Obj, mode: int) -> Payload:
    """Nothing where the API server issues no tokens: the pod runs without an identity."""
    seconds = int(source.get("expirationSeconds") or DEFAULT_SECONDS)
    token = await context.tokens.token(context.pod, str(source.get("audience") or ""), seconds)
    if token is None:
        return {}
    security = context.pod["spec"].get("securityContext") or {}
    # Whoever runs as another user than root could not read a file of mode 0600.
    private = security.get("runAsUser") in (None, 0) and security.get("fsGroup") is None
    return {str(source["path"]): File(token.encode(), TOKEN_MODE if private else mode)}
