"""Restoring into a cluster whose store is members of an etcd: one of them is made from the backup, alone.

    ROOT/restore.kactl-partial/   the new store while it grows; removed by the next restore if this one is killed
    ROOT/etcd                     the old store, then the new one
    ROOT/etcd.replaced            the old one, until the restore after this one

The others join it, one after the other, when the cluster starts; on other hosts too, where nothing is touched now.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kube_actors.api.errors import StoreError
from kube_actors.cluster import loop, ports, wiring
from kube_actors.cluster.config import StoreSection
from kube_actors.cluster.etcd import layout, seed
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.pki import Pki
from kube_actors.store.backend import FILE
from kube_actors.store.backup.build import Progress
from kube_actors.store.backup.files import PARTIAL, sync_folder
from kube_actors.store.backup.format import BackupError
from kube_actors.store.backup.reader import Contents

WORK = f"restore{PARTIAL}"
HOST = "127.0.0.1"


def restore_members(
    path: Path,
    contents: Contents,
    paths: ClusterPaths,
    store: StoreSection,
    *,
    force: bool,
    bump: int | None,
    progress: Progress | None,
) -> tuple[int, Path | None]:
    """The revision, and where the replaced store is. Raises BackupError or ConfigError; nothing is changed then."""
    old = paths.etcd if layout.existing(paths) else paths.store if (paths.store / FILE).exists() else None
    if old is not None and not force:
        raise BackupError(f"{old} holds a store already; --force replaces it and keeps it aside")
    work = ClusterPaths(paths.root / WORK)
    shutil.rmtree(work.root, ignore_errors=True)
    try:
        etcd = layout.renewed(paths, store, HOST)
        member = seed.choose(etcd.members)
        ports.require_free(member.host, {"store.port": member.client_port, "store.port, for peers": member.peer_port})
        work.make()
        # Keys for this restore alone: the cluster's may only come with the backup.
        config = wiring.member_config(etcd, work, Pki.open(work.pki), member.name)
        revision = loop.run(seed.seed(path, contents, config, bump=bump, progress=progress))
        layout.write(work, etcd)
        replaced = put_aside(old) if old is not None else None
        shutil.rmtree(paths.etcd, ignore_errors=True)
        os.rename(work.etcd, paths.etcd)
        sync_folder(paths.root)
        return revision, replaced
    except (OSError, StoreError) as error:
        raise BackupError(f"cannot restore into {paths.etcd}: {error}; nothing was changed") from error
    finally:
        shutil.rmtree(work.root, ignore_errors=True)


def put_aside(store: Path) -> Path:
    """Move a store's folder away; what had been put aside before is gone then."""
    replaced = store.with_name(f"{store.name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    os.rename(store, replaced)
    return replaced
