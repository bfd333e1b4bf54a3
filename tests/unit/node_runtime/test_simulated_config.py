"""Behaviours as a user writes them, and which runs fail."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from kube_actors.api.errors import ConfigError
from kube_actors.node.runtime.simulated import Behaviour, Rule, SimulatedConfig, read_config
from kube_actors.node.runtime.simulated.reading import _BEHAVIOUR, _snake


def test_every_key_becomes_a_value() -> None:
    config = read_config(
        {
            "default": {"startSeconds": 1, "runSeconds": None, "log": "hi\n"},
            "rules": [{"labels": {"app": "a"}, "container": "c", "image": "i", "behaviour": {"failureRate": 0.5}}],
            "sandboxSeconds": 0.5,
            "seed": 7,
            "capacity": {"cpu": "4"},
        }
    )
    rule = Rule(Behaviour(failure_rate=0.5), {"app": "a"}, "c", "i")
    default = Behaviour(start_seconds=1, log="hi\n")
    assert config == SimulatedConfig(default, (rule,), 0.5, 7, {"cpu": "4"})


def test_a_behaviour_has_no_field_that_cannot_be_written() -> None:
    assert {_snake(key) for key in _BEHAVIOUR} == {each.name for each in dataclasses.fields(Behaviour)}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([1], "must be a mapping, not [1]"),
        ({"defaults": {}}, "defaults: unknown key; allowed here: capacity, default, rules, sandboxSeconds, seed"),
        ({"default": {"failureRate": 2}}, "default.failureRate: must be a number from 0 to 1, not 2"),
        ({"default": {"oomKilled": 1}}, "default.oomKilled: must be true or false, not 1"),
        ({"default": {"log": 1}}, "default.log: must be text, not 1"),
        ({"default": {"exitCode": 1.5}}, "default.exitCode: must be a whole number from 0 to 255, not 1.5"),
        ({"default": {"exitCode": True}}, "default.exitCode: must be a whole number from 0 to 255, not True"),
        ({"default": {"startSeconds": None}}, "default.startSeconds: must be a number of at least 0, not None"),
        ({"default": {"startSeconds": float("nan")}}, "default.startSeconds: must be a number of at least 0, not nan"),
        ({"rules": {}}, "rules: must be a list, not {}"),
        ({"rules": [{"image": "a"}]}, "rules[0]: needs a behaviour"),
        ({"rules": [{"behaviour": {"run": 1}}]}, "rules[0].behaviour.run: unknown key; allowed here: cpuMilli,"),
        ({"rules": [{"labels": {"a": 1}}]}, "rules[0].labels: must be a mapping of text to text, not {'a': 1}"),
        ({"seed": "x"}, "seed: must be a whole number, not 'x'"),
        ({"capacity": {"cpu": "many"}}, "capacity.cpu: must be an amount such as 4 or 16Gi, not 'many'"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(data: Any, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_config(data)
    assert str(error.value).startswith(problem)


def test_the_share_of_runs_that_fail_is_the_failure_rate() -> None:
    behaviour = Behaviour(failure_rate=0.3, failure_seconds=5, failure_code=9)
    ends = [SimulatedConfig(seed=1).ending(behaviour, f"default/p{number}/c", 0) for number in range(5000)]
    assert set(ends) == {(5, 9), None}
    assert 0.27 < ends.count((5, 9)) / len(ends) < 0.33


def test_the_same_runs_fail_again_and_others_with_another_seed() -> None:
    behaviour = Behaviour(failure_rate=0.5)
    runs = [(f"default/p{number}/c", attempt) for number in range(20) for attempt in range(5)]

    def failing(seed: int) -> list[bool]:
        return [SimulatedConfig(seed=seed).ending(behaviour, *run) is not None for run in runs]

    assert failing(1) == failing(1)
    assert failing(1) != failing(2)


def test_a_run_that_does_not_fail_ends_as_it_would_anyway() -> None:
    behaviour = Behaviour(failure_rate=0.5, run_seconds=60, failing_runs=3)
    config = SimulatedConfig()
    ends = {config.ending(behaviour, "default/p/c", attempt) for attempt in range(3)}
    assert ends <= {(60, 0), (1.0, 1)}
    assert {config.ending(behaviour, "default/p/c", attempt) for attempt in range(3, 50)} == {(1.0, 1), None}
