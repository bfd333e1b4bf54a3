"""kactl token: a bearer token, for programs and for Ray's dashboard; tokens for joining are made and listed too."""

from __future__ import annotations

import argparse
import asyncio
import base64
import secrets
import string

from kube_actors.aio.clock import SystemClock, rfc3339
from kube_actors.api import Obj
from kube_actors.api.resources import SECRETS
from kube_actors.cluster import paths, record

from . import session
from .durations import seconds
from .failure import NO_CLUSTER, Failure, usage
from .tabwriter import align

NAMESPACE, PREFIX = "kube-system", "bootstrap-token-"
TYPE = "bootstrap.kubernetes.io/token"
GROUP = "system:bootstrappers:kube-actors:default-node-token"
ALPHABET = string.ascii_lowercase + string.digits


def run(arguments: argparse.Namespace) -> int:
    """Print the administrator's token, or with --ray that of the cluster's Ray; or deal with tokens for joining."""
    if arguments.action != "show":
        return asyncio.run(_joining(arguments))
    found = record.read(paths.of_cluster(session.cluster_name(arguments)))
    if found is None or not found.live:
        raise Failure(NO_CLUSTER)
    files = found.plan.paths
    path = files.ray_token if arguments.ray else files.token
    if not path.exists():
        raise Failure("error: this cluster has no Ray" if arguments.ray else f"error: {path} is missing")
    print(path.read_text().strip())
    return 0


async def _joining(arguments: argparse.Namespace) -> int:
    async with session.client(arguments) as client:
        if arguments.action == "create":
            identifier, secret = ("".join(secrets.choice(ALPHABET) for _ in range(count)) for count in (6, 16))
            lifetime = 0.0 if arguments.ttl == "0" else seconds(arguments.ttl)
            await client.create(SECRETS, bootstrap_secret(identifier, secret, lifetime), namespace=NAMESPACE)
            print(f"{identifier}.{secret}")
        elif arguments.action == "list":
            listed = await client.list(SECRETS, NAMESPACE, fields=f"type={TYPE}")
            rows = [("TOKEN", "EXPIRES", "DESCRIPTION"), *(_row(obj) for obj in listed.items)]
            print("\n".join(align(["\t".join(row) for row in rows], padding=3)))
        else:
            if not arguments.token:
                raise usage("which token? kactl token delete TOKEN")
            identifier = arguments.token.partition(".")[0]
            await client.delete(SECRETS, PREFIX + identifier, NAMESPACE)
            print(f'bootstrap token "{identifier}" deleted')
    return 0


def bootstrap_secret(identifier: str, secret: str, lifetime: float) -> Obj:
    """The Secret of a token; `lifetime` in seconds, 0 for one that stays."""
    data = {
        "token-id": identifier,
        "token-secret": secret,
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "auth-extra-groups": GROUP,
    }
    if lifetime:
        data["expiration"] = rfc3339(SystemClock().now() + lifetime)
    metadata = {"name": PREFIX + identifier, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": TYPE, "stringData": data}


def _row(secret: Obj) -> tuple[str, str, str]:
    data = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
    token = f"{data.get('token-id', '')}.{data.get('token-secret', '')}"
    return token, data.get("expiration", "<never>"), data.get("description", "<none>")
