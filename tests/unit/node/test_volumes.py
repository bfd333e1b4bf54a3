"""Volumes, written into a temporary folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kube_actors.aio.clock import LoopClock
from kube_actors.api import Obj
from kube_actors.api.errors import NotFound
from kube_actors.api.resources import SERVICE_ACCOUNTS
from kube_actors.client.testing import FakeKubeClient
from kube_actors.node.environment import ConfigFailure
from kube_actors.node.references import References
from kube_actors.node.volumes.atomic_writer import write_atomically
from kube_actors.node.volumes.manager import Volumes
from kube_actors.node.volumes.payload import File, VolumeFailure
from kube_actors.node.volumes.tokens import Tokens

from .conftest import make_pod


class Node:
    def __init__(self, root: Path, *objects: Obj) -> None:
        self.client = FakeKubeClient(objects)
        clock = LoopClock()
        self.volumes = Volumes(root, References(self.client, clock), Tokens(self.client, clock), {"cpu": "4"})
        self.root = root

    def path(self, name: str) -> Path:
        return self.root / "pods" / "uid-p" / "volumes" / name


def config_map(**data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm", "namespace": "default"}, "data": data}


def mounted(volume: Obj, **mount: str) -> Obj:
    mounts = [{"name": "v", "mountPath": "/v"} | mount]
    return make_pod(volumes=[{"name": "v"} | volume], containers=[{"name": "c", "image": "i", "volumeMounts": mounts}])


def test_an_update_is_seen_all_at_once_and_keeps_the_links(tmp_path: Path) -> None:
    assert write_atomically(tmp_path, {"a": File(b"1"), "sub/b": File(b"2", 0o400)})
    inode = (tmp_path / "a").lstat().st_ino
    data = os.readlink(tmp_path / "..data")
    assert (tmp_path / "a").read_bytes() == b"1"
    assert (tmp_path / "sub" / "b").stat().st_mode & 0o777 == 0o400
    assert not write_atomically(tmp_path, {"a": File(b"1"), "sub/b": File(b"2", 0o400)})
    assert os.readlink(tmp_path / "..data") == data
    assert write_atomically(tmp_path, {"a": File(b"3")})
    assert (tmp_path / "a").read_bytes() == b"3"
    assert (tmp_path / "a").lstat().st_ino == inode
    assert sorted(each.name for each in tmp_path.iterdir() if not each.name.startswith("..")) == ["a"]
    assert len([each for each in tmp_path.iterdir() if each.name.startswith("..")]) == 2


async def test_a_config_map_volume_follows_the_config_map(tmp_path: Path) -> None:
    node = Node(tmp_path, config_map(a="1"))
    pod = mounted({"configMap": {"name": "cm"}})
    await node.volumes.set_up(pod)
    assert (node.path("v") / "a").read_text() == "1"
    (mount,) = await node.volumes.mounts(pod, pod["spec"]["containers"][0], {})
    assert mount.host_path == str(node.path("v"))
    node.client.put(config_map(a="2", b="3"))
    volumes = Volumes(tmp_path, References(node.client, LoopClock()), Tokens(node.client, LoopClock()), {})
    await volumes.refresh(pod)
    assert (node.path("v") / "a").read_text() == "2"
    assert (node.path("v") / "b").read_text() == "3"
    await volumes.tear_down("uid-p")
    assert list((tmp_path / "pods").iterdir()) == []


async def test_what_is_missing_is_told_in_kubernetes_words(tmp_path: Path) -> None:
    node = Node(tmp_path, config_map(a="1"))
    with pytest.raises(VolumeFailure) as failure:
        await node.volumes.set_up(mounted({"configMap": {"name": "no"}}))
    assert str(failure.value) == 'MountVolume.SetUp failed for volume "v" : configmap "no" not found'
    with pytest.raises(VolumeFailure, match="configmap references non-existent config key: k"):
        await node.volumes.set_up(mounted({"configMap": {"name": "cm", "items": [{"key": "k", "path": "p"}]}}))
    with pytest.raises(VolumeFailure, match="no volumes of the kind nfs"):
        await node.volumes.set_up(mounted({"nfs": {"server": "x", "path": "/"}}))
    await node.volumes.set_up(mounted({"configMap": {"name": "no", "optional": True}}))


async def test_a_projected_volume_joins_its_sources(tmp_path: Path) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "default"},
        "data": {"k": "dg=="},
    }
    node = Node(tmp_path, config_map(a="1"), secret)
    node.client.fail("create", SERVICE_ACCOUNTS, NotFound("the server issues no tokens"))
    sources = [
        {"configMap": {"name": "cm"}},
        {"secret": {"name": "s", "items": [{"key": "k", "path": "deep/k", "mode": 0o440}]}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"serviceAccountToken": {"path": "token"}},
    ]
    await node.volumes.set_up(mounted({"projected": {"sources": sources}}))
    files = {each.name: each.read_text() for each in (node.path("v") / "..data").resolve().rglob("*") if each.is_file()}
    assert files == {"a": "1", "k": "v", "name": "p"}
    assert (node.path("v") / "deep" / "k").stat().st_mode & 0o777 == 0o440


async def test_an_empty_dir_is_open_to_all_and_shared(tmp_path: Path) -> None:
    node = Node(tmp_path)
    await node.volumes.set_up(mounted({"emptyDir": {}}))
    assert node.path("v").stat().st_mode & 0o777 == 0o777


async def test_host_paths_are_checked_or_made(tmp_path: Path) -> None:
    node = Node(tmp_path)
    pod = mounted({"hostPath": {"path": str(tmp_path / "d" / "e"), "type": "DirectoryOrCreate"}})
    await node.volumes.set_up(pod)
    assert (tmp_path / "d" / "e").is_dir()
    with pytest.raises(VolumeFailure, match=r"hostPath type check failed: .* is not a file"):
        await node.volumes.set_up(mounted({"hostPath": {"path": str(tmp_path / "d"), "type": "File"}}))
    with pytest.raises(VolumeFailure, match="is not a directory"):
        await node.volumes.set_up(mounted({"hostPath": {"path": str(tmp_path / "none"), "type": "Directory"}}))


async def test_a_sub_path_stays_inside_its_volume(tmp_path: Path) -> None:
    node = Node(tmp_path)
    pod = mounted({"emptyDir": {}}, subPathExpr="$(POD)/x")
    await node.volumes.set_up(pod)
    (mount,) = await node.volumes.mounts(pod, pod["spec"]["containers"][0], {"POD": "p"})
    assert mount.host_path == str(node.path("v") / "p" / "x")
    for bad in ("../x", "/x", "a/../../b"):
        container = pod["spec"]["containers"][0] | {"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": bad}]}
        with pytest.raises(ConfigFailure, match="failed to prepare subPath"):
            await node.volumes.mounts(pod, container, {})
    (node.path("v") / "out").symlink_to("/")
    container = pod["spec"]["containers"][0] | {"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "out"}]}
    with pytest.raises(ConfigFailure, match="leads out of the volume"):
        await node.volumes.mounts(pod, container, {})
