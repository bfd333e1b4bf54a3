"""What members do: never lose a quorum by an action of our own, never come back without a memory."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    View,
    Wait,
    plan_start,
    plan_upkeep,
    promotion_is_safe,
    quorum,
    removal_is_safe,
)

URLS = tuple(f"https://10.0.0.{number}:2380" for number in range(8))
POLICY = DefragmentPolicy(free_bytes=100, share=0.5, pause=60.0)


def member(number: int, *, learner: bool = False, served: bool = True, name: str | None = None) -> Member:
    clients = (f"https://10.0.0.{number}:2379",) if served else ()
    return Member(number, f"m{number}" if name is None else name, (URLS[number],), clients, learner)


def state(number: int, leader: int = 1, size: int = 100, used: int = 100, learner: bool = False) -> MemberState:
    return MemberState(number, leader, learner, "3.4.23", size, used, 10)


def view(*members: Member, well: tuple[int, ...] = ()) -> View:
    return View(members, tuple(state(number) for number in well))


def me(number: int = 2, *, data: bool = False, formed: bool = True, id: int = 0, size: int = 3) -> Self:
    return Self(f"m{number}", URLS[number], data, formed, id, URLS[1 : size + 1])


THREE = (member(1), member(2), member(3))


def test_the_first_start_of_a_cluster_is_a_bootstrap() -> None:
    assert plan_start(me(formed=False), None) == Bootstrap()


def test_a_first_start_that_comes_late_is_one_too() -> None:
    others = view(member(1), member(2, served=False), member(3), well=(1, 3))
    assert plan_start(me(formed=False), others) == Bootstrap()


def test_a_member_with_data_resumes_whether_or_not_the_others_answer() -> None:
    assert plan_start(me(data=True, id=2), None) == Resume()
    assert plan_start(me(data=True, id=2), view(*THREE, well=(1, 3))) == Resume()
    assert plan_start(me(data=True), view(*THREE, well=(1, 3))) == Resume()


def test_data_of_a_member_that_was_removed_is_put_aside() -> None:
    assert plan_start(me(data=True, id=9), view(*THREE, well=(1, 3))) == Discard()
    assert plan_start(me(data=True), view(member(1), member(3), well=(1, 3))) == Discard()


def test_data_of_the_cluster_from_before_a_restore_is_put_aside_even_if_nobody_answers() -> None:
    outdated = replace(me(data=True, id=2), outdated=True)
    assert plan_start(outdated, None) == Discard()
    assert plan_start(outdated, view(*THREE, well=(1, 3))) == Discard()


def test_a_member_that_lost_its_data_leaves_and_joins() -> None:
    assert plan_start(me(), view(*THREE, well=(1, 3))) == Remove(2)
    assert plan_start(me(), view(member(1), member(3), well=(1, 3))) == Join()


def test_a_member_that_lost_its_data_and_its_folder_is_known_by_the_address_it_published() -> None:
    assert plan_start(me(formed=False), view(*THREE, well=(1, 3))) == Remove(2)


def test_a_folder_that_is_new_in_a_cluster_that_has_formed_joins() -> None:
    assert plan_start(me(formed=False), view(member(1), member(3), well=(1, 3))) == Join()


def test_a_member_is_replaced_by_name_wherever_it_was() -> None:
    elsewhere = replace(member(2), peer_urls=("https://10.9.9.9:2380",))
    assert plan_start(me(), view(member(1), elsewhere, member(3), well=(1, 3))) == Remove(2)


def test_without_the_others_a_member_without_data_waits() -> None:
    assert isinstance(plan_start(me(), None), Wait)


def test_nobody_leaves_where_the_quorum_would_go_with_him() -> None:
    five = tuple(map(member, range(1, 6)))
    assert plan_start(me(size=5), view(*five, well=(1, 3, 4))) == Remove(2)
    assert isinstance(plan_start(me(size=5), view(*five, well=(1, 3))), Wait)


def test_the_only_member_never_starts_anew_by_itself() -> None:
    assert isinstance(plan_start(me(1, size=1), None), Refuse)
    assert plan_start(me(1, size=1, formed=False), None) == Bootstrap()


def test_members_join_one_after_the_other() -> None:
    joining = member(3, learner=True)
    assert isinstance(plan_start(me(), view(member(1), joining, well=(1,))), Wait)


def test_a_learner_that_nobody_wants_is_in_nobodys_way() -> None:
    stray = member(7, learner=True, served=False, name="")
    assert plan_start(me(), view(member(1), member(3), stray, well=(1, 3))) == Remove(7)


def test_a_learner_that_is_well_is_promoted_by_the_leader_alone() -> None:
    now = view(member(1), member(3), member(2, learner=True), well=(1, 2, 3))
    assert plan_upkeep(1, now, History(), POLICY, 0.0) == Promote(2)
    assert plan_upkeep(3, now, History(), POLICY, 0.0) is None


def test_a_learner_that_does_not_answer_is_not_promoted() -> None:
    now = view(member(1), member(3), member(2, learner=True), well=(1, 3))
    assert plan_upkeep(1, now, History(), POLICY, 0.0) is None


def test_no_promotion_counts_on_a_voter_that_is_away() -> None:
    """Of three voters two are well: with a fourth the quorum is three, and the learner is the third."""
    assert promotion_is_safe(view(*THREE, member(4, learner=True), well=(1, 2, 4)), 4)
    assert not promotion_is_safe(view(*THREE, member(4, learner=True), well=(1, 4)), 4)


def test_defragmentation_goes_in_turn_and_ends_with_the_leader() -> None:
    history = History()
    now, order = 0.0, []
    full = {number: state(number, size=1000, used=100) for number in (1, 2, 3)}
    for _ in range(3):
        seen = View(THREE, tuple(full.values()))
        action = plan_upkeep(1, seen, history, POLICY, now)
        assert isinstance(action, Defragment)
        order.append(action.id)
        history.defragmented[action.id] = now
        full[action.id] = state(action.id)
        assert plan_upkeep(1, View(THREE, tuple(full.values())), history, POLICY, now + 1) is None
        now += 61
    assert order == [2, 3, 1]
    assert plan_upkeep(1, View(THREE, tuple(full.values())), history, POLICY, now) is None


@pytest.mark.parametrize("well", [(1, 2), (1, 3)])
def test_nobody_is_defragmented_while_one_is_away(well: tuple[int, ...]) -> None:
    states = tuple(state(number, size=1000, used=100) for number in well)
    assert plan_upkeep(1, View(THREE, states), History(), POLICY, 0.0) is None


def test_little_free_space_is_left_alone() -> None:
    for size, used in ((150, 60), (1000, 600)):
        states = tuple(state(number, size=size, used=used) for number in (1, 2, 3))
        assert plan_upkeep(1, View(THREE, states), History(), POLICY, 0.0) is None


views = st.builds(
    lambda kinds, well: View(
        tuple(member(number, learner=learner) for number, learner in enumerate(kinds, start=1)),
        tuple(state(number) for number in well if number <= len(kinds)),
    ),
    st.lists(st.booleans(), min_size=1, max_size=6),
    st.sets(st.integers(1, 6)),
)


@given(views, st.integers(1, 6))
def test_what_is_called_safe_keeps_a_quorum(seen: View, who: int) -> None:
    if removal_is_safe(seen, who) and who in seen.voters:
        rest = seen.voters - {who}
        assert rest
        assert len(rest & seen.healthy) >= quorum(len(rest))
    if promotion_is_safe(seen, who):
        more = seen.voters | {who}
        assert len(more & seen.healthy) >= quorum(len(more))


@dataclass
class Place:
    """One member of the config: its process, and what its folder knows."""

    number: int
    up: bool = False
    data: int = 0
    formed: bool = False
    id: int = 0


class Cluster:
    """etcd reduced to what the plans rely on: identities, votes, who is up."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.members: dict[int, Member] = {}
        self.retired: set[int] = set()
        self.next_id = 100
        self.places = {number: Place(number) for number in range(1, size + 1)}

    def well(self) -> set[int]:
        return {place.data for place in self.places.values() if place.up and place.data in self.members}

    def has_quorum(self) -> bool:
        voters = {id for id, entry in self.members.items() if not entry.learner}
        return bool(voters) and len(voters & self.well()) >= quorum(len(voters))

    def view(self) -> View | None:
        if not self.has_quorum():
            return None
        leader = min(id for id in self.well() if not self.members[id].learner)
        return View(tuple(self.members.values()), tuple(state(id, leader) for id in sorted(self.well())))

    def start(self, number: int) -> None:
        """One step of a member that is down."""
        place = self.places[number]
        if place.up:
            return
        own = Self(f"m{number}", URLS[number], bool(place.data), place.formed, place.id, URLS[1 : self.size + 1])
        had = self.has_quorum()
        match plan_start(own, self.view()):
            case Bootstrap():
                assert not place.data
                if self._others_know(number):
                    # etcd asks the others, too, before it bootstraps; its refusal says that it was a member.
                    place.formed = True
                    return
                place.data = number
                if not self.members:
                    self.members = {other: member(other, served=False) for other in range(1, self.size + 1)}
                self._run(place)
                assert not (place.up and number in self.retired), "a member that lost its memory came back as itself"
            case Resume():
                assert place.data
                self._run(place)
            case Discard():
                assert place.data not in self.members, "data of a member was thrown away"
                place.data = place.id = 0
                place.formed = True
            case Remove(id):
                assert had
                place.formed = True
                del self.members[id]
                assert self.has_quorum(), "a removal cost the quorum"
            case Join():
                assert had
                assert not any(entry.learner for entry in self.members.values())
                self.next_id += 1
                entry = Member(self.next_id, "", (URLS[number],), (), True)
                self.members[entry.id] = entry
                place.data = place.id = entry.id
                place.formed = place.up = True
                assert self.has_quorum()

    def _run(self, place: Place) -> None:
        """One that was removed is turned away for ever by those who know that; it learns it, and ends."""
        place.up = place.data in self.members
        if not place.up and any(other.up for other in self.places.values()):
            place.data, place.id, place.formed = 0, 0, True

    def _others_know(self, number: int) -> bool:
        """Whether anybody who is up has seen this member serve."""
        others = [place for place in self.places.values() if place.up and place.number != number]
        return bool(others) and any(entry.name == f"m{number}" and entry.client_urls for entry in self.members.values())

    def serve(self) -> None:
        """Those that are up with a quorum publish themselves, and the leader keeps up."""
        seen = self.view()
        if seen is None:
            return
        for place in self.places.values():
            if place.up and place.data in self.members:
                place.formed, place.id = True, place.data
                entry = self.members[place.data]
                url = f"https://10.0.0.{place.number}:2379"
                self.members[place.data] = replace(entry, name=f"m{place.number}", client_urls=(url,))
        seen = self.view()
        assert seen is not None
        match plan_upkeep(seen.states[0].leader, seen, History(), POLICY, 0.0):
            case Promote(id):
                self.members[id] = replace(self.members[id], learner=False)
                assert self.has_quorum(), "a promotion cost the quorum"

    def wipe(self, number: int, whole: bool) -> None:
        """The disk of a member is lost after it had served."""
        place = self.places[number]
        if not place.formed:
            return
        self.retired.add(place.data)
        place.up, place.data = False, 0
        if whole:
            place.formed, place.id = False, 0


steps = st.lists(
    st.tuples(st.sampled_from(["start", "serve", "crash", "wipe", "lose folder"]), st.integers(1, 5)), max_size=60
)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from([1, 3, 5]), steps)
def test_no_action_of_ours_ever_costs_the_quorum(size: int, history: list[tuple[str, int]]) -> None:
    cluster = Cluster(size)
    for number in cluster.places:
        cluster.start(number)
    cluster.serve()
    for what, number in history:
        place = cluster.places[(number - 1) % size + 1]
        if what == "crash":
            place.up = False
        elif what == "wipe":
            cluster.wipe(place.number, whole=False)
        elif what == "lose folder":
            # With every other machine down at the same time it could not be told from a first start.
            cluster.wipe(place.number, whole=any(other.up for other in cluster.places.values() if other is not place))
            cluster.start(place.number)
        elif what == "start":
            cluster.start(place.number)
        else:
            cluster.serve()
    _all_come_back(cluster)


def _all_come_back(cluster: Cluster) -> None:
    """As long as a quorum of the data is there, everybody is a voter that is well in the end."""
    with_data = {place.data for place in cluster.places.values() if place.data in cluster.members}
    voters = {id for id, entry in cluster.members.items() if not entry.learner}
    if len(voters & with_data) < quorum(len(voters)):
        return
    for _ in range(6 * cluster.size):
        for number in cluster.places:
            cluster.start(number)
        cluster.serve()
    assert len(cluster.members) == cluster.size
    assert all(place.up and not cluster.members[place.data].learner for place in cluster.places.values())
