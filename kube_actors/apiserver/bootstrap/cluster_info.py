"""kube-public/cluster-info: what who joins has to know of the cluster, a kubeconfig without a user.

A controller adds a signature by every token for joining; what stands beside the kubeconfig is left alone.
"""

from __future__ import annotations

import base64

import yaml

from kube_actors.api import encoding, errors
from kube_actors.api.resources import CONFIGMAPS
from kube_actors.apiserver.bootstrap.writing import SYSTEM
from kube_actors.apiserver.operations import Operations
from kube_actors.apiserver.request import Request, Target, WriteOptions

NAMESPACE, NAME = "kube-public", "cluster-info"


async def write(operations: Operations, address: str, port: int, root_ca: bytes) -> None:
    """Make it, or put its kubeconfig right. Raises ApiError."""
    host = f"[{address}]" if ":" in address else address
    cluster = {"certificate-authority-data": base64.b64encode(root_ca).decode(), "server": f"https://{host}:{port}"}
    config = {"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "", "cluster": cluster}]}
    data = {"data": {"kubeconfig": yaml.safe_dump(config)}}
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": NAME, "namespace": NAMESPACE}, **data}
    try:
        await operations.create(Request(SYSTEM, Target(CONFIGMAPS, NAMESPACE)), encoding.dumps(body), WriteOptions())
    except errors.AlreadyExists:
        request = Request(SYSTEM, Target(CONFIGMAPS, NAMESPACE, NAME))
        await operations.patch(request, "application/merge-patch+json", encoding.dumps(data), WriteOptions())
