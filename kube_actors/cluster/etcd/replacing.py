"""A member whose host is gone gets another host: which one, and in what order nothing can be lost.

    its host away for long, another one free -> the others forget the member -> the move on record -> an actor there

The others come first: as long as etcd lists the member, its old host is where its data is wanted, and a
majority that has agreed to forget it needs that data no more. A crash in between repeats the step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kube_actors.cluster.etcd.admin import Endpoints
from kube_actors.cluster.etcd.membership import View, removal_is_safe
from kube_actors.cluster.hosts import Host, Labels, matching
from kube_actors.cluster.plan import EtcdPlan
from kube_actors.rpc.tls import ClientTLS


@dataclass(frozen=True, slots=True)
class Move:
    """A member, and the host that it is to have."""

    name: str
    host: str


def plan_move(etcd: EtcdPlan, hosts: Sequence[Host], selector: Labels, lost: Iterable[str]) -> Move | None:
    """The next move, None where there is nothing to do, or no host without a member.

    One at a time, and only once the cluster has formed: before, it has nothing that another host could take over.
    """
    taken = {member.host for member in etcd.members}
    spare = [host.address for host in matching(hosts, selector) if host.address not in taken]
    lost = set(lost)
    for member in etcd.members:
        if etcd.formed and member.host in lost and spare:
            return Move(member.name, spare[0])
    return None


async def forget(etcd: EtcdPlan, name: str, tls: ClientTLS | None) -> bool:
    """Have the others forget a member; False where they have no majority for it now. Raises EtcdError."""
    gone = next(member for member in etcd.members if member.name == name)
    endpoints = Endpoints(tls)
    try:
        found = await endpoints.view([member.address for member in etcd.members if member is not gone])
        if found is None:
            return False
        view, endpoint = found
        for member_id in listed(view, name, f"https://{gone.host}:{gone.peer_port}"):
            if not removal_is_safe(view, member_id):
                return False
            await endpoint.remove(member_id)
        return True
    finally:
        await endpoints.close()


def listed(view: View, name: str, peer_url: str) -> list[int]:
    """The ids under which a member is known, by its name or, before it has served, by its address."""
    return [member.id for member in view.members if member.name == name or peer_url in member.peer_urls]
