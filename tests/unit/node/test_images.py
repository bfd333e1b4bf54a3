"""Which images a node pulls, with whose login, and which it removes."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.aio.clock import LoopClock
from kube_actors.api import Obj
from kube_actors.api.errors import NotFound
from kube_actors.node.images.collector import CollectionFailure, ImageCollector
from kube_actors.node.images.credentials import Login, logins
from kube_actors.node.images.garbage import Disk, ImageGcPolicy, to_free
from kube_actors.node.images.manager import Images, ImageUnavailable, default_policy
from kube_actors.node.images.pulled import PulledImages, image_ref, repository_of
from kube_actors.node.images.volume import UnpackedImages
from kube_actors.node.runtime.interface import Image, ImageFailure, RuntimeFailure
from kube_actors.node.runtime.layers import LayerError, apply_layer

SLOTS = 2
LOGIN = Login("me", "word", "reg:5000", "uid-1")
OTHER = Login("you", "word", "reg:5000", "uid-2")


def secret(servers: Any, kind: str = "dockerconfigjson", uid: str = "s") -> Obj:
    content = servers if kind == "dockercfg" else {"auths": servers}
    data = base64.b64encode(json.dumps(content).encode()).decode()
    return {"metadata": {"uid": uid}, "type": f"kubernetes.io/{kind}", "data": {f".{kind}": data}}


def user(name: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{name}:word".encode()).decode()}


def names(secrets: Iterable[Obj], image: str) -> list[str]:
    return [each.username for each in logins(secrets, image)]


# Names and logins


def test_the_pull_policy_follows_the_tag() -> None:
    assert default_policy("nginx") == "Always"
    assert default_policy("host:5000/nginx:latest") == "Always"
    assert default_policy("host:5000/nginx:1.2") == "IfNotPresent"
    assert default_policy("nginx@sha256:abc") == "IfNotPresent"


@pytest.mark.parametrize(
    ("server", "image", "fits"),
    [
        ("https://reg.example.com/v1/", "reg.example.com/a:1", True),
        ("reg.example.com", "reg.example.com/a:1", True),
        ("reg.example.com", "reg.example.com:5000/a:1", False),
        ("*.example.com", "reg.example.com/a", True),
        ("*.com", "reg.example.com/a", False),
        ("reg.example.com/team", "reg.example.com/team/a", True),
        ("reg.example.com/team", "reg.example.com/other/a", False),
        ("https://index.docker.io/v1/", "busybox", True),
        ("https://index.docker.io/v1/", "docker.io/library/busybox", True),
        ("https://index.docker.io/v1/", "reg.example.com/busybox", False),
    ],
)
def test_a_login_fits_its_registry(server: str, image: str, fits: bool) -> None:
    for kind in ("dockerconfigjson", "dockercfg"):
        assert names([secret({server: user("me")}, kind)], image) == (["me"] if fits else [])


def test_the_login_for_the_longest_path_comes_first() -> None:
    several = secret({"reg.io": user("all"), "reg.io/team": user("team"), "reg.io/team/web": user("web")})
    assert names([several], "reg.io/team/web:1") == ["web", "team", "all"]
    assert names([secret({"reg.io": user("one")}), secret({"reg.io": user("two")})], "reg.io/a") == ["one", "two"]


def test_a_broken_secret_has_no_login() -> None:
    broken = {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "bm8="}}
    assert logins([broken, {"data": {}}, secret([]), secret({"reg.io": {"auth": "?"}})], "reg.io/a") == []


def test_an_image_is_named_as_its_registry_knows_it() -> None:
    image = Image("sha256:1", ("web:1",), 1, digests=("other@sha256:a", "reg:5000/web@sha256:b"))
    assert image_ref(image, "reg:5000/web:2") == "reg:5000/web@sha256:b"
    assert image_ref(image, "web:1") == "other@sha256:a"
    assert image_ref(Image("sha256:1", (), 1), "web") == "sha256:1"
    assert repository_of("reg:5000/team/web:1@sha256:a") == "reg:5000/team/web"


# What is recorded of pulls


def test_what_was_pulled_outlives_the_agent(tmp_path: Path) -> None:
    mine, theirs = Image("sha256:1", ("web:1",), 1), Image("sha256:2", ("db:1",), 1)
    record = PulledImages(tmp_path / "pulled")
    record.pulled("web:1", mine, [theirs], None, 0)
    record.pulled("db:1", theirs, [mine, theirs], None, 0)
    again = PulledImages(tmp_path / "pulled")
    assert (again.is_ours(mine), again.is_ours(theirs)) == (True, False)
    again.keep([])
    assert not PulledImages(tmp_path / "pulled").is_ours(mine)


def test_an_image_to_which_somebody_gave_a_name_is_theirs() -> None:
    record, image = PulledImages(None), Image("sha256:1", ("web:1",), 1)
    record.pulled("web:1", image, [], None, 0)
    tagged = Image("sha256:1", ("web:1", "mine:1"), 1)
    assert not record.is_ours(tagged)
    record.pulled("web:1", tagged, [tagged], None, 0)
    assert not record.is_ours(tagged)


def test_a_record_that_cannot_be_read_makes_no_image_ours(tmp_path: Path) -> None:
    for content in ("", "[]", '{"sha256:1": {}}'):
        (tmp_path / "pulled").write_text(content)
        assert not PulledImages(tmp_path / "pulled").is_ours(Image("sha256:1", (), 1))


def test_what_a_login_brought_is_for_those_who_have_it() -> None:
    record, image = PulledImages(None), Image("sha256:1", ("reg:5000/web:1",), 1)
    assert record.may_use("reg:5000/web:1", image, [])
    record.pulled("reg:5000/web:1", image, [], LOGIN, 0)
    assert not record.may_use("reg:5000/web:1", image, [])
    assert not record.may_use("reg:5000/web:1", image, [OTHER])
    assert record.may_use("reg:5000/web:2", image, [LOGIN])
    # The same secret with a new password.
    assert record.may_use("reg:5000/web:1", image, [Login("me", "new", "reg:5000", LOGIN.secret)])
    # A name that a developer gave it is for all; the login's is as before.
    tagged = Image("sha256:1", ("reg:5000/web:1", "mine:1"), 1)
    assert record.may_use("mine:1", tagged, [])
    assert not record.may_use("other:1", tagged, [])
    assert not record.may_use("reg:5000/web:1", tagged, [])
    record.pulled("reg:5000/web:1", image, [image], None, 0)
    assert record.may_use("reg:5000/web:1", image, [])


# Pulling


class Registry:
    """A runtime whose registry has one image, for those who know the password."""

    def __init__(self) -> None:
        self.here: list[Image] = []
        self.asked: list[str] = []
        self.password = "word"

    async def image(self, name: str) -> Image | None:
        if " " in name:
            raise ImageFailure(f'Failed to apply default image tag "{name}": no', "InvalidImageName")
        return next((each for each in self.here if name in each.names), None)

    async def images(self) -> list[Image]:
        return list(self.here)

    async def pull(self, name: str, auth: dict[str, str] | None = None) -> Image:
        self.asked.append((auth or {}).get("username", ""))
        if auth is None or auth["password"] != self.password:
            raise ImageFailure(f'failed to pull image "{name}": unauthorized', "ErrImagePull")
        image = Image("sha256:1", (name,), 1)
        self.here = [image]
        return image


class Secrets:
    def __init__(self, found: dict[str, Obj]) -> None:
        self.found, self.away = found, False

    async def secret(self, namespace: str, name: str) -> Obj | None:
        if self.away:
            raise NotFound("the API server is away")
        return self.found.get(name)


class Puller:
    def __init__(self, **found: Obj) -> None:
        self.registry, self.events = Registry(), list[str]()
        self.secrets = Secrets(found)
        self.images = Images(self.registry, self.secrets, PulledImages(None), LoopClock(), SLOTS)  # type: ignore[arg-type]

    async def ensure(self, policy: str, *secrets: str, uid: str = "p") -> Image:
        spec = {"imagePullSecrets": [{"name": each} for each in secrets]}
        pod = {"metadata": {"namespace": "n", "name": "p", "uid": uid}, "spec": spec}
        return await self.images.ensure(pod, "reg.io/web:1", policy, self._emit)

    async def refused(self, policy: str, *secrets: str, uid: str = "p") -> str:
        with pytest.raises(ImageUnavailable) as refused:
            await self.ensure(policy, *secrets, uid=uid)
        return refused.value.reason

    def _emit(self, type: str, reason: str, message: str) -> None:
        self.events.append(f"{type} {reason} {message}")


GOOD, BAD = secret({"reg.io": user("good")}), secret({"reg.io": {"username": "bad", "password": "no"}}, uid="b")


@pytest.mark.looptime
async def test_each_login_is_tried_in_turn() -> None:
    puller = Puller(good=GOOD, bad=BAD)
    await puller.ensure("IfNotPresent", "bad", "missing", "good")
    assert puller.registry.asked == ["bad", "good"]
    text = "Unable to retrieve some image pull secrets (missing); attempting to pull the image may not succeed."
    assert f"Warning FailedToRetrieveImagePullSecret {text}" in puller.events


@pytest.mark.looptime
async def test_a_pod_without_the_login_does_not_get_what_another_pulled() -> None:
    puller = Puller(good=GOOD, bad=BAD)
    await puller.ensure("IfNotPresent", "good")
    await puller.ensure("IfNotPresent", "good", uid="same")
    await puller.ensure("Never", "good")
    assert puller.registry.asked == ["good"]
    assert await puller.refused("Never", uid="none") == "ErrImageNeverPull"
    text = "is present with pull policy of Never but does not have the proper credentials to access the image"
    assert puller.events[-1] == f'Warning ErrImageNeverPull Container image "reg.io/web:1" {text}'
    assert await puller.refused("IfNotPresent", "bad", uid="other") == "ErrImagePull"
    assert puller.registry.asked == ["good", "bad"]
    assert await puller.refused("IfNotPresent", "bad", uid="other") == "ImagePullBackOff"
    assert puller.events[-1] == 'Normal BackOff Back-off pulling image "reg.io/web:1"'


@pytest.mark.looptime
async def test_a_pod_that_had_the_image_needs_no_secret_to_start_again() -> None:
    secrets = {"good": GOOD}
    puller = Puller(**secrets)
    await puller.ensure("IfNotPresent", "good")
    puller.secrets.away = True
    await puller.ensure("IfNotPresent", "good")
    puller.images.forget("p")
    with pytest.raises(NotFound):
        await puller.ensure("IfNotPresent", "good")


@pytest.mark.looptime
async def test_no_more_pulls_run_at_once_than_the_node_has_slots_for() -> None:
    puller, running = Puller(), list[int]()
    most = 0

    async def pull(name: str, auth: dict[str, str] | None = None) -> Image:
        nonlocal most
        running.append(1)
        most = max(most, len(running))
        await asyncio.sleep(1)
        running.pop()
        return Image(name, (name,), 1)

    puller.registry.pull = pull  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            tasks.create_task(puller.ensure("Always", uid=str(number)))
    assert (most, running) == (SLOTS, [])
    told = [each.rpartition(" in ")[2] for each in puller.events if "Successfully" in each]
    assert told[-1] == "1s (3s including waiting). Image size: 1 bytes."


@pytest.mark.looptime
async def test_a_pull_that_is_cut_short_gives_its_slot_back() -> None:
    puller = Puller()

    async def pull(name: str, auth: dict[str, str] | None = None) -> Image:
        await asyncio.sleep(3600)
        return Image(name, (name,), 1)

    puller.registry.pull = pull  # type: ignore[method-assign]
    for _ in range(SLOTS + 1):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await puller.ensure("Always")
    assert [each.split()[1] for each in puller.events] == ["Pulling"] * (SLOTS + 1)
    del puller.registry.pull  # type: ignore[method-assign]
    assert await puller.refused("Always") == "ErrImagePull"


@pytest.mark.looptime
async def test_a_name_that_is_none_is_told_once_and_never_pulled() -> None:
    puller = Puller()
    pod = {"metadata": {"namespace": "n", "name": "p", "uid": "p"}, "spec": {}}
    with pytest.raises(ImageUnavailable) as refused:
        await puller.images.ensure(pod, "a b", "Always", puller._emit)
    assert refused.value.reason == "InvalidImageName"
    assert puller.events == ['Warning InspectFailed Failed to apply default image tag "a b": no']
    assert puller.registry.asked == []


# Removing


class Engine:
    """A runtime with images on a disk of 1000 bytes."""

    def __init__(self, images: Iterable[Image], used: Iterable[str] = (), others: int = 0) -> None:
        self.here = {each.id: each for each in images}
        self.used, self.stubborn = frozenset(used), frozenset[str]()
        self.others = others
        self.removed: list[str] = []

    async def images(self) -> list[Image]:
        return list(self.here.values())

    async def images_in_use(self) -> frozenset[str]:
        return self.used

    async def image_folder(self) -> Path:
        return Path("/engine")

    async def remove_image(self, image_id: str) -> None:
        if image_id in self.stubborn:
            raise RuntimeFailure(f"{image_id} has children")
        del self.here[image_id]
        self.removed.append(image_id)

    def disk(self, folder: Path) -> Disk:
        return Disk(1000, 1000 - self.others - sum(each.size_bytes for each in self.here.values()))


class Collecting:
    def __init__(self, tmp_path: Path, engine: Engine, policy: ImageGcPolicy, pulled: Iterable[str] = ()) -> None:
        self.warnings: list[str] = []
        record, ours = PulledImages(None), set(pulled)
        self.record = record
        for each in engine.here.values():
            if each.id in ours:
                record.pulled(each.id, each, [], None, 0)
        unpacked = UnpackedImages(tmp_path, engine)  # type: ignore[arg-type]
        self.collector = ImageCollector(
            policy, engine, record, unpacked, self._warn, LoopClock(), "n", engine.disk  # type: ignore[arg-type]
        )  # fmt: skip

    def _warn(self, reason: str, message: str) -> None:
        self.warnings.append(f"{reason} {message}")


NOW = ImageGcPolicy(minimum_age=0)


def image(id: str, size: int = 100, **more: Any) -> Image:
    return Image(id, (f"{id}:1",), size, **more)


@pytest.mark.parametrize(("available", "amount"), [(1000, 0), (160, 0), (159, 41), (150, 50), (0, 200), (2000, 0)])
def test_the_disk_is_freed_from_the_high_threshold_to_the_low_one(available: int, amount: int) -> None:
    assert to_free(Disk(1000, available), ImageGcPolicy()) == amount
    assert to_free(Disk(1000, available), ImageGcPolicy(high_threshold=100)) == 0


@pytest.mark.looptime
async def test_images_of_others_stay_and_the_event_says_that_it_was_not_enough(tmp_path: Path) -> None:
    engine = Engine([image("theirs"), image("ours"), image("used"), image("pause", pinned=True)], ["used"], 590)
    found = Collecting(tmp_path, engine, NOW, ["ours", "used", "pause"])
    with pytest.raises(CollectionFailure):
        await found.collector.collect()
    assert engine.removed == ["ours"]
    text = "Failed to garbage collect required amount of images. Attempted to free 190 bytes, "
    assert found.warnings == [f"FreeDiskSpaceFailed {text}but only found 100 bytes eligible to free."]


@pytest.mark.looptime
async def test_a_setting_gives_all_unused_images_to_the_node(tmp_path: Path) -> None:
    engine = Engine([image("theirs"), image("pause", pinned=True)], others=700)
    await Collecting(tmp_path, engine, ImageGcPolicy(minimum_age=0, all_images=True)).collector.collect()
    assert engine.removed == ["theirs"]


@pytest.mark.looptime
async def test_an_image_that_cannot_be_removed_does_not_save_the_next(tmp_path: Path) -> None:
    engine = Engine([image("a"), image("b"), image("c")], others=600)
    engine.stubborn = frozenset("a")
    await Collecting(tmp_path, engine, NOW, "abc").collector.collect()
    assert engine.removed == ["b"]
    engine.stubborn, engine.others = frozenset("ac"), 800
    with pytest.raises(CollectionFailure, match=r"wanted to free 200 bytes, but freed 0 bytes .*a has children; c has"):
        await Collecting(tmp_path, engine, NOW, "ac").collector.collect()


@pytest.mark.looptime
async def test_young_images_stay_and_old_ones_go_in_any_case(tmp_path: Path) -> None:

    policy = ImageGcPolicy(minimum_age=120, maximum_age=3600, period=60)
    engine = Engine([image("old"), image("used")], ["used"])
    found = Collecting(tmp_path, engine, policy, ["old", "used", "new"])
    found.collector.start()
    await asyncio.sleep(3500)
    assert engine.removed == []
    await asyncio.sleep(200)
    assert engine.removed == ["old"]
    engine.used, engine.others = frozenset(), 900
    await asyncio.sleep(90)
    # Used a moment ago, but here for longer than two minutes, and the disk is full.
    assert engine.removed == ["old", "used"]
    await found.collector.stop()


@pytest.mark.looptime
async def test_the_age_of_an_image_counts_from_its_pull(tmp_path: Path) -> None:
    engine = Engine([image("old"), image("new")], others=900)
    found = Collecting(tmp_path, engine, ImageGcPolicy(minimum_age=120))
    now = LoopClock().now()
    found.record.pulled("old:1", engine.here["old"], [], None, now - 121)
    found.record.pulled("new:1", engine.here["new"], [], None, now - 119)
    await found.collector.remove_unused()
    assert engine.removed == ["old"]


@pytest.mark.looptime
async def test_the_second_failure_in_a_row_is_an_event(tmp_path: Path) -> None:

    found = Collecting(tmp_path, Engine([], others=1000), ImageGcPolicy(period=60))
    found.collector.start()
    await asyncio.sleep(70)
    assert [each.split()[0] for each in found.warnings] == ["FreeDiskSpaceFailed"]
    await asyncio.sleep(60)
    assert [each.split()[0] for each in found.warnings] == ["FreeDiskSpaceFailed"] * 2 + ["ImageGCFailed"]
    await found.collector.stop()


@pytest.mark.looptime
async def test_a_disk_so_full_that_nothing_can_be_written_is_freed(tmp_path: Path) -> None:
    engine = Engine([image("a"), image("gone")], others=900)
    found = Collecting(tmp_path, engine, NOW, ["a", "gone"])
    del engine.here["gone"]

    def refuse() -> None:
        raise OSError("No space left on device")

    found.record._write = refuse  # type: ignore[method-assign]
    with pytest.raises(CollectionFailure, match="Failed to garbage collect required amount"):
        await found.collector.collect()
    assert engine.removed == ["a"]


@given(
    sizes=st.lists(st.integers(1, 200), max_size=8),
    used=st.sets(st.integers(0, 7)),
    ours=st.sets(st.integers(0, 7)),
    others=st.integers(0, 1000),
)
def test_no_image_goes_in_vain_and_none_that_may_not(
    sizes: list[int], used: set[int], ours: set[int], others: int
) -> None:

    async def check() -> None:
        images = [image(str(number), size) for number, size in enumerate(sizes)]
        engine = Engine(images, map(str, used), others)
        found = Collecting(Path("/nonexistent"), engine, NOW, map(str, ours))
        amount = to_free(engine.disk(Path("/")), NOW) if engine.disk(Path("/")).available >= 0 else 0
        if not amount:
            return
        may_go = [str(number) for number in range(len(sizes)) if number in ours - used]
        enough = sum(sizes[int(each)] for each in may_go) >= amount
        try:
            await found.collector.collect()
        except CollectionFailure:
            assert not enough
        assert engine.removed == may_go[: len(engine.removed)]
        freed = [sizes[int(each)] for each in engine.removed]
        assert sum(freed[:-1]) < amount
        assert sum(freed) >= amount or len(engine.removed) == len(may_go)

    asyncio.run(check())


# The files of images


def tar(*members: tuple[str, str]) -> tarfile.TarFile:
    """(name, content); a name that ends with / is a folder, content `-> X` a link, `=> X` a hard link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name.rstrip("/"))
            entry.mode = 0o755
            if name.endswith("/"):
                entry.type = tarfile.DIRTYPE
            elif content.startswith("-> "):
                entry.type, entry.linkname = tarfile.SYMTYPE, content[3:]
            elif content.startswith("=> "):
                entry.type, entry.linkname = tarfile.LNKTYPE, content[3:]
            else:
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()) if entry.isfile() else None)
    buffer.seek(0)
    return tarfile.open(fileobj=buffer)


OPAQUE = ("opt/.wh..wh..opq", "")


def files(root: Path) -> dict[str, str]:
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(root))] = f"-> {path.readlink()}"
        elif path.is_file():
            found[str(path.relative_to(root))] = path.read_text()
    return found


def test_layers_lie_over_each_other(tmp_path: Path) -> None:
    lower = tar(("etc/", ""), ("etc/a", "1"), ("etc/b", "1"), ("opt/", ""), ("opt/x", "1"), ("lib", "-> /usr/lib"))
    upper = tar(
        ("etc/.wh.a", ""), ("etc/b", "2"), ("opt/new", "2"), ("opt/.wh..wh..opq", ""), ("lib/", ""), ("lib/c", "2")
    )
    apply_layer(lower, tmp_path)
    assert files(tmp_path) == {"etc/a": "1", "etc/b": "1", "opt/x": "1", "lib": "-> /usr/lib"}
    apply_layer(upper, tmp_path)
    assert files(tmp_path) == {"etc/b": "2", "opt/new": "2", "lib/c": "2"}


@pytest.mark.parametrize(
    "members",
    [
        [("../out", "x")],
        [("a", "-> {outside}"), ("a/out", "x")],
        [("a", "=> ../../{outside}/secret")],
        [("d/", ""), ("d/up", "-> .."), ("d/up/../../out", "x")],
        [("a", "-> {outside}"), ("a/.wh.secret", "")],
        [("a", "-> {outside}"), ("a/.wh..wh..opq", "")],
        [("a", "=> {outside}/secret")],
        [("a", "-> {outside}/secret"), ("a", "x")],
        [("a", "-> {outside}/secret"), ("b", "=> a"), ("b", "x")],
        [("a", "-> b"), ("b", "-> a"), ("a/x", "x")],
        [("d/d", "x"), ("d/.wh...", "")],
        [(".wh...", "")],
        [("a\0", "x")],
    ],
)
def test_a_tar_does_not_reach_out_of_its_folder(tmp_path: Path, members: list[tuple[str, str]]) -> None:
    root, outside = tmp_path / "deep/root", tmp_path / "outside"
    root.mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text("mine")
    filled = [(name, content.replace("{outside}", str(outside))) for name, content in members]
    try:
        apply_layer(tar(*filled), root)
    except (LayerError, OSError):
        pass
    else:
        assert not any(path.is_file() and path.stat().st_nlink > 1 for path in root.rglob("*"))
    assert files(outside) == {"secret": "mine"}
    assert not (tmp_path / "deep/out").exists()


def test_what_a_layer_says_of_modes_holds_but_for_who_may_write(tmp_path: Path) -> None:
    archive = tar(("closed/", ""), ("closed/run", "x"), ("tty", ""))
    for member, mode in zip(archive.getmembers(), (0o555, 0o6777, 0o666), strict=True):
        member.mode, member.mtime = mode, 1_000_000
    archive.getmember("tty").type = tarfile.CHRTYPE
    apply_layer(archive, tmp_path)
    assert stat.S_IMODE((tmp_path / "closed").stat().st_mode) == 0o555
    assert stat.S_IMODE((tmp_path / "closed/run").stat().st_mode) == 0o755
    assert (tmp_path / "closed/run").stat().st_mtime == 1_000_000
    assert not (tmp_path / "tty").exists()


class Copies:
    """A runtime whose images have one file each."""

    async def unpack(self, image: Image, folder: Path) -> Path:
        target = folder / image.id.removeprefix("sha256:")
        target.mkdir(exist_ok=True)
        return target


async def test_the_files_of_an_image_go_with_the_last_pod_that_has_them(tmp_path: Path) -> None:
    def link(uid: str) -> Path:
        return tmp_path / "pods" / uid / "image-volumes" / "v"

    unpacked = UnpackedImages(tmp_path, Copies())  # type: ignore[arg-type]
    await unpacked.drop_unused()
    one, two = Image("sha256:1", (), 1), Image("sha256:2", (), 1)
    await unpacked.provide(one, link("a"))
    await unpacked.provide(one, link("b"))
    await unpacked.provide(two, link("c"))
    link("a").unlink()
    link("c").unlink()
    (tmp_path / "image-volumes/3.partial").mkdir()
    (tmp_path / "image-volumes/3.tar").touch()
    assert unpacked.in_use() == {"sha256:1"}
    await unpacked.drop_unused()
    assert [each.name for each in (tmp_path / "image-volumes").iterdir()] == ["1"]
    # Also what the runtime has unpacked elsewhere, as for containers, is in use and not touched.
    link("d").parent.mkdir(parents=True)
    link("d").symlink_to(tmp_path / "elsewhere/4")
    assert UnpackedImages(tmp_path, Copies()).in_use() == {"sha256:1", "sha256:4"}  # type: ignore[arg-type]
