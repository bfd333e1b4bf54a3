"""Who waits when there is much to do: seats for requests, shared fairly between users.

    level of the request -> a free seat -> it runs
                         -> none free: the user's queue; seats that become free go around the users
                         -> the queue is full, or its time is over: 429 with Retry-After

Members of system:masters never wait, nor do the scheduler and the controllers, whose own workers bound what they ask
for. Nodes, proxies and leases have a level of their own, so that no amount of other work keeps a node from saying that
it lives. A large list takes as many seats as its size asks
for: one server is one event loop, and what matters is how much is between two turns of another's.

Kubernetes: API Priority and Fairness. What this does not do: read FlowSchemas; the levels are fixed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from kube_actors.api import errors
from kube_actors.apiserver.authz import MASTERS
from kube_actors.apiserver.config import FairnessConfig
from kube_actors.apiserver.request import User

# Objects of a list that are worth one seat more.
OBJECTS_A_SEAT = 500
TOO_MANY = "too many requests, please try again later"
_EXEMPT_USERS = frozenset(("system:kube-scheduler", "system:kube-controller-manager"))
_SYSTEM_USERS = frozenset(("system:kube-proxy",))
_SYSTEM_GROUPS = frozenset(("system:nodes", "system:serviceaccounts:kube-system"))


@dataclass(slots=True, eq=False)
class Waiting:
    width: int
    turn: asyncio.Future[None] = field(repr=False)


class Level:
    """Seats, and a queue for each user."""

    def __init__(self, name: str, seats: int, queue: int, patience: float) -> None:
        self.name = name
        self.seats = seats
        self.rejected = 0
        self.taken = 0
        self._queue = queue
        self._patience = patience
        # The next user to be served comes first.
        self._users: OrderedDict[str, deque[Waiting]] = OrderedDict()

    @property
    def waiting(self) -> int:
        return sum(map(len, self._users.values()))

    async def enter(self, user: str, width: int) -> int:
        """Take seats; answers how many. Raises TooManyRequests."""
        width = min(width, self.seats)
        if not self._users and self.taken + width <= self.seats:
            self.taken += width
            return width
        queue = self._users.setdefault(user, deque())
        if len(queue) >= self._queue:
            raise self._refusal()
        waiting = Waiting(width, asyncio.get_running_loop().create_future())
        queue.append(waiting)
        try:
            async with asyncio.timeout(self._patience):
                await waiting.turn
        except TimeoutError:
            self._give_up(user, waiting)
            raise self._refusal() from None
        except asyncio.CancelledError:
            self._give_up(user, waiting)
            raise
        return width

    def leave(self, width: int) -> None:
        self.taken -= width
        self._serve()

    def _serve(self) -> None:
        """Give free seats to the first of each user's queue, one user after the other."""
        while self._users:
            user, queue = next(iter(self._users.items()))
            first = queue[0]
            if first.turn.done():
                # It has given up and will take itself out of the queue.
                queue.popleft()
                if not queue:
                    del self._users[user]
                continue
            if self.taken + first.width > self.seats:
                return
            queue.popleft()
            self._users.pop(user)
            if queue:
                self._users[user] = queue
            self.taken += first.width
            first.turn.set_result(None)

    def _give_up(self, user: str, waiting: Waiting) -> None:
        if waiting.turn.done() and not waiting.turn.cancelled():
            # Its turn came in the same moment.
            self.leave(waiting.width)
            return
        queue = self._users.get(user)
        if queue is not None and waiting in queue:
            queue.remove(waiting)
            if not queue:
                del self._users[user]
        self._serve()

    def _refusal(self) -> errors.TooManyRequests:
        self.rejected += 1
        return errors.TooManyRequests(TOO_MANY, retry_after=1)


class Fairness:
    """The levels of a server."""

    def __init__(self, config: FairnessConfig) -> None:
        self._queue = config.queue
        self.system = Level("system", config.system_seats, config.queue, config.patience)
        self.workload = Level("workload", config.seats, config.queue, config.patience)

    @asynccontextmanager
    async def turn(self, user: User, resource: str, objects: int = 0) -> AsyncIterator[None]:
        """Wait for a turn, and have it for as long as the block runs. `objects`: how many a list is about to read.

        Raises TooManyRequests.
        """
        level = self.level_of(user, resource)
        if level is None:
            yield
            return
        width = await level.enter(user.name, 1 + objects // OBJECTS_A_SEAT)
        try:
            yield
        finally:
            level.leave(width)

    def level_of(self, user: User, resource: str) -> Level | None:
        """None: never waits."""
        if MASTERS in user.groups or user.name in _EXEMPT_USERS:
            return None
        if resource == "leases" or user.name in _SYSTEM_USERS or not _SYSTEM_GROUPS.isdisjoint(user.groups):
            return self.system
        return self.workload

    def at_once(self, user: User, most: int) -> int:
        """How many calls of one stream may be under way: of those who wait no more than their queue holds, so that
        a busy server slows the stream down instead of refusing its calls."""
        return most if self.level_of(user, "") is None else min(most, self._queue)
