"""A cluster's folder and backups: the way to its store, the keys that go along, what a restore replaces."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kube_actors.api.errors import ConfigError
from kube_actors.cluster import record, wiring
from kube_actors.cluster.config import StoreSection
from kube_actors.cluster.etcd import layout
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.pki import Pki, write_private
from kube_actors.cluster.plan import ClusterPlan
from kube_actors.cluster.restoring_members import put_aside, restore_members
from kube_actors.store.backup.build import Progress, build
from kube_actors.store.backup.files import PARTIAL, sync_folder
from kube_actors.store.backup.format import BackupError, KeptFile
from kube_actors.store.backup.reader import Contents
from kube_actors.store.backup.wire import StoreWire

PKI = "pki"
TOKEN = "token"


@dataclass(frozen=True, slots=True)
class Restored:
    """`replaced`: where the store is now that was there before, if there was one.

    `keys`: where the cluster's certificates come from now: "backup", "cluster", or "" (none yet).
    """

    revision: int
    replaced: Path | None
    keys: str


def wire(plan: ClusterPlan) -> StoreWire:
    """The way to the store of a cluster that runs here."""
    tls = wiring.store_client_tls(plan, Pki.open(plan.paths.pki))
    return StoreWire([wiring.reachable(address) for address in plan.store_addresses], tls)


def keys_of(paths: ClusterPaths) -> list[KeptFile]:
    """The certificate authority, the service-account key and the token. Raises ConfigError."""
    try:
        files = [path for path in sorted(paths.pki.iterdir()) if path.is_file() and not path.name.startswith(".")]
        kept = [KeptFile(f"{PKI}/{path.name}", path.read_bytes()) for path in files]
        if paths.token.exists():
            kept.append(KeptFile(TOKEN, paths.token.read_bytes()))
    except OSError as error:
        raise ConfigError(f"cannot read {error.filename}: {error.strerror}") from error
    return kept


def restore(
    path: Path,
    contents: Contents,
    paths: ClusterPaths,
    store: StoreSection | None = None,
    *,
    force: bool = False,
    bump: int | None = None,
    progress: Progress | None = None,
) -> Restored:
    """Restore a checked backup into the folder of a cluster that is down. Raises BackupError or ConfigError.

    `store` says which engine it is to have, None: the one that it has. The store is exchanged first, the keys
    after it; cut short between the two, repeat it with `force`.
    """
    with _down(paths):
        conflict = _conflict(paths, contents.files)
        if conflict and not force:
            raise BackupError(f"{conflict} differs from the backup's; --force replaces it and keeps it aside")
        members = layout.existing(paths)
        if store is None:
            store = StoreSection(engine="etcd" if members is not None else "embedded")
        if store.endpoints:
            raise ConfigError("store.endpoints: an etcd that exists is restored while it runs: --endpoints")
        if store.member_count:
            revision, replaced = restore_members(
                path, contents, paths, store, force=force, bump=bump, progress=progress
            )
        else:
            if members is not None and not force:
                raise BackupError(f"{paths.etcd} holds a store already; --force replaces it and keeps it aside")
            chosen = {} if bump is None else {"bump": bump}
            built = build(path, contents, paths.store, force=force, progress=progress, **chosen)
            revision, replaced = built.revision, built.replaced
            replaced = put_aside(paths.etcd) if members is not None else replaced
        try:
            return Restored(revision, replaced, _put_keys(paths, contents.files))
        except OSError as error:
            raise BackupError(
                f"the store is restored, but not the certificates: {error.strerror}; repeat it with --force"
            ) from error


@contextmanager
def _down(paths: ClusterPaths) -> Iterator[None]:
    """Nobody starts the cluster meanwhile. A store that runs all the same holds its folder's lock."""
    _refuse_if_live(paths)
    with record.exclusive(paths):
        _refuse_if_live(paths)
        yield


def _refuse_if_live(paths: ClusterPaths) -> None:
    found = record.read(paths)
    if found is not None and found.live:
        raise ConfigError(f"cluster {found.name!r} is {found.phase}; end it first with 'kactl down'")


def _conflict(paths: ClusterPaths, files: Sequence[KeptFile]) -> Path | None:
    """The first file that is there with another content."""
    for file in files:
        path = paths.root / file.name
        if path.exists() and path.read_bytes() != file.content:
            return path
    return None


def _put_keys(paths: ClusterPaths, files: Sequence[KeptFile]) -> str:
    if not files:
        return "cluster" if (paths.pki / "ca.crt").exists() else ""
    if _conflict(paths, files) is None and all((paths.root / file.name).exists() for file in files):
        return "backup"
    fresh = paths.root / f"{PKI}{PARTIAL}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    for file in files:
        folder, _, name = file.name.rpartition("/")
        if folder == PKI:
            write_private(fresh / name, file.content)
        elif file.name == TOKEN:
            if paths.token.exists():
                os.replace(paths.token, paths.token.with_suffix(".replaced"))
            write_private(paths.token, file.content)
    replaced = paths.root / f"{PKI}.replaced"
    if paths.pki.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        os.rename(paths.pki, replaced)
    os.rename(fresh, paths.pki)
    sync_folder(paths.root)
    return "backup"
