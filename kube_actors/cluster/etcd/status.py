"""How the members of a store are, for `kactl status`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kube_actors.cluster.etcd.admin import Endpoints
from kube_actors.cluster.etcd.membership import Member, MemberState
from kube_actors.rpc.tls import ClientTLS
from kube_actors.store.errors import EtcdError

LEADER, FOLLOWER, LEARNER, NONE = "leader", "follower", "learner", ""


@dataclass(frozen=True, slots=True)
class MemberReport:
    """`healthy`: it answers, knows a leader and raises no alarm. `detail` says why not."""

    name: str
    address: str
    healthy: bool
    role: str
    db_size: int
    version: str
    detail: str


async def report(addresses: Mapping[str, str], tls: ClientTLS | None) -> list[MemberReport]:
    """One entry an address (address -> name, which may be empty)."""
    endpoints = Endpoints(tls)
    try:
        states = await endpoints.states(list(addresses))
        found = await endpoints.view([each for each, state in states.items() if isinstance(state, MemberState)])
        listed = found[0].members if found else ()
        return [describe(addresses[each], each, state, listed) for each, state in states.items()]
    finally:
        await endpoints.close()


def describe(name: str, address: str, state: MemberState | EtcdError, listed: Sequence[Member]) -> MemberReport:
    if not isinstance(state, MemberState):
        return MemberReport(name, address, False, NONE, 0, "", " ".join(str(state).split())[:100])
    name = name or next((member.name for member in listed if member.id == state.id), "")
    role = LEARNER if state.learner else LEADER if state.leader == state.id else FOLLOWER
    problems = [*state.errors] if state.leader else ["no leader: too few members answer"]
    detail = "; ".join(" ".join(problem.split()) for problem in problems)
    return MemberReport(name, address, not problems, role, state.db_size, state.version, detail)
