"""Pods from a folder of the node, and their mirrors."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest
import yaml

from kube_actors.api.meta import annotations_of
from kube_actors.api.resources import PODS
from kube_actors.node.agent import NodeAgent
from kube_actors.node.pods.static_pods import MIRROR, read_folder, static_pod

from .conftest import NODE, MakeWorld, World

KEY = f"default/web-{NODE}"


def manifest(image: str = "one", name: str = "web") -> str:
    spec = {"containers": [{"name": "c", "image": image}]}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def test_a_manifest_is_a_pod_of_this_node() -> None:
    pod = static_pod(manifest().encode(), NODE)
    assert pod["metadata"]["name"] == f"web-{NODE}"
    assert pod["spec"]["nodeName"] == NODE
    assert pod["spec"]["tolerations"] == [{"operator": "Exists", "effect": "NoExecute"}]
    assert static_pod(manifest("two").encode(), NODE)["metadata"]["uid"] != pod["metadata"]["uid"]


def test_what_is_no_pod_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: [")
    (tmp_path / "b.yaml").write_text("kind: Deployment")
    (tmp_path / "c.txt").write_text(manifest())
    (tmp_path / "d.yaml").write_text(manifest())
    (tmp_path / "e.json").write_text(
        '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"containers":[{}]}}'
    )
    assert [pod["metadata"]["name"] for pod in read_folder(tmp_path, NODE)] == [f"web-{NODE}"]
    assert read_folder(tmp_path / "missing", NODE) == []


async def with_folder(make_world: MakeWorld, folder: Path) -> World:
    """A world whose agent has been replaced by one with a folder of static pods."""
    world = await make_world()
    await world.agent.stop()
    world.config = dataclasses.replace(world.config, static_pods=folder)
    world.agent = NodeAgent(world.config, world.client, world.runtime, world.clock)
    await world.agent.start()
    return world


@pytest.mark.looptime
async def test_a_static_pod_runs_and_the_api_shows_it(make_world: MakeWorld, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "web.yaml").write_text(manifest())
    world = await with_folder(make_world, folder)
    await world.until(lambda: (world.client.peek(PODS, KEY) or {}).get("status", {}).get("phase") == "Running")
    mirror = world.client.peek(PODS, KEY)
    assert mirror is not None
    assert mirror["metadata"]["ownerReferences"][0]["kind"] == "Node"
    uid = annotations_of(mirror)[MIRROR]
    assert mirror["metadata"]["uid"] != uid
    starts = world.runtime.starts

    # Whoever deletes the mirror ends nothing.
    await world.client.delete(PODS, f"web-{NODE}", "default", grace_seconds=0)
    await world.until(lambda: (world.client.peek(PODS, KEY) or {}).get("status", {}).get("phase") == "Running")
    assert world.runtime.starts == starts

    # Another manifest is another pod.
    (folder / "web.yaml").write_text(manifest("two"))
    await world.until(
        lambda: annotations_of(world.client.peek(PODS, KEY) or {"metadata": {}}).get(MIRROR) not in (None, uid)
    )
    await world.until(lambda: (world.client.peek(PODS, KEY) or {}).get("status", {}).get("phase") == "Running")
    assert world.runtime.starts == starts + 1

    (folder / "web.yaml").unlink()
    await world.until(lambda: world.client.peek(PODS, KEY) is None)
    await world.until(lambda: not world.agent.pods)


@pytest.mark.looptime
async def test_an_agent_that_comes_back_adopts_its_static_pods(make_world: MakeWorld, tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(manifest())
    world = await with_folder(make_world, tmp_path)
    await world.until(lambda: (world.client.peek(PODS, KEY) or {}).get("status", {}).get("phase") == "Running")
    starts = world.runtime.starts
    await world.agent.stop()
    world.agent = NodeAgent(world.config, world.client, world.runtime, world.clock)
    await world.agent.start()
    await asyncio.sleep(30)
    assert world.runtime.starts == starts
    assert (world.client.peek(PODS, KEY) or {})["status"]["phase"] == "Running"
