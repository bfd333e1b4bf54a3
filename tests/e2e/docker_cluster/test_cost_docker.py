"""How often the engine is asked: what a pod costs to start, and while nothing happens to it.

Times depend on the machine, calls do not. One more of them for every pod is a step back that no other test would see.
"""

from __future__ import annotations

import time
from collections import Counter
from urllib.parse import unquote

import pytest

from tests.e2e.docker_cluster.cluster import Space, pod
from tests.kactl_cluster import until

pytestmark = pytest.mark.timeout(300)

RELIST_SECONDS = 10.0


def kinds(calls: list[str]) -> Counter[str]:
    """Calls by what they are for; a list of one pod's containers is another than that of all."""
    return Counter(_kind(unquote(call)) for call in calls)


def _kind(call: str) -> str:
    method, path = call.split(" ", 1)
    words = path.partition("?")[0].split("/")[2:]
    if words == ["containers", "json"]:
        return "list pod" if "io.kubernetes.pod.uid=" in path else "list all"
    return f"{method} {words[0]} {words[-1]}"


def test_a_pod_starts_with_two_containers_and_few_questions(space: Space) -> None:
    # The first pod of a node finds no network and no image for its pause container.
    space.create(pod("first"))
    space.wait("first")
    with space.cluster.lab.calls() as calls:
        space.create(pod("second"))
        space.wait("second")
        # Events of the start may still make the node look.
        time.sleep(1)
    asked = kinds(calls)
    assert asked["POST containers create"] == asked["POST containers start"] == 2
    # Before the sandbox and after it; the containers are known from then on.
    assert asked["list pod"] <= 3
    # Each container after its start and after the event that tells of it; the sandbox for what joins it.
    assert asked["GET containers json"] <= 6
    assert asked["GET images json"] <= 2
    known = {"POST containers create", "POST containers start", "list pod", "list all"}
    assert asked.keys() <= known | {"GET containers json", "GET images json"}


def test_pods_to_which_nothing_happens_cost_one_list_now_and_then(space: Space) -> None:
    names = [f"idle-{number}" for number in range(3)]
    space.create(*map(pod, names))
    for name in names:
        space.wait(name)
    until(lambda: len(space.cluster.docker("ps", "-q").split()) == 2 * len(names), "only these pods run")
    time.sleep(2)
    began = time.monotonic()
    with space.cluster.lab.calls() as calls:
        time.sleep(1.5 * RELIST_SECONDS)
        took = time.monotonic() - began
    asked = kinds(calls)
    assert 1 <= asked["list all"] <= took / RELIST_SECONDS + 1
    # The images, for the node's status and their collection, are read every few minutes.
    assert asked.keys() <= {"list all", "GET images json"}
