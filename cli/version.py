"""kactl version."""

from __future__ import annotations

import argparse

import kube_actors
from kube_actors.api.errors import KubeActorsError
from kube_actors.cluster import loop

from . import documents, session
from .failure import Failure


def run(arguments: argparse.Namespace) -> int:
    return loop.run(version(arguments))


async def version(arguments: argparse.Namespace) -> int:
    """Print kactl's version, and unless --client the server's."""
    content = {"clientVersion": {"productVersion": kube_actors.__version__}}
    lines = [f"Client Version: {kube_actors.__version__}"]
    problem: Exception | None = None
    if not arguments.client:
        try:
            async with session.client(arguments) as client:
                found = await client.version()
            content["serverVersion"] = {
                "gitVersion": found.git_version,
                "productVersion": found.product_version,
                "clusterName": found.cluster_name,
            }
            lines.append(f"Server Version: {found.git_version} (kube-actors {found.product_version})")
        except (Failure, KubeActorsError, OSError) as error:  # the client's version is said in any case
            problem = error
    if arguments.output:
        print(documents.to_json(content) if arguments.output == "json" else documents.to_yaml(content))
    else:
        print("\n".join(lines), flush=True)
    if problem is not None:
        raise problem
    return 0
