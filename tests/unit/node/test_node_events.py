"""Events about a node's conditions."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.node.machine.node_object import news_of

FREE = ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"]


def node(ready: str = "True", memory: str = "False", disk: str = "False", pid: str = "False") -> Obj:
    statuses = {"MemoryPressure": memory, "DiskPressure": disk, "PIDPressure": pid, "Ready": ready}
    return {"status": {"conditions": [{"type": kind, "status": status} for kind, status in statuses.items()]}}


def test_an_agent_begins_with_what_it_is_not_short_of() -> None:
    assert news_of(node(), node(), first=True) == FREE
    assert news_of({"status": {}}, node(), first=True) == FREE


def test_a_condition_is_news_when_its_status_changes() -> None:
    assert news_of(node(), node(), first=False) == []
    assert news_of(node(), node(memory="True"), first=False) == ["NodeHasInsufficientMemory"]
    assert news_of(node(disk="True", pid="True"), node(), first=False) == FREE[1:]
    assert news_of(node(ready="True"), node(ready="False"), first=False) == ["NodeNotReady"]


def test_a_node_that_was_declared_lost_tells_of_all_when_it_is_back() -> None:
    lost = node("Unknown", "Unknown", "Unknown", "Unknown")
    assert news_of(lost, node(), first=False) == [*FREE, "NodeReady"]
    assert news_of(lost, node(), first=True) == [*FREE, "NodeReady"]
