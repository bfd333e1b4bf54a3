"""kactl restore: a backup into a cluster that is down, or into a store that runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from kube_actors.cluster import loop, paths, restoring
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.store.backup import load
from kube_actors.store.backup.reader import Contents, check
from kube_actors.store.errors import StoreUnavailable

from . import session
from .backup import endpoints
from .failure import usage
from .progress import Progress

KEYS = {
    "backup": "its certificates and token are those of the backup: kubeconfigs from then stay valid",
    "cluster": "its certificates and token stay as they are, and kubeconfigs with them",
    "": "the backup has no certificates: 'kactl up' makes new ones, and kubeconfigs from before are not valid",
}


def run(arguments: argparse.Namespace) -> int:
    source = Path(arguments.source).expanduser().absolute()
    if arguments.bump is not None and not 0 <= arguments.bump < 1 << 53:
        raise usage("--bump must be a number from 0 to 2^53")
    if arguments.endpoints and arguments.data:
        raise usage("--endpoints and --data are two places; choose one")
    with Progress("Checking the backup") as progress:
        # Whole and right, before anything is touched.
        contents = check(source)
        if arguments.endpoints:
            revision = loop.run(_load(arguments, source, contents, progress))
            lines = [f"The store is at revision {revision}"]
            if contents.files:
                lines.append("The backup's certificates were left aside: --endpoints restores the store alone")
        else:
            where = _paths(arguments)
            restored = restoring.restore(
                source, contents, where, force=arguments.force, bump=arguments.bump, progress=_show(progress)
            )
            lines = [f"The store of {where.root} is at revision {restored.built.revision}; {KEYS[restored.keys]}"]
            if restored.built.replaced is not None:
                lines.append(f"The replaced store is kept as {restored.built.replaced}")
    of = f" of cluster {contents.header.cluster!r}" if contents.header.cluster else ""
    print(
        f"Restored {contents.counts.keys} keys{of} from {contents.header.created}, revision {contents.header.revision}"
    )
    print("\n".join(lines))
    return 0


def _paths(arguments: argparse.Namespace) -> ClusterPaths:
    if arguments.data:
        return ClusterPaths(Path(arguments.data).expanduser().absolute())
    return paths.of_cluster(session.cluster_name(arguments))


async def _load(arguments: argparse.Namespace, source: Path, contents: Contents, progress: Progress) -> int:
    bump = load.BUMP if arguments.bump is None else arguments.bump
    try:
        async with endpoints(arguments) as wire:
            return await load.load(source, contents, wire, force=arguments.force, bump=bump, progress=_show(progress))
    except StoreUnavailable as error:
        raise usage(f"the store at {arguments.endpoints} does not answer: {error}") from error


def _show(progress: Progress) -> load.Progress:
    def show(what: str, done: int, total: int) -> None:
        progress.say(f"{what}: {100 * done // max(total, 1)} %")

    return show
