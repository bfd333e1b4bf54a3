"""Components that live and die together, in a loop and in a thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

from kube_actors.api.errors import ConfigError
from kube_actors.cluster.actors import thread as thread_module
from kube_actors.cluster.actors.components import APIServer, ControllerManager, NodeAgent, Scheduler, Store
from kube_actors.cluster.actors.thread import ComponentThread
from kube_actors.cluster.group import Group, start_together
from kube_actors.cluster.supervisor import Supervisor
from kube_actors.rpc.errors import RpcError


class Part:
    def __init__(self, name: str, calls: list[str], fails: BaseException | None = None) -> None:
        self.name, self.calls, self.fails = name, calls, fails
        self.thread: threading.Thread | None = None

    async def start(self) -> None:
        self.calls.append(f"start {self.name}")
        self.thread = threading.current_thread()
        if self.fails:
            raise self.fails

    async def stop(self) -> None:
        self.calls.append(f"stop {self.name}")


async def test_members_start_in_order_and_stop_in_reverse() -> None:
    calls: list[str] = []
    group = Group("g", [Part("a", calls), Part("b", calls)])
    await group.start()
    await group.stop()
    await group.stop()
    assert calls == ["start a", "start b", "stop b", "stop a"]


async def test_a_failed_start_stops_what_had_started() -> None:
    calls: list[str] = []
    parts = [Part("a", calls), Part("b", calls, ConfigError("no")), Part("c", calls)]
    with pytest.raises(ConfigError, match="no"):
        await Group("g", parts).start()
    assert calls == ["start a", "start b", "stop b", "stop a"]


async def test_a_member_that_fails_to_stop_does_not_keep_the_others_running() -> None:
    calls: list[str] = []

    class Bad(Part):
        async def stop(self) -> None:
            raise OSError("no")

    group = Group("g", [Part("a", calls), Bad("b", calls)])
    await group.start()
    await group.stop()
    assert calls[-1] == "stop a"


@pytest.mark.looptime
async def test_a_member_that_hangs_is_left_behind() -> None:
    calls: list[str] = []

    class Hangs(Part):
        async def stop(self) -> None:
            await asyncio.Event().wait()

    group = Group("g", [Part("a", calls), Hangs("b", calls)])
    await group.start()
    await group.stop()
    assert calls[-1] == "stop a"


async def test_groups_start_together_and_the_first_failure_is_told() -> None:
    calls: list[str] = []
    good, bad = Group("g", [Part("a", calls)]), Group("h", [Part("b", calls, ConfigError("no port"))])
    with pytest.raises(ConfigError, match="no port"):
        await start_together([good, bad])
    assert "start a" in calls


def test_a_thread_runs_the_component_in_a_loop_of_its_own() -> None:
    calls: list[str] = []
    part = Part("a", calls)
    thread = ComponentThread("t", lambda: [Group("g", [part])])
    thread.start()
    assert part.thread is not threading.current_thread()
    thread.stop(5)
    thread.stop(5)
    assert calls == ["start a", "stop a"]


def test_a_thread_waits_for_what_the_component_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_module, "RETRY", thread_module.Backoff(initial=0.001, maximum=0.001))
    calls: list[str] = []
    attempts = iter([RpcError("UNAVAILABLE", "store away"), RpcError("UNAVAILABLE", "store away"), None])
    thread = ComponentThread("t", lambda: [Group("g", [Part("a", calls, next(attempts))])])
    thread.start()
    assert calls == ["start a", "stop a"] * 2 + ["start a"]
    thread.stop(5)


def test_a_config_error_comes_out_of_the_constructor_at_once() -> None:
    thread = ComponentThread("t", lambda: [Group("g", [Part("a", [], ConfigError("port 7 is in use"))])])
    with pytest.raises(ConfigError, match="port 7 is in use"):
        thread.start()


@pytest.mark.parametrize("shell", [APIServer, ControllerManager, NodeAgent, Scheduler, Store, Supervisor])
def test_no_method_of_a_shell_is_async(shell: type) -> None:
    """One alone would make Ray run the actor, constructor and all, in a loop of Ray's."""
    names = [name for name in dir(shell) if asyncio.iscoroutinefunction(getattr(shell, name))]
    assert names == []
    assert "Crash contract" in (shell.__doc__ or "")
