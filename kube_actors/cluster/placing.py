"""Who of the store's members is on which host, on a Ray of several nodes: the supervisor asks it every round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from kube_actors.aio.clock import Clock
from kube_actors.cluster.etcd import layout, replacing
from kube_actors.cluster.hosts import Absences, Host
from kube_actors.cluster.plan import ClusterPlan, EtcdPlan
from kube_actors.rpc.tls import ClientTLS
from kube_actors.store.errors import EtcdError

log = structlog.get_logger(__name__)

# Has the others forget a member: `replacing.forget`.
Forget = Callable[[EtcdPlan, str, ClientTLS | None], Coroutine[None, None, bool]]


class Hosts(Protocol):
    def hosts(self) -> Sequence[Host]: ...


class Placer:
    """Moves a member whose host has been away for too long. Use it from one thread, and `close` it there."""

    def __init__(
        self,
        plan: ClusterPlan,
        hosts: Hosts,
        tls: Callable[[], ClientTLS | None],
        clock: Clock,
        forget: Forget = replacing.forget,
    ) -> None:
        self._plan = plan
        self._hosts = hosts
        self._tls = tls
        self._clock = clock
        self._forget = forget
        self._absences = Absences()
        # gRPC's poller belongs to one loop of a process for good.
        self._runner = asyncio.Runner()

    def close(self) -> None:
        self._runner.close()

    def round(self) -> ClusterPlan | None:
        """The plan after a move; None where nothing has moved."""
        self._plan = layout.current(self._plan)
        etcd, spread = self._plan.etcd, self._plan.spread
        if etcd is None or spread is None:
            return None
        hosts = self._hosts.hosts()
        lost = self._absences.longer_than(
            spread.replace_after,
            [member.host for member in etcd.members],
            [host.address for host in hosts],
            self._clock.now(),
        )
        move = replacing.plan_move(etcd, hosts, spread.selector, lost)
        if move is None:
            return None
        try:
            forgotten = self._runner.run(self._forget(etcd, move.name, self._tls()))
        except EtcdError as error:
            log.info("a member cannot be replaced now", member=move.name, reason=str(error))
            return None
        if not forgotten:
            log.warning("a member cannot be replaced now", member=move.name, reason="too few of the others are well")
            return None
        log.warning("a member gets another host", member=move.name, host=move.host)
        self._plan = replace(self._plan, etcd=layout.move(self._plan.paths, etcd, move.name, move.host))
        return self._plan
