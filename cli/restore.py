"""kactl restore: a backup into a cluster that is down, or into a store that runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from kube_actors.cluster import config as configs
from kube_actors.cluster import loop, paths, restoring
from kube_actors.cluster.config import StoreSection
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
    if sum(map(bool, (arguments.endpoints, arguments.data, arguments.file))) > 1:
        raise usage("--endpoints, --data and --file are different places; choose one")
    with Progress("Checking the backup") as progress:
        # Whole and right, before anything is touched.
        contents = check(source)
        if arguments.endpoints:
            revision = loop.run(_load(arguments, source, contents, progress))
            lines = [f"The store is at revision {revision}"]
            if contents.files:
                lines.append("The backup's certificates were left aside: --endpoints restores the store alone")
        else:
            where, store = _target(arguments)
            restored = restoring.restore(
                source, contents, where, store, force=arguments.force, bump=arguments.bump, progress=_show(progress)
            )
            lines = [f"The store of {where.root} is at revision {restored.revision}; {KEYS[restored.keys]}"]
            if restored.replaced is not None:
                lines.append(f"The replaced store is kept as {restored.replaced}")
    of = f" of cluster {contents.header.cluster!r}" if contents.header.cluster else ""
    print(
        f"Restored {contents.counts.keys} keys{of} from {contents.header.created}, revision {contents.header.revision}"
    )
    print("\n".join(lines))
    return 0


def _target(arguments: argparse.Namespace) -> tuple[ClusterPaths, StoreSection | None]:
    """The cluster's folder, and the store that it is to have; None: of the kind that it has."""
    if arguments.data:
        return ClusterPaths(Path(arguments.data).expanduser().absolute()), None
    if not arguments.file:
        return paths.of_cluster(session.cluster_name(arguments)), None
    config = configs.load(Path(arguments.file))
    name = session.cluster_name(arguments) if arguments.cluster else config.name
    return paths.of_cluster(name), config.store


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
