"""kactl rotate-token-keys: a new key for service-account tokens; the ones before stay accepted for a while."""

from __future__ import annotations

import argparse

from kube_actors.aio.clock import SystemClock
from kube_actors.cluster import paths, service_account_keys

from . import session
from .failure import Failure


def run(arguments: argparse.Namespace) -> int:
    """Add the key to the cluster's; the API servers notice by themselves."""
    folder = paths.of_cluster(session.cluster_name(arguments)).pki
    if not (folder / "sa.key").exists():
        raise Failure(f"error: there is no cluster with keys in {folder}")
    path = service_account_keys.rotate(folder, SystemClock().now())
    print(f"{path.name} signs service-account tokens in about three minutes; tokens of earlier keys stay valid")
    return 0
