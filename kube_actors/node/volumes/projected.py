"""projected volumes: several sources in one directory."""

from __future__ import annotations

from pathlib import Path

from kube_actors.api import Obj
from kube_actors.node.volumes.config_map import config_map_payload
from kube_actors.node.volumes.context import VolumeContext
from kube_actors.node.volumes.downward_api import downward_payload
from kube_actors.node.volumes.empty_dir import MEMORY
from kube_actors.node.volumes.of_objects import show
from kube_actors.node.volumes.ownership import group_of, user_of
from kube_actors.node.volumes.payload import File, Payload, VolumeFailure, mode_of
from kube_actors.node.volumes.secret import secret_payload
from kube_actors.node.volumes.tokens import DEFAULT_SECONDS

# A group of the pod is added by the writer.
TOKEN_MODE = 0o600


async def set_up(context: VolumeContext, source: Obj) -> Path:
    mode = mode_of(source)
    payload: Payload = {}
    for each in source.get("sources") or ():
        payload |= await _payload(context, each, mode)
    return await show(context, payload, medium=MEMORY)


async def _payload(context: VolumeContext, source: Obj, mode: int) -> Payload:
    if source.get("configMap") is not None:
        return await config_map_payload(context, source["configMap"], mode)
    if source.get("secret") is not None:
        return await secret_payload(context, source["secret"], mode)
    if source.get("downwardAPI") is not None:
        return downward_payload(context, source["downwardAPI"], mode)
    if source.get("serviceAccountToken") is not None:
        return await _token_payload(context, source["serviceAccountToken"], mode)
    raise VolumeFailure(f"this node has no projected sources of the kind {', '.join(source) or 'none'}")


async def _token_payload(context: VolumeContext, source: Obj, mode: int) -> Payload:
    """For its reader alone where that is one user, or for the pod's group; else of the volume's mode.

    Nothing where the API server issues no tokens: the pod runs without an identity.
    """
    seconds = int(source.get("expirationSeconds") or DEFAULT_SECONDS)
    token = await context.tokens.token(context.pod, str(source.get("audience") or ""), seconds)
    if token is None:
        return {}
    user = user_of(context.pod)
    private = user is not None or group_of(context.pod) is not None
    return {str(source["path"]): File(token.encode(), TOKEN_MODE if private else mode, user)}
