"""kactl down."""

from __future__ import annotations

import argparse
import shutil
import signal

from kube_actors.cluster import paths, ray_cluster, record

from . import session
from .failure import NO_CLUSTER, Failure, usage
from .progress import Progress

# An embedded cluster ends its pods before it ends itself.
EMBEDDED_SECONDS = 60.0


def run(arguments: argparse.Namespace) -> int:
    """End the cluster of this name and all that it started."""
    where = paths.of_cluster(session.cluster_name(arguments))
    found = record.read(where)
    if found is not None and found.mode == "embedded" and found.live:
        with Progress("Stopping", steps=True):
            found.owner.signal(signal.SIGTERM)
            if not found.owner.wait(EMBEDDED_SECONDS):
                raise usage(f"cluster {found.name!r} does not end; it is process {found.owner.pid}")
    elif found is None and not (arguments.purge and where.root.exists()):
        raise Failure(NO_CLUSTER)
    else:
        with Progress("Stopping", steps=True) as progress:
            ray_cluster.down(where, progress.say, progress.note)
    if arguments.purge:
        shutil.rmtree(where.root, ignore_errors=True)
    print(f"Cluster {where.root.name} is down" + (" and its state is removed" if arguments.purge else ""))
    return 0
