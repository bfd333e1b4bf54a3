"""Which members there are and where they listen: decided once, and kept as long as their data.

    etcd/members.json    names, addresses, the token of the cluster; `formed` once it has served

Addresses are part of an etcd's data, so that a config that asks for others later is refused, not obeyed. On a Ray
of several nodes each member has a host of its own; the supervisor gives one another host where it has lost its own.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from kube_actors.api.errors import ConfigError
from kube_actors.cluster import ports
from kube_actors.cluster.config import StoreSection
from kube_actors.cluster.etcd import binary
from kube_actors.cluster.etcd.files import MemberFolder
from kube_actors.cluster.etcd.membership import quorum
from kube_actors.cluster.hosts import Host, spread
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.pki import write_private
from kube_actors.cluster.plan import ClusterPlan, EtcdPlan, MemberPlan

NAME = "storemember-{}"
FILE = "members.json"
LOOPBACK = "127.0.0.1"


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
        found = _fresh(section, [host] * section.member_count)
    _require_same(found, section)
    found = dataclasses.replace(found, binary=program)
    for member in found.members:
        wanted = {"store.port": member.client_port, "store.port, for peers": member.peer_port}
        ports.require_free(member.host, wanted)
    _write(paths.etcd, found)
    return found


def choose_hosts(paths: ClusterPaths, section: StoreSection, hosts: Sequence[Host]) -> EtcdPlan:
    """The same on a Ray of several nodes, a host a member; each member looks after its own program and ports."""
    refuse_other_engine(paths, section)
    found = _read(paths.etcd)
    if found is None:
        selector = tuple(sorted(section.node_selector.items()))
        found = _fresh(section, spread(section.member_count, hosts, selector, "store.members"))
    _require_same(found, section)
    present = {host.address for host in hosts}
    away = [member.host for member in found.members if member.host not in present]
    if len(found.members) - len(away) < quorum(len(found.members)):
        raise ConfigError(
            f"the store's members live on {', '.join(away)}, which are not in this Ray: too few are left to decide; "
            f"start Ray there, or restore a backup after removing {paths.etcd}"
        )
    found = dataclasses.replace(found, binary=section.binary or "etcd")
    _write(paths.etcd, found)
    return found


def current(plan: ClusterPlan) -> ClusterPlan:
    """The plan with the members where they are now."""
    if plan.etcd is None or plan.spread is None:
        return plan
    return dataclasses.replace(plan, etcd=_read(plan.paths.etcd) or plan.etcd)


def move(paths: ClusterPaths, plan: EtcdPlan, name: str, host: str) -> EtcdPlan:
    """Give a member another host, on record."""
    members = tuple(
        dataclasses.replace(member, host=host) if member.name == name else member for member in plan.members
    )
    moved = dataclasses.replace(plan, members=members)
    _write(paths.etcd, moved)
    return moved


def existing(paths: ClusterPaths) -> EtcdPlan | None:
    """The members that have the cluster's objects; None where it has no such store."""
    found = _read(paths.etcd)
    return found if found is not None and (_has_data(paths.etcd, found) or _is_elsewhere(found)) else None


def renewed(paths: ClusterPaths, section: StoreSection, host: str) -> EtcdPlan:
    """The members of the store after a restore: at the same places, as another cluster."""
    found = _read(paths.etcd) or _fresh(section, [host] * section.member_count)
    _require_same(found, section)
    return dataclasses.replace(
        found, token=secrets.token_hex(8), binary=section.binary or found.binary or "etcd", formed=True
    )


def write(paths: ClusterPaths, plan: EtcdPlan) -> None:
    """Put the members on record. Raises ConfigError."""
    _write(paths.etcd, plan)


def set_formed(paths: ClusterPaths, plan: EtcdPlan) -> None:
    """The cluster has served: from now on a member without data has lost it."""
    _write(paths.etcd, dataclasses.replace(plan, formed=True))


def refuse_other_engine(paths: ClusterPaths, section: StoreSection) -> None:
    """Raise ConfigError where the cluster has its objects in another kind of store: it would look empty."""
    embedded, has_members = _has_files(paths.store), existing(paths) is not None
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


def _fresh(section: StoreSection, hosts: Sequence[str]) -> EtcdPlan:
    """Client and peer port of each member: on one host one pair after the other, on several the same pair.

    Port 0: any that are free (on one host).
    """
    step = 0 if len(set(hosts)) == len(hosts) else 2
    numbers = list(range(section.port, section.port + 2 + step * (len(hosts) - 1)))
    if numbers[-1] > 65535:
        raise ConfigError(f"store.port: {len(hosts)} members from {section.port} on need ports up to {numbers[-1]}")
    if not section.port:
        numbers = ports.free_ports(len(numbers), hosts[0])
    members = tuple(
        MemberPlan(NAME.format(index + 1), host, numbers[step * index], numbers[step * index + 1])
        for index, host in enumerate(hosts)
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


def _is_elsewhere(plan: EtcdPlan) -> bool:
    """Whether its data may be on other machines, where nobody can look now."""
    return plan.formed and any(member.host != LOOPBACK for member in plan.members)


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
