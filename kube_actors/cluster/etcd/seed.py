"""A store of one member out of a backup; the other members join it when the cluster starts.

    etcd runs in a folder of its own -> its revision is raised -> the backup is loaded -> it ends

The other members, whatever their folders hold, are of another cluster then: its token differs, so they put
their data aside and join as learners.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from kube_actors.api.errors import ConfigError
from kube_actors.cluster import ports
from kube_actors.cluster.etcd.member import EtcdMember, MemberConfig
from kube_actors.cluster.plan import MemberPlan
from kube_actors.store.backup.build import BUMP, MARK, Progress
from kube_actors.store.backup.format import BackupError
from kube_actors.store.backup.load import load
from kube_actors.store.backup.reader import Contents
from kube_actors.store.backup.wire import StoreWire
from kube_actors.store.errors import KV

# A key of etcd's table of revisions.
_REVISION = struct.Struct(">Qcq")


def choose(members: Sequence[MemberPlan]) -> MemberPlan:
    """The member that is on this machine. Raises ConfigError."""
    for member in members:
        if ports.is_free(member.host, 0):
            return member
    hosts = ", ".join(member.host for member in members)
    raise ConfigError(f"none of the store's members is on this machine; restore on one of {hosts}")


async def seed(
    path: Path,
    contents: Contents,
    config: MemberConfig,
    *,
    bump: int | None = None,
    progress: Progress | None = None,
) -> int:
    """Make the member's folder, which does not exist yet, with a checked backup in it; the revision.

    Raises BackupError and ConfigError.
    """
    alone = replace(config, peers=(config.me,), joining=False)
    target = contents.header.revision + (BUMP if bump is None else bump)
    async with _running(alone) as wire:
        written = await wire.put([KV(MARK, b"", 0, 0, 0, 0)])
    raise_revision(config.root / config.name / "data" / "member" / "snap" / "db", written, target)
    async with _running(alone) as wire:
        _, revision = await wire.count()
        if revision < target:
            raise BackupError(f"this etcd begins at revision {revision}, not at {target}; use --bump 0")
        return await load(path, contents, wire, force=True, bump=0, progress=progress)


@asynccontextmanager
async def _running(config: MemberConfig) -> AsyncIterator[StoreWire]:
    member = EtcdMember(config)
    try:
        await member.start()
        async with StoreWire([config.me.client_address], config.client_tls) as wire:
            yield wire
    finally:
        await member.stop()


def raise_revision(database: Path, written: int, target: int) -> None:
    """Let a store with the one key that was written at `written` begin at `target`.

    Over its API a revision costs a write, and a backup's may be a thousand million. etcd goes on from the newest
    revision in its file, and keys of that table have no checksum. Raises BackupError where it is not as expected.
    """
    if target <= written:
        return
    content = database.read_bytes()
    before, after = _REVISION.pack(written, b"_", 0), _REVISION.pack(target, b"_", 0)
    if before not in content:
        raise BackupError(f"{database} is not as etcd 3 writes it")
    database.write_bytes(content.replace(before, after))
