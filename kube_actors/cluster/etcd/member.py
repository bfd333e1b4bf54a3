"""One member of the store: an etcd process that is started, watched, restarted, and replaced when its data is gone.

    start   lock the folder -> adopt the process that runs already, or plan_start and launch -> serving
    watch   ended: launch again, with backoff | silent: end it | serving: remember who it is
    upkeep  beside raft's leader only: promote learners, defragment in turn

The process outlives its keeper on purpose: a keeper that crashed finds it by pid and start time. `stop`
ends it; whoever only wants the keeper to go kills the keeper.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.clock import Clock, SystemClock
from kube_actors.aio.tasks import Tasks
from kube_actors.api.errors import ConfigError, StoreError
from kube_actors.cluster.etcd import binary, process
from kube_actors.cluster.etcd.admin import Endpoint, Endpoints
from kube_actors.cluster.etcd.command import Peer, bootstrap_flags, settled_flags
from kube_actors.cluster.etcd.files import Credentials, Identity, MemberFolder
from kube_actors.cluster.etcd.membership import (
    Bootstrap,
    Defragment,
    DefragmentPolicy,
    Discard,
    History,
    Join,
    Member,
    MemberState,
    Promote,
    Refuse,
    Remove,
    Resume,
    Self,
    StartAction,
    Upkeep,
    Wait,
    plan_start,
    plan_upkeep,
)
from kube_actors.cluster.etcd.process import EtcdProcess
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.tls import ClientTLS
from kube_actors.store.errors import EtcdError, StoreUnavailable

log = structlog.get_logger(__name__)

RETRY = Backoff(initial=0.2, maximum=10.0)
# How often a process that ends at its start is started before the reason is given to the user.
ATTEMPTS = 3
# etcd's own refusal to start a member anew under an identity that has been in use.
BOOTSTRAPPED = "already been bootstrapped"
# What it learns from the others when it runs with the data of a member that was removed.
REMOVED = "permanently removed from the cluster"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds."""

    look: float = 0.25
    # How long a start waits for the cluster; without a quorum the member waits on in the background.
    start: float = 20.0
    # How long the others are asked again while they cannot take it in; etcd itself wants them to have
    # been connected for 5 s before it changes its membership.
    patience: float = 30.0
    # etcd waits for its clients' streams; a KILL loses nothing that was acknowledged.
    stop: float = 3.0
    probe: float = 3.0
    # A process that has served and does not answer for so long is ended.
    silent: float = 60.0
    upkeep: float = 5.0
    renew: float = 7 * 86400.0


TIMING = Timing()
DEFRAGMENT = DefragmentPolicy()


@dataclass(frozen=True, slots=True)
class MemberConfig:
    """`peers` are all members, this one included. `joining`: it replaces one, whatever its folder looks like."""

    name: str
    root: Path
    binary: str
    peers: tuple[Peer, ...]
    token: str
    log: Path
    credentials: Callable[[], Credentials]
    client_tls: ClientTLS
    joining: bool = False
    timing: Timing = TIMING
    defragment: DefragmentPolicy = DEFRAGMENT

    @property
    def me(self) -> Peer:
        return next(peer for peer in self.peers if peer.name == self.name)


class EtcdMember:
    """A component: `start` returns when it serves, or runs and waits for a quorum."""

    def __init__(self, config: MemberConfig, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._folder = MemberFolder(config.root, config.name)
        self._endpoints = Endpoints(config.client_tls)
        self._tasks = Tasks(config.name)
        self._history = History()
        self._process: EtcdProcess | None = None
        self._state: MemberState | None = None
        self._served = False
        self._last_answer = 0.0
        self._certified = 0.0
        self._binary = config.binary

    @property
    def pid(self) -> int:
        """etcd's process, 0 for none."""
        return self._process.id.pid if self._process is not None else 0

    async def start(self) -> None:
        """Raises ConfigError with etcd's own reason, StoreUnavailable where it may work later."""
        self._binary = await asyncio.to_thread(binary.find, self._config.binary)
        self._folder.make()
        if not self._folder.lock():
            raise StoreUnavailable(f"another process looks after {self._config.name}")
        await self._certify()
        await self._start_process()
        self._tasks.spawn_forever(self._watch(), "watch")
        self._tasks.spawn_forever(self._keep_up(), "upkeep")

    async def stop(self) -> None:
        """End the process, too. Idempotent."""
        await self._tasks.stop()
        running, self._process = self._process, None
        if running is not None:
            await running.stop(self._config.timing.stop, self._clock)
        await self._endpoints.close()
        self._folder.unlock()

    async def _start_process(self) -> None:
        reason = ""
        for attempt in range(ATTEMPTS):
            await self._clock.sleep(RETRY.delay(attempt))
            await self._adopt_or_launch()
            assert self._process is not None
            if await self._serves():
                return
            if self._process.alive():
                log.warning("etcd waits for a quorum", member=self._config.name)
                return
            reason = self._process.reason()
            self._learn_from(reason)
        raise ConfigError(f"etcd {self._config.name} does not start: {reason}")

    async def _serves(self) -> bool:
        deadline = self._clock.now() + self._config.timing.start
        assert self._process is not None
        while self._process.alive() and self._clock.now() < deadline:
            if await self._probe():
                return True
            await self._clock.sleep(self._config.timing.look)
        return False

    async def _adopt_or_launch(self) -> None:
        found = process.find(self._folder, self._config.log)
        if found is not None:
            running, flags = found
            if flags == self._settled() and not self._is_outdated():
                log.info("found etcd running", member=self._config.name, pid=running.id.pid)
                self._took_over(running, served=True)
                return
            log.warning("etcd runs with other settings, ending it", member=self._config.name, pid=running.id.pid)
            await running.stop(self._config.timing.stop, self._clock)
        await self._launch_as_planned()

    async def _launch_as_planned(self) -> None:
        """Every step is planned from what is seen then, so a step whose answer was lost is no harm."""
        deadline = self._clock.now() + self._config.timing.patience
        failures = 0
        while True:
            try:
                if await self._step():
                    return
            except EtcdError as error:
                failures += 1
                pause = RETRY.delay(failures)
                if self._clock.now() + pause > deadline:
                    raise
                log.info("etcd has to wait", member=self._config.name, reason=str(error))
                await self._clock.sleep(pause)

    async def _step(self) -> bool:
        """One action of the plan; True when the process has been launched."""
        action, endpoint = await self._plan()
        log.info("starting etcd", member=self._config.name, action=repr(action))
        match action:
            case Bootstrap():
                self._folder.clear()
                self._launch({peer.name: peer.peer_url for peer in self._config.peers}, existing=False)
                return True
            case Resume():
                self._launch({self._config.name: self._config.me.peer_url}, existing=True)
                return True
            case Discard():
                self._folder.put_aside()
                self._folder.set_identity(Identity(formed=True))
            case Remove(member_id):
                assert endpoint is not None
                # On record first: once nobody lists it, nothing else would say that it has been a member.
                self._folder.set_identity(replace(self._folder.identity(), formed=True))
                await endpoint.remove(member_id)
            case Join():
                assert endpoint is not None
                await self._join(endpoint)
                return True
            case Wait(reason):
                raise StoreUnavailable(f"{self._config.name}: {reason}")
            case Refuse(reason):
                raise ConfigError(f"{self._config.name}: {reason}")
        return False

    async def _plan(self) -> tuple[StartAction, Endpoint | None]:
        identity = self._folder.identity()
        own = Self(
            name=self._config.name,
            peer_url=self._config.me.peer_url,
            has_data=self._folder.has_data(),
            formed=identity.formed or self._config.joining,
            id=identity.id,
            peers=tuple(peer.peer_url for peer in self._config.peers),
            outdated=self._is_outdated(),
        )
        others = [peer.client_address for peer in self._config.peers if peer.name != self._config.name]
        found = await self._endpoints.view(others) if others else None
        if found is None:
            return plan_start(own, None), None
        view, endpoint = found
        return plan_start(own, view), endpoint

    def _is_outdated(self) -> bool:
        """Whether its data is of the cluster from before a restore."""
        return self._folder.identity().token not in ("", self._config.token)

    async def _join(self, endpoint: Endpoint) -> None:
        self._folder.clear()
        member_id, members = await endpoint.add_learner(self._config.me.peer_url)
        self._folder.set_identity(Identity(True, member_id, self._config.token))
        self._launch(_cluster_of(members, member_id, self._config.name), existing=True)

    def _launch(self, cluster: dict[str, str], *, existing: bool) -> None:
        more = bootstrap_flags(cluster, self._config.token, existing=existing)
        launched = process.launch(self._folder, self._settled(), more, self._config.log)
        log.info("etcd started", member=self._config.name, pid=launched.id.pid)
        self._took_over(launched, served=False)

    def _took_over(self, running: EtcdProcess, *, served: bool) -> None:
        self._process, self._state = running, None
        self._served, self._last_answer = served, self._clock.now()

    def _settled(self) -> tuple[str, ...]:
        return settled_flags(self._binary, self._config.me, self._folder.data, self._folder.tls_files())

    def _learn_from(self, reason: str) -> None:
        """etcd knew better than the folder, which had been wiped as a whole."""
        if BOOTSTRAPPED not in reason and REMOVED not in reason:
            return
        self._folder.set_identity(replace(self._folder.identity(), formed=True, id=0))
        if REMOVED in reason:
            self._folder.put_aside()

    async def _certify(self) -> None:
        # Who signs may be on another host.
        self._folder.write_tls(await asyncio.to_thread(self._config.credentials))
        self._certified = self._clock.now()

    async def _watch(self) -> None:
        timing = self._config.timing
        failures, next_probe = 0, 0.0
        while True:
            await self._clock.sleep(timing.look)
            now = self._clock.now()
            if self._process is None or not self._process.alive():
                # One that had served is started again at once.
                failures = 0 if self._served and not failures else failures + 1
                await self._clock.sleep(RETRY.delay(failures))
                await self._start_again()
                next_probe = 0.0
            elif now >= next_probe:
                if await self._probe():
                    failures = 0
                next_probe = now + (timing.probe if self._served else timing.look)
                await self._end_if_silent()
            if now - self._certified > timing.renew:
                await self._renew()

    async def _renew(self) -> None:
        try:
            await self._certify()
        except RpcError as error:
            # The old ones are good for months.
            self._certified = self._clock.now()
            log.warning("certificates are not renewed now", member=self._config.name, reason=str(error))

    async def _start_again(self) -> None:
        if self._process is not None:
            reason = self._process.reason()
            self._learn_from(reason)
            log.warning("etcd ended, starting it again", member=self._config.name, reason=reason)
            self._process, self._served = None, False
        try:
            await self._adopt_or_launch()
        except (StoreError, ConfigError) as error:
            log.warning("etcd cannot be started now", member=self._config.name, reason=str(error))

    async def _probe(self) -> bool:
        """Ask the process how it is; True when it serves."""
        try:
            state = await self._endpoints.at(self._config.me.client_address).status()
        except EtcdError:
            self._state = None
            return False
        self._state, self._served, self._last_answer = state, True, self._clock.now()
        self._folder.set_identity(Identity(True, state.id, self._config.token))
        return True

    async def _end_if_silent(self) -> None:
        silent = self._clock.now() - self._last_answer
        if self._served and silent > self._config.timing.silent and self._process is not None:
            log.error("etcd does not answer, ending it", member=self._config.name, seconds=int(silent))
            await self._process.stop(self._config.timing.stop, self._clock)

    async def _keep_up(self) -> None:
        while True:
            await self._clock.sleep(self._config.timing.upkeep)
            state = self._state
            if state is None or state.leader != state.id:
                continue
            try:
                await self._keep_up_once(state.id)
            except EtcdError as error:
                # A learner that has not caught up yet, or a leader that is none any more: the next round sees.
                log.info("upkeep put off", member=self._config.name, reason=str(error))

    async def _keep_up_once(self, own_id: int) -> None:
        found = await self._endpoints.view([self._config.me.client_address])
        if found is None:
            return
        view, endpoint = found
        now = self._clock.now()
        action = plan_upkeep(own_id, view, self._history, self._config.defragment, now)
        if action is not None:
            await self._perform(action, endpoint, _client_addresses(view.members))

    async def _perform(self, action: Upkeep, endpoint: Endpoint, addresses: dict[int, str]) -> None:
        match action:
            case Promote(member_id):
                await endpoint.promote(member_id)
                log.info("promoted a learner", member=f"{member_id:x}")
            case Defragment(member_id):
                self._history.defragmented[member_id] = self._clock.now()
                await self._endpoints.at(addresses[member_id]).defragment()
                log.info("defragmented", member=f"{member_id:x}")


def _cluster_of(members: tuple[Member, ...], own_id: int, own_name: str) -> dict[str, str]:
    """Name -> peer URL, as etcd wants to hear it from who joins; names of others need not be right."""
    names = {member.id: member.name or f"member-{member.id:x}" for member in members}
    names[own_id] = own_name
    return {names[member.id]: url for member in members for url in member.peer_urls[:1]}


def _client_addresses(members: tuple[Member, ...]) -> dict[int, str]:
    return {member.id: member.client_urls[0].rpartition("/")[2] for member in members if member.client_urls}
