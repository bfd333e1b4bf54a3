"""The supervisor's rounds, over actors that are a dict."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from kube_actors.cluster.desired import (
    ActorSpec,
    Create,
    Health,
    Observed,
    Restart,
    next_seen,
    plan_actions,
)
from kube_actors.cluster.supervisor import Reconciler

STORE, SERVER = ActorSpec("Store", "store@m", "m"), ActorSpec("APIServer", "apiserver@m", "m")


class Actors:
    """What Ray would say."""

    def __init__(self) -> None:
        self.healths: dict[str, Observed] = {}
        self.calls: list[tuple[str, str]] = []

    def create(self, spec: ActorSpec) -> None:
        self.calls.append(("create", spec.name))

    def restart(self, name: str) -> None:
        self.calls.append(("restart", name))

    def remove(self, names: Sequence[str]) -> None:
        self.calls += [("remove", name) for name in names]

    def observe(self, specs: Sequence[ActorSpec], seconds: float) -> dict[str, Observed]:
        return {spec.name: self.healths.get(spec.name, Observed(Health.MISSING)) for spec in specs}


class Time:
    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("the reconciler does not sleep")


def test_missing_actors_are_created_and_stuck_ones_restarted() -> None:
    observed = {STORE.name: Observed(Health.STUCK), SERVER.name: Observed(Health.MISSING)}
    assert plan_actions((STORE, SERVER), observed) == [Restart(STORE), Create(SERVER)]


def test_actors_that_start_or_run_are_left_alone() -> None:
    observed = {STORE.name: Observed(Health.STARTING), SERVER.name: Observed(Health.RUNNING, 5)}
    assert plan_actions((STORE, SERVER), observed) == []


def test_an_actor_nobody_has_seen_is_created() -> None:
    assert plan_actions((STORE,), {}) == [Create(STORE)]


def test_a_new_process_counts_as_a_restart() -> None:
    first = next_seen(None, Observed(Health.RUNNING, pid=10))
    away = next_seen(first, Observed(Health.STARTING))
    back = next_seen(away, Observed(Health.RUNNING, pid=11))
    assert (first.restarts, away.restarts, back.restarts) == (0, 0, 1)
    assert next_seen(back, Observed(Health.RUNNING, pid=11)).restarts == 1


def test_the_last_error_is_told_until_it_runs() -> None:
    failed = next_seen(None, Observed(Health.MISSING, error="port 1 is in use"))
    assert next_seen(failed, Observed(Health.STARTING)).error == "port 1 is in use"
    assert next_seen(failed, Observed(Health.RUNNING, pid=1)).error == ""


def test_what_cannot_be_created_is_tried_less_and_less_often() -> None:
    actors, time = Actors(), Time()
    reconciler = Reconciler((STORE,), actors, time)
    attempts = []
    for second in range(60):
        time.at = 1000.0 + second
        before = len(actors.calls)
        reconciler.round()
        if len(actors.calls) > before:
            attempts.append(second)
    gaps = [later - earlier for earlier, later in itertools.pairwise(attempts)]
    assert 4 <= len(attempts) <= 8
    assert gaps == sorted(gaps)


def test_an_actor_that_ran_again_starts_with_a_clean_record() -> None:
    actors, time = Actors(), Time()
    reconciler = Reconciler((STORE,), actors, time)
    for _ in range(5):
        time.at += 60
        reconciler.round()
    actors.healths[STORE.name] = Observed(Health.RUNNING, pid=3)
    reconciler.round()
    actors.healths.clear()
    actors.calls.clear()
    for _ in range(3):
        time.at += 2.5
        reconciler.round()
    assert actors.calls[:2] == [("create", STORE.name)] * 2


@pytest.mark.parametrize("health", [Health.STARTING, Health.RUNNING])
def test_a_round_tells_what_it_saw(health: Health) -> None:
    actors = Actors()
    actors.healths[STORE.name] = Observed(health, pid=7)
    reconciler = Reconciler((STORE,), actors, Time())
    reconciler.round()
    assert reconciler.seen[STORE.name].health is health
    assert actors.calls == []


def test_what_is_no_longer_wanted_is_ended_and_what_is_wanted_instead_is_made() -> None:
    actors = Actors()
    reconciler = Reconciler((STORE, SERVER), actors, Time())
    actors.healths[SERVER.name] = Observed(Health.RUNNING, pid=1)
    elsewhere = ActorSpec("Store", "store@n", "n", host="10.0.0.2")
    reconciler.want((elsewhere, SERVER))
    reconciler.round()
    assert actors.calls == [("remove", STORE.name), ("create", elsewhere.name)]
