"""kactl backup: the cluster's store, while it runs, into one file."""

from __future__ import annotations

import argparse
from pathlib import Path

from kube_actors.cluster import loop, paths, record, restoring
from kube_actors.rpc.tls import ClientTLS
from kube_actors.store.backup.export import Backup, Choices, export
from kube_actors.store.backup.wire import StoreWire
from kube_actors.store.errors import StoreUnavailable

from . import session
from .failure import NO_CLUSTER, Failure, usage
from .progress import Progress

# A wrong address should not take long to be told.
PATIENCE = 5.0


def run(arguments: argparse.Namespace) -> int:
    target = Path(arguments.target).expanduser().absolute()
    if arguments.endpoints:
        if arguments.with_keys:
            raise usage("--with-keys is about a cluster of kactl; leave out --endpoints")
        choices = Choices(compression=arguments.compression)
        made = loop.run(_export(endpoints(arguments), target, choices, arguments.endpoints))
    else:
        found = record.read(paths.of_cluster(session.cluster_name(arguments)))
        if found is None or not found.live:
            raise Failure(NO_CLUSTER)
        if found.phase != record.RUNNING:
            raise usage(f"cluster {found.name!r} is {found.phase}; try again when that is done")
        files = restoring.keys_of(found.plan.paths) if arguments.with_keys else ()
        choices = Choices(found.name, arguments.compression, files)
        made = loop.run(_export(restoring.wire(found.plan), target, choices, found.plan.store_address))
    keys = " with its certificates and token" if made.counts.files else ""
    print(f"Backup{keys}: {made.counts.keys} keys at revision {made.revision}, {made.size} bytes, in {made.path}")
    return 0


def endpoints(arguments: argparse.Namespace) -> StoreWire:
    """The store of --endpoints and its TLS flags. Raises Failure."""
    names = (arguments.cacert, arguments.cert, arguments.key)
    addresses = [address.strip() for address in arguments.endpoints.split(",")]
    if any("://" in address for address in addresses):
        addresses = [address.rpartition("://")[2] for address in addresses]
    if not any(names):
        return StoreWire(addresses, patience=PATIENCE)
    if not arguments.cacert or bool(arguments.cert) != bool(arguments.key):
        raise usage("TLS needs --cacert, and --cert and --key together or neither")
    ca, certificate, key = (Path(name).read_bytes() if name else b"" for name in names)
    return StoreWire(addresses, ClientTLS(ca=ca, certificate=certificate, key=key), patience=PATIENCE)


async def _export(wire: StoreWire, target: Path, choices: Choices, address: str) -> Backup:
    with Progress("Backing up") as progress:
        try:
            async with wire:
                return await export(
                    wire, target, choices, lambda done, total: progress.say(f"Backing up: {done} of {total} keys")
                )
        except StoreUnavailable as error:
            raise usage(f"the store at {address} does not answer: {error}") from error
