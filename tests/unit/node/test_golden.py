"""What a pod's status says over time for each behaviour of the simulated runtime, against files in `golden/`.

NAME.yaml is a scenario: how containers behave, the pod's spec, for how many seconds of virtual time. NAME.golden is
what the API saw: every change of the pod's status, then its events. After a change that is meant, make the files anew
and read the difference:

    UPDATE_GOLDEN=1 python -m pytest tests/unit/node/test_golden.py && git diff tests/unit/node/golden
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.resources import EVENTS, PODS
from kube_actors.node.runtime.simulated import read_config

from .conftest import MakeWorld, World, make_pod

FOLDER = Path(__file__).parent / "golden"
SCENARIOS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
LISTS = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_status_over_time_is_that_of_the_golden_file(make_world: MakeWorld, name: str) -> None:
    text = await play(make_world, yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))
    golden = FOLDER / f"{name}.golden"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_every_golden_file_has_a_scenario() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.golden")) == SCENARIOS


async def play(make_world: MakeWorld, scenario: dict[str, Any]) -> str:
    world = await make_world(read_config(scenario["simulated"]))
    tasks, lines = Tasks("golden"), list[str]()
    tasks.spawn(watch(world, lines), "watch")
    loop = asyncio.get_running_loop()
    begun = loop.time()
    world.client.put(make_pod(**scenario["pod"]))
    if "deleteAfter" in scenario:
        await asyncio.sleep(scenario["deleteAfter"])
        world.delete()
    await asyncio.sleep(scenario["seconds"] - (loop.time() - begun))
    await tasks.stop()
    return "\n".join([*lines, "events", *sorted(events(world)), ""])


async def watch(world: World, lines: list[str]) -> None:
    loop = asyncio.get_running_loop()
    begun, last = loop.time(), ""
    async for batch in world.client.watch(PODS):
        for event in batch:
            at = f"{loop.time() - begun:.1f} s"
            text = "\n".join(f"  {line}" for line in shown(event.object.get("status") or {}))
            if event.type == "DELETED":
                lines.append(f"{at} deleted")
            elif text != last:
                lines.append(f"{at}\n{text}")
            last = text


def shown(status: Obj) -> Iterator[str]:
    """A status, a line each for phase, conditions and containers."""
    yield " ".join(str(status[key]) for key in ("phase", "reason", "message", "podIP") if status.get(key))
    for each in status.get("conditions") or ():
        yield " ".join(str(each[key]) for key in ("type", "status", "reason", "message") if each.get(key))
    for key in LISTS:
        for each in status.get(key) or ():
            flags = [name for name in ("started", "ready") if each.get(name)]
            yield f"[{each['name']}] {state(each['state'])}, restarts {each['restartCount']} {' '.join(flags)}".rstrip()
            if each.get("lastState"):
                yield f"[{each['name']}] before: {state(each['lastState'])}"


def state(of: Obj) -> str:
    ((kind, what),) = of.items()
    return " ".join(str(part) for part in (kind, what.get("reason"), what.get("exitCode"), what.get("message")) if part)


def events(world: World) -> Iterator[str]:
    for each in world.client.objects(EVENTS):
        if each["involvedObject"]["kind"] == "Pod":
            yield f"  {each['type']} {each['reason']} x{each['count']}: {each['message']}"
