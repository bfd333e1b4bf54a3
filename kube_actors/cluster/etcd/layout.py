"""Which members there are and where they listen: decided once, and kept as long as their data.

    etcd/members.json    names, ports, the token of the cluster; `formed` once it has served

Addresses are part of an etcd's data, so that a config that asks for others later is refused, not obeyed.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
from pathlib import Path

from kube_actors.api.errors import ConfigError
from kube_actors.cluster import ports
from kube_actors.cluster.config import StoreSection
from kube_actors.cluster.etcd import binary
from kube_actors.cluster.etcd.files import MemberFolder
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.pki import write_private
from kube_actors.cluster.plan import EtcdPlan, MemberPlan

NAME = "storemember-{}"
FILE = "members.json"


def choose(paths: ClusterPaths, section: StoreSection, host: str) -> EtcdPlan:
    """The members of the config, those that exist already if there are any. Raises ConfigError in one line."""
    refuse_other_engine(paths, section)
    program = section.binary or "etcd"
    binary.find(program)
    found = _read(paths.etcd)
    if found is None or not _has_data(paths.etcd, found):
        if found is not None and found.formed:
            raise ConfigError(
                "the data of all members of the store is gone; restore a backup, "
                f"or remove {paths.etcd} to begin with an empty one"
            )
        found = _fresh(section, host)
    _require_same(found, section)
    found = dataclasses.replace(found, binary=program)
    for member in found.members:
        wanted = {"store.port": member.client_port, "store.port, for peers": member.peer_port}
        ports.require_free(member.host, wanted)
    _write(paths.etcd, found)
    return found


def set_formed(paths: ClusterPaths, plan: EtcdPlan) -> None:
    """The cluster has served: from now on a member without data has lost it."""
    _write(paths.etcd, dataclasses.replace(plan, formed=True))


def refuse_other_engine(paths: ClusterPaths, section: StoreSection) -> None:
    """Raise ConfigError where the cluster has its objects in another kind of store: it would look empty."""
    embedded, members = _has_files(paths.store), _read(paths.etcd)
    has_members = members is not None and _has_data(paths.etcd, members)
    wants = "etcd" if section.member_count else "endpoints" if section.endpoints else "embedded"
    if wants != "embedded" and embedded and not has_members:
        raise ConfigError(
            f"store.engine: this cluster has its objects in the embedded engine ({paths.store}); "
            "keep engine: embedded, choose another name, or move that folder away to begin empty"
        )
    if wants != "etcd" and has_members:
        raise ConfigError(
            f"store.engine: this cluster has its objects in members of an etcd ({paths.etcd}); keep engine: etcd, "
            "choose another name, or move that folder away to begin empty"
        )


def _fresh(section: StoreSection, host: str) -> EtcdPlan:
    """Client and peer port of each member, one pair after the other; port 0: any that are free."""
    count = section.member_count
    if section.port:
        last = section.port + 2 * count - 1
        if last > 65535:
            raise ConfigError(f"store.port: {count} members from {section.port} on need ports up to {last}")
        numbers = list(range(section.port, last + 1))
    else:
        numbers = ports.free_ports(2 * count, host)
    members = tuple(
        MemberPlan(NAME.format(index + 1), host, numbers[2 * index], numbers[2 * index + 1]) for index in range(count)
    )
    return EtcdPlan(members, token=secrets.token_hex(8), binary="")


def _require_same(found: EtcdPlan, section: StoreSection) -> None:
    count, port = len(found.members), found.members[0].client_port
    if section.members and count != section.members:
        raise ConfigError(f"store.members: the store has {count} members, which cannot be changed later; set {count}")
    if section.port and section.port != port and section.port != StoreSection().port:
        raise ConfigError(f"store.port: the members listen from {port} on, which cannot be changed later; set {port}")


def _has_data(root: Path, plan: EtcdPlan) -> bool:
    return any(MemberFolder(root, member.name).has_data() for member in plan.members)


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(path.is_file() and path.stat().st_size for path in folder.iterdir())


def _read(root: Path) -> EtcdPlan | None:
    try:
        content = json.loads((root / FILE).read_text())
        return EtcdPlan(**{**content, "members": tuple(MemberPlan(**member) for member in content["members"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"cannot read {root / FILE}: restore it; it says where the store's members are") from error


def _write(root: Path, plan: EtcdPlan) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(root / FILE, json.dumps(dataclasses.asdict(plan), indent=2).encode())
    except OSError as error:
        raise ConfigError(f"cannot write {root / FILE}: {error.strerror}") from error
