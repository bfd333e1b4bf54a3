"""kactl token: a bearer token, for programs and for Ray's dashboard."""

from __future__ import annotations

import argparse

from kube_actors.cluster import paths, record

from . import session
from .failure import NO_CLUSTER, Failure


def run(arguments: argparse.Namespace) -> int:
    """Print the administrator's token, or with --ray that of the cluster's Ray."""
    found = record.read(paths.of_cluster(session.cluster_name(arguments)))
    if found is None or not found.live:
        raise Failure(NO_CLUSTER)
    files = found.plan.paths
    path = files.ray_token if arguments.ray else files.token
    if not path.exists():
        raise Failure("error: this cluster has no Ray" if arguments.ray else f"error: {path} is missing")
    print(path.read_text().strip())
    return 0
