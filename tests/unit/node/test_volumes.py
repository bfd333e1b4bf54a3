"""Volumes, written into a temporary folder."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from kube_actors.aio.clock import LoopClock, rfc3339
from kube_actors.api import Obj
from kube_actors.api.errors import NotFound
from kube_actors.api.resources import CONFIGMAPS, SERVICE_ACCOUNTS
from kube_actors.client.testing import FakeKubeClient
from kube_actors.node.containers.environment import ConfigFailure
from kube_actors.node.containers.references import References
from kube_actors.node.volumes.atomic_writer import write_atomically
from kube_actors.node.volumes.empty_dir import memory_size
from kube_actors.node.volumes.manager import Volumes
from kube_actors.node.volumes.mounted import mount_points
from kube_actors.node.volumes.nested import mount_points_in
from kube_actors.node.volumes.ownership import user_of
from kube_actors.node.volumes.payload import File, VolumeFailure
from kube_actors.node.volumes.tmpfs import Tmpfs, has_swap, options
from kube_actors.node.volumes.tokens import Tokens

from .conftest import make_pod


def seen(folder: Path) -> bool:
    return True


class Kernel:
    """Answers mounts with errors, one after the other; then they succeed."""

    def __init__(self, *errors: int) -> None:
        self.asked: list[str] = []
        self._errors: Iterator[int] = iter(errors)

    def mount(self, source: str, target: str, kind: str, flags: int, options: str) -> None:
        self.asked.append(options)
        if error := next(self._errors, 0):
            raise OSError(error, os.strerror(error))


class Node:
    def __init__(self, root: Path, *objects: Obj) -> None:
        self.client = FakeKubeClient(objects)
        self.clock = clock = LoopClock()
        references, tokens, tmpfs = References(self.client, clock), Tokens(self.client, clock), Tmpfs(seen, self._mount)
        self.volumes = Volumes(root, references, tokens, {"cpu": "4", "memory": "8Gi"}, tmpfs)
        self.root = root
        # What was covered with a tmpfs, and with which options.
        self.mounted: dict[str, str] = {}

    def _mount(self, source: str, target: str, kind: str, flags: int, options: str) -> None:
        """Only on record: a unit test mounts nothing."""
        self.mounted[Path(target).name] = options

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


def test_a_generation_is_named_by_its_time_and_leaves_none_behind(tmp_path: Path) -> None:
    write_atomically(tmp_path, {"a": File(b"1")})
    # That of an agent which died before it showed it, and what a container sees as its own.
    (tmp_path / "..2026_11_26_09_03_01.1").mkdir()
    (tmp_path / "own").mkdir()
    write_atomically(tmp_path, {"b": File(b"1")})
    (generation,) = (each.name for each in tmp_path.iterdir() if each.name.startswith("..2"))
    assert re.fullmatch(r"\.\.\d{4}(_\d\d){5}\.\d+", generation)
    assert os.readlink(tmp_path / "..data") == generation
    assert sorted(each.name for each in tmp_path.iterdir() if not each.name.startswith("..")) == ["b", "own"]
    # Nor does it matter when the agent died before it linked them.
    (tmp_path / "b").unlink()
    assert not write_atomically(tmp_path, {"b": File(b"1")})
    assert (tmp_path / "b").read_bytes() == b"1"


async def test_a_config_map_volume_follows_the_config_map(tmp_path: Path) -> None:
    node = Node(tmp_path, config_map(a="1"))
    pod = mounted({"configMap": {"name": "cm"}})
    await node.volumes.set_up(pod)
    assert (node.path("v") / "a").read_text() == "1"
    (mount,) = await node.volumes.mounts(pod, pod["spec"]["containers"][0], {})
    assert mount.host_path == str(node.path("v"))
    node.client.put(config_map(a="2", b="3"))
    later = Volumes(
        tmp_path, References(node.client, clock := LoopClock()), Tokens(node.client, clock), {}, Tmpfs(seen)
    )
    await later.refresh(pod)
    assert (node.path("v") / "a").read_text() == "2"
    assert (node.path("v") / "b").read_text() == "3"
    await later.tear_down("uid-p")
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
    node = Node(tmp_path, config_map(a="1"), SECRET)
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
    pod = mounted({"emptyDir": {}}, subPathExpr="$(POD)/x`y")
    await node.volumes.set_up(pod)
    (mount,) = await node.volumes.mounts(pod, pod["spec"]["containers"][0], {"POD": "p"})
    assert mount.host_path == str(node.path("v") / "p" / "x`y")
    # As open as the volume is.
    assert Path(mount.host_path).stat().st_mode & 0o777 == 0o777
    (node.path("v") / "out").symlink_to(tmp_path)
    (node.path("v") / "gone").symlink_to("/nowhere")
    wrong = {
        "../x": "unable to provision SubPath `../x`: must not contain '..'",
        "a/../../b": "unable to provision SubPath `a/../../b`: must not contain '..'",
        "/x": "error SubPath `/x` must not be an absolute path",
        "out": 'failed to prepare subPath for volumeMount "v" of container "c"',
        "out/made": 'failed to create subPath directory for volumeMount "v" of container "c"',
        "gone": 'failed to prepare subPath for volumeMount "v" of container "c"',
    }
    for path, text in wrong.items():
        container = pod["spec"]["containers"][0] | {"volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": path}]}
        with pytest.raises(ConfigFailure) as failure:
            await node.volumes.mounts(pod, container, {})
        assert str(failure.value) == text
    assert not (tmp_path / "made").exists()
    with pytest.raises(ConfigFailure, match="missing value for POD"):
        await node.volumes.mounts(pod, pod["spec"]["containers"][0], {"POD": ""})


async def test_what_is_made_of_objects_is_read_only(tmp_path: Path) -> None:
    node = Node(tmp_path, config_map(a="1"))
    for volume, read_only in ({"configMap": {"name": "cm"}}, True), ({"emptyDir": {}}, False):
        pod = mounted(volume)
        await node.volumes.set_up(pod)
        (mount,) = await node.volumes.mounts(pod, pod["spec"]["containers"][0], {})
        assert mount.read_only == read_only
        await node.volumes.tear_down("uid-p")


async def test_what_cannot_be_refreshed_stays_and_is_told(tmp_path: Path) -> None:
    node = Node(tmp_path, config_map(a="1"))
    pod = mounted({"configMap": {"name": "cm"}})
    await node.volumes.set_up(pod)
    node.client.remove(CONFIGMAPS, "default/cm")
    assert await node.volumes.refresh(pod) == []
    (failure,) = await node.volumes.refresh(pod, since=node.clock.now() + 1)
    assert failure == 'MountVolume.SetUp failed for volume "v" : configmap "cm" not found'
    assert (node.path("v") / "a").read_text() == "1"


@pytest.mark.looptime
async def test_a_token_is_renewed_when_four_fifths_of_its_life_are_over(tmp_path: Path) -> None:
    node = Node(tmp_path)
    issued = iter(range(9))

    async def create(resource: Any, request: Obj, **where: Any) -> Obj:
        assert (where["name"], where["subresource"]) == ("default", "token")
        assert request["spec"]["audiences"] == ["vault"]
        expires = rfc3339(node.clock.now() + request["spec"]["expirationSeconds"])
        return {"status": {"token": f"token-{next(issued)}", "expirationTimestamp": expires}}

    node.client.create = create  # type: ignore[method-assign, assignment]
    source = {"path": "token", "audience": "vault", "expirationSeconds": 600}
    pod = mounted({"projected": {"sources": [{"serviceAccountToken": source}]}})
    await node.volumes.set_up(pod)
    for seconds, token in ((470, "token-0"), (20, "token-1"), (470, "token-1"), (20, "token-2")):
        await asyncio.sleep(seconds)
        await node.volumes.refresh(pod)
        assert (node.path("v") / "token").read_text() == token


@pytest.mark.parametrize(
    ("pod_context", "container_context", "user"),
    [({}, {}, None), ({"runAsUser": 5}, {}, 5), ({"runAsUser": 5}, {"runAsUser": 0}, 0), ({}, {"runAsUser": 6}, 6)],
)
def test_the_user_of_a_pod_is_whom_all_its_containers_name(
    pod_context: Obj, container_context: Obj, user: int | None
) -> None:
    pod = make_pod(containers=[{"name": "c", "securityContext": container_context}])
    pod["spec"]["securityContext"] = pod_context
    assert user_of(pod) == user
    pod["spec"]["containers"].append({"name": "d", "securityContext": {"runAsUser": 77}})
    assert user_of(pod) is None


@pytest.mark.parametrize(
    ("size_limit", "memory_limits", "size"),
    [
        (None, (None,), 8 << 30),
        ("1Gi", (None,), 1 << 30),
        ("1Gi", ("64Mi", "64Mi"), 128 << 20),
        ("1Gi", ("64Mi", None), 1 << 30),
        ("1Ti", (None,), 8 << 30),
    ],
)
def test_a_volume_in_memory_holds_no_more_than_the_pod_may_use(
    size_limit: str | None, memory_limits: tuple[str | None, ...], size: int
) -> None:
    containers = [{"name": "c", "resources": {"limits": {"memory": each}} if each else {}} for each in memory_limits]
    source = {"medium": "Memory", "sizeLimit": size_limit}
    assert memory_size(make_pod(containers=containers), source, {"memory": "8Gi"}) == size
    whole = make_pod(containers=containers, resources={"limits": {"memory": "32Mi"}})
    assert memory_size(whole, source, {"memory": "8Gi"}) == 32 << 20


SECRET: Obj = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "namespace": "default"},
    "data": {"k": "dg=="},
}


async def test_secrets_are_in_memory_and_what_is_none_is_on_the_disk(tmp_path: Path) -> None:
    node = Node(tmp_path, config_map(a="1"), SECRET)
    name = {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}
    sources: dict[str, Obj] = {
        "cm": {"configMap": {"name": "cm"}},
        "disk": {"emptyDir": {}},
        "down": {"downwardAPI": {"items": [name]}},
        "memory": {"emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}},
        "projected": {"projected": {"sources": [{"downwardAPI": {"items": [name]}}]}},
        "secret": {"secret": {"secretName": "s"}},
    }
    container = {"name": "c", "image": "i", "resources": {"limits": {"memory": "64Mi"}}}
    volumes = [{"name": each} | source for each, source in sources.items()]
    await node.volumes.set_up(make_pod(volumes=volumes, containers=[container]))
    of_pod = f"mode=1777,size={64 << 20},noswap"
    assert node.mounted == {
        "down": of_pod, "memory": f"mode=1777,size={4 << 20},noswap", "projected": of_pod, "secret": of_pod
    }  # fmt: skip
    assert (node.path("secret") / "k").read_text() == "v"
    # The root of what is on the disk is as open as that of an emptyDir.
    assert {node.path(each).stat().st_mode & 0o7777 for each in ("cm", "disk")} == {0o777}


async def test_a_volume_whose_source_is_missing_mounts_nothing(tmp_path: Path) -> None:
    node = Node(tmp_path)
    with pytest.raises(VolumeFailure, match='secret "s" not found'):
        await node.volumes.set_up(mounted({"secret": {"secretName": "s"}}))
    assert node.mounted == {}


@pytest.mark.parametrize(
    ("size", "group", "no_swap", "text"),
    [
        (0, None, True, "mode=1777,noswap"),
        (4096, None, False, "mode=1777,size=4096"),
        (4096, 2000, True, "mode=3777,gid=2000,size=4096,noswap"),
    ],
)
def test_a_tmpfs_is_whole_the_moment_it_is_there(size: int, group: int | None, no_swap: bool, text: str) -> None:
    assert options(size, group, no_swap=no_swap) == text


def test_a_kernel_that_cannot_keep_it_from_swap_is_asked_once(tmp_path: Path) -> None:
    kernel = Kernel(errno.EINVAL)
    tmpfs = Tmpfs(seen, kernel.mount)
    assert tmpfs.cover(tmp_path, 0, None)
    assert tmpfs.cover(tmp_path, 0, None)
    assert kernel.asked == ["mode=1777,noswap", "mode=1777", "mode=1777"]


def test_a_node_that_may_not_mount_says_so_once(tmp_path: Path) -> None:
    tmpfs = Tmpfs(seen, Kernel(errno.EPERM, errno.EACCES).mount)
    with capture_logs() as logs:
        assert not tmpfs.cover(tmp_path, 0, None)
        assert not tmpfs.cover(tmp_path, 0, None)
    (line,) = logs
    assert line["event"] == "secrets and volumes in memory are on the disk"
    assert line["why"] == "the node may not mount: Operation not permitted"
    assert tmpfs.cover(tmp_path, 0, None)


def test_an_engine_that_does_not_see_a_mount_gets_none(tmp_path: Path) -> None:
    unmounted: list[str] = []
    tmpfs = Tmpfs(lambda folder: False, Kernel().mount, unmounted.append)
    with capture_logs() as logs:
        assert not tmpfs.cover(tmp_path, 0, None)
    assert unmounted == [str(tmp_path)]
    assert [line["why"] for line in logs] == ["the container engine does not see the node's mounts"]

    def away(folder: Path) -> bool:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    with pytest.raises(VolumeFailure, match="the container engine cannot be reached: Connection refused"):
        Tmpfs(away, Kernel().mount, unmounted.append).cover(tmp_path, 0, None)
    assert unmounted == [str(tmp_path)] * 2


def test_a_mount_that_fails_is_a_volume_that_waits(tmp_path: Path) -> None:
    with pytest.raises(VolumeFailure, match="cannot mount a tmpfs: Cannot allocate memory"):
        Tmpfs(seen, Kernel(errno.ENOMEM).mount).cover(tmp_path, 0, None)


def test_swap_is_what_has_a_line_below_the_heading() -> None:
    heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
    assert not has_swap(heading)
    assert has_swap(heading + "/dev/sda2 partition 1 0 -2\n")


@pytest.mark.parametrize(
    ("mounts", "inside"),
    [
        ({"/etc/app": "v", "/etc/application": "w"}, set()),
        ({"/etc/app": "v", "/etc/app/a/b": "w", "/etc/app/a/b/c": "x", "/etc/app/a/bb": "y"}, {"a/b", "a/bb"}),
        ({"/etc/app/": "v", "/etc/app//c/": "v"}, {"c"}),
        ({"/w": "w", "/w/v": "v", "/w/v/x": "x"}, {"x"}),
    ],
)
def test_mount_points_in_a_volume_are_known(mounts: dict[str, str], inside: set[str]) -> None:
    own = [{"name": name, "mountPath": path} for path, name in mounts.items()]
    part = [{"name": "v", "mountPath": "/part", "subPath": "p"}, {"name": "w", "mountPath": "/part/of"}]
    containers = [{"name": "c", "volumeMounts": own}, {"name": "d", "volumeMounts": part}]
    assert mount_points_in(make_pod(containers=containers), "v") == inside


def test_mounts_are_undone_from_the_last_to_the_first() -> None:
    mountinfo = (
        "21 1 8:1 / / rw - ext4 /dev/sda rw\n"
        "30 21 0:40 / /pods/u/volumes/v rw shared:1 - tmpfs tmpfs rw\n"
        "31 30 0:41 / /pods/u/volumes/v/a\\040b rw - tmpfs tmpfs rw\n"
        "32 21 0:42 / /pods/uu/volumes/v rw - tmpfs tmpfs rw\n"
    )
    found = mount_points(mountinfo, Path("/pods/u"))
    assert found == [Path("/pods/u/volumes/v/a b"), Path("/pods/u/volumes/v")]
