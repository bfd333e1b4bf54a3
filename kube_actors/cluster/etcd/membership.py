"""What to do about the members of an etcd cluster, as pure functions of what is known.

A member that starts:

    has data --- others do not answer, or know it -------------> Resume
        |------- others say it was removed, or it is of the
        |        cluster from before a restore ----------------> Discard, and as without data:
    no data ---- never was a member, nobody knows it ----------> Bootstrap (the cluster's first start)
        |------- was one, others do not answer ----------------> Wait
        |------- was one, is still listed ---------------------> Remove(itself), where a quorum stays
        `------- is listed no more ----------------------------> Join (as a learner; the leader promotes it)

A member that lost its data may never come back under its old identity: it would have forgotten what it
had voted for and acknowledged. That is why it leaves and joins as somebody new.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Member:
    """A member as etcd lists it. A member that never started has no name."""

    id: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...] = ()
    learner: bool = False


@dataclass(frozen=True, slots=True)
class MemberState:
    """What one endpoint says of itself."""

    id: int
    leader: int
    learner: bool
    version: str
    db_size: int
    db_in_use: int
    applied: int
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """The membership as a quorum confirmed it, and the members that answered and know a leader."""

    members: tuple[Member, ...]
    states: tuple[MemberState, ...]

    @property
    def healthy(self) -> frozenset[int]:
        listed = {member.id for member in self.members}
        return frozenset(state.id for state in self.states if state.leader and state.id in listed)

    @property
    def voters(self) -> frozenset[int]:
        return frozenset(member.id for member in self.members if not member.learner)


@dataclass(frozen=True, slots=True)
class Self:
    """A member that wants to start. `formed`: it has been a member before, or is to replace one.

    `id` is 0 where it is not known. `peers` are the peer URLs of all members that the config wants.
    `outdated`: its data is of another cluster than the one that is wanted.
    """

    name: str
    peer_url: str
    has_data: bool
    formed: bool
    id: int = 0
    peers: tuple[str, ...] = ()
    outdated: bool = False


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Start with the members of the config: the first start of the cluster."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Start with the data that is there."""


@dataclass(frozen=True, slots=True)
class Discard:
    """Put the data aside: it belongs to a member that was removed."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Have etcd forget a member."""

    id: int


@dataclass(frozen=True, slots=True)
class Join:
    """Become a learner and start with what etcd answers."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done now; ask again later."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Nothing can be done at all; the reason tells the user."""

    reason: str


StartAction = Bootstrap | Resume | Discard | Remove | Join | Wait | Refuse


def quorum(voters: int) -> int:
    return voters // 2 + 1


def removal_is_safe(view: View, member_id: int) -> bool:
    """Whether those that are left would still decide. Learners have no vote."""
    rest = view.voters - {member_id}
    if rest == view.voters:
        return True
    return bool(rest) and len(rest & view.healthy) >= quorum(len(rest))


def promotion_is_safe(view: View, member_id: int) -> bool:
    """Whether the larger cluster would still decide, without counting on what is not seen to be well."""
    voters = view.voters | {member_id}
    return member_id in view.healthy and len(voters & view.healthy) >= quorum(len(voters))


def plan_start(own: Self, view: View | None) -> StartAction:
    """The next step of a member that is not running. `view` None: no quorum of the others answered."""
    if own.has_data:
        return _with_data(own, view)
    mine = _mine(own, view)
    if not own.formed and (view is None or _is_listed_but_never_served(mine)):
        return Bootstrap()
    if own.peers == (own.peer_url,):
        return Refuse("the data of the only member is gone; restore a backup with 'kactl restore'")
    if view is None:
        return Wait("the other members do not answer, or have no quorum")
    if mine:
        return _leave(view, mine[0])
    return _join(own, view)


def _with_data(own: Self, view: View | None) -> StartAction:
    if own.outdated:
        return Discard()
    if view is None:
        return Resume()
    if own.id:
        return Resume() if any(member.id == own.id for member in view.members) else Discard()
    return Resume() if _mine(own, view) else Discard()


def _mine(own: Self, view: View | None) -> list[Member]:
    """Entries that stand for it: by its name, wherever it was, or by where it is."""
    if view is None:
        return []
    return [member for member in view.members if member.name == own.name or own.peer_url in member.peer_urls]


def _is_listed_but_never_served(mine: list[Member]) -> bool:
    """Part of the cluster since its bootstrap, where members have their names from the beginning.

    Those who came later have none, and every member publishes its address when it first serves.
    """
    return bool(mine) and all(member.name and not member.learner and not member.client_urls for member in mine)


def _leave(view: View, entry: Member) -> StartAction:
    if removal_is_safe(view, entry.id):
        return Remove(entry.id)
    return Wait("replacing it now could cost the quorum: too few of the others are well")


def _join(own: Self, view: View) -> StartAction:
    """etcd takes one learner at a time; one that nobody wants any more is in the way."""
    for member in view.members:
        if member.learner and not set(member.peer_urls) & set(own.peers):
            return Remove(member.id)
    if any(member.learner for member in view.members):
        return Wait("another member is joining")
    return Join()


@dataclass(frozen=True, slots=True)
class Promote:
    """Give a learner its vote."""

    id: int


@dataclass(frozen=True, slots=True)
class Defragment:
    """Give the free pages of a member's file back to the disk. It does not answer meanwhile."""

    id: int


Upkeep = Promote | Defragment


@dataclass(frozen=True, slots=True)
class DefragmentPolicy:
    """Worth it from so many free bytes, and so large a share of the file; at most one every `pause` seconds."""

    free_bytes: int = 100 << 20
    share: float = 0.5
    pause: float = 60.0


@dataclass(frozen=True, slots=True)
class History:
    """When which member was defragmented last, in seconds of the clock."""

    defragmented: dict[int, float] = field(default_factory=dict)


def plan_upkeep(own_id: int, view: View, history: History, policy: DefragmentPolicy, now: float) -> Upkeep | None:
    """What the leader does for the others; None for all who do not lead."""
    if not any(state.id == own_id and state.leader == own_id for state in view.states):
        return None
    for member in view.members:
        if member.learner and promotion_is_safe(view, member.id):
            return Promote(member.id)
    return _defragment(own_id, view, history, policy, now)


def _defragment(own_id: int, view: View, history: History, policy: DefragmentPolicy, now: float) -> Defragment | None:
    """In turn, the leader last, and only while all are well: one that is busy counts as one that is away."""
    if view.healthy != {member.id for member in view.members} or any(member.learner for member in view.members):
        return None
    if any(now - when < policy.pause for when in history.defragmented.values()):
        return None
    wanting = [state for state in view.states if _is_fragmented(state, policy)]
    if not wanting:
        return None
    first = min(wanting, key=lambda state: (state.id == own_id, history.defragmented.get(state.id, 0.0), state.id))
    return Defragment(first.id)


def _is_fragmented(state: MemberState, policy: DefragmentPolicy) -> bool:
    free = state.db_size - state.db_in_use
    return free >= policy.free_bytes and free >= policy.share * state.db_size
