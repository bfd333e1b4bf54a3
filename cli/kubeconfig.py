"""kactl kubeconfig: `export KUBECONFIG=$(kactl kubeconfig)`."""

from __future__ import annotations

import argparse

from kube_actors.cluster import paths, record

from . import session
from .failure import NO_CLUSTER, Failure


def run(arguments: argparse.Namespace) -> int:
    """Print the path of the kubeconfig of the cluster that runs here."""
    found = record.read(paths.of_cluster(session.cluster_name(arguments)))
    if found is None or not found.live:
        raise Failure(NO_CLUSTER)
    print(found.kubeconfig)
    return 0
