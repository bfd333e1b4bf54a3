"""kactl down."""

from __future__ import annotations

import argparse
import shutil

from kube_actors.cluster import paths, ray_cluster, record

from . import session
from .failure import NO_CLUSTER, Failure, usage
from .progress import Progress


def run(arguments: argparse.Namespace) -> int:
    """End the cluster of this name and all that it started."""
    where = paths.of_cluster(session.cluster_name(arguments))
    found = record.read(where)
    if found is not None and found.mode == "embedded" and found.live:
        raise usage(f"cluster {found.name!r} runs embedded in process {found.owner.pid}; end it there with Ctrl-C")
    if found is None and not (arguments.purge and where.root.exists()):
        raise Failure(NO_CLUSTER)
    with Progress("Stopping", steps=True) as progress:
        ray_cluster.down(where, progress.say, progress.note)
    if arguments.purge:
        shutil.rmtree(where.root, ignore_errors=True)
    print(f"Cluster {where.root.name} is down" + (" and its state is removed" if arguments.purge else ""))
    return 0
