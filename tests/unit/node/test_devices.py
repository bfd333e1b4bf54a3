"""Devices: who gets which, kubelet's refusals, what nvidia-smi says, and what runtimes are told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.aio.clock import LoopClock
from kube_actors.api import Obj
from kube_actors.node.devices import grants, nvidia
from kube_actors.node.devices.allocator import Allocator
from kube_actors.node.devices.manager import Devices
from kube_actors.node.devices.nvidia import RESOURCE
from kube_actors.node.runtime.docker import spec as docker
from kube_actors.node.runtime.docker.names import DEVICES, Identity, Owner
from kube_actors.node.runtime.interface import ContainerSpec, DeviceGrant, Image, SandboxSpec
from kube_actors.node.runtime.process import plan as process

GPUS = ("GPU-a", "GPU-b", "GPU-c", "GPU-d")


def container(name: str, gpus: int, **fields: Any) -> Obj:
    amounts = {RESOURCE: str(gpus)} if gpus else {}
    return {"name": name, "image": "i", "resources": {"requests": amounts, "limits": amounts}} | fields


def pod(uid: str, *containers: Obj, init: tuple[Obj, ...] = ()) -> Obj:
    metadata = {"name": uid, "namespace": "default", "uid": uid}
    return {"metadata": metadata, "spec": {"containers": list(containers), "initContainers": list(init)}}


def devices(*ids: str) -> Allocator:
    allocator = Allocator()
    allocator.set_present(RESOURCE, ids)
    return allocator


def ids(allocator: Allocator, uid: str, name: str) -> tuple[str, ...]:
    return next(each.ids for each in allocator.of_container(uid, name))


def test_containers_get_devices_of_their_own_in_order() -> None:
    allocator = devices(*GPUS)
    assert allocator.allocate(pod("p", container("one", 1), container("two", 2), container("none", 0))) is None
    assert ids(allocator, "p", "one") == ("GPU-a",)
    assert ids(allocator, "p", "two") == ("GPU-b", "GPU-c")
    assert ids(allocator, "p", "none") == ()


def test_too_few_devices_refuse_the_whole_pod_in_kubelets_words() -> None:
    allocator = devices("GPU-a", "GPU-b")
    failure = allocator.allocate(pod("p", container("one", 1), container("two", 2)))
    assert failure is not None
    assert failure.reason == "UnexpectedAdmissionError"
    assert failure.message == (
        "Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. "
        "Requested: 2, Available: 1, which is unexpected"
    )
    assert allocator.grants("p") == ()
    assert allocator.allocate(pod("q", container("c", 2))) is None


def test_devices_that_are_gone_lower_what_is_allocatable_and_stay_with_who_has_them() -> None:
    allocator = devices("GPU-a", "GPU-b")
    allocator.allocate(pod("p", container("c", 1)))
    assert allocator.set_present(RESOURCE, ("GPU-b",))
    assert not allocator.set_present(RESOURCE, ("GPU-b",))
    assert (allocator.capacity[RESOURCE], allocator.allocatable[RESOURCE]) == ("2", "1")
    assert ids(allocator, "p", "c") == ("GPU-a",)
    allocator.set_present(RESOURCE, ())
    failure = allocator.allocate(pod("q", container("c", 1)))
    assert failure is not None
    assert "no healthy devices present" in failure.message


def test_a_node_that_never_had_devices_has_no_such_resource() -> None:
    allocator = devices()
    assert allocator.capacity == {}
    assert allocator.allocate(pod("p", container("c", 1))) is None
    assert allocator.of_container("p", "c") == ()


def test_the_devices_of_init_containers_are_used_again_but_those_of_sidecars_are_not() -> None:
    allocator = devices(*GPUS)
    first, sidecar = container("first", 2), container("side", 1, restartPolicy="Always")
    assert allocator.allocate(pod("p", container("c", 3), init=(first, sidecar))) is None
    side = ids(allocator, "p", "side")
    assert side == ("GPU-a",), "it takes over what the first one had"
    assert set(ids(allocator, "p", "c")) == {"GPU-b", "GPU-c", "GPU-d"}


def test_a_restarted_agent_gives_nothing_away_that_is_in_use() -> None:
    before = devices(*GPUS)
    before.allocate(pod("p", container("c", 2)))
    after = devices(*GPUS)
    after.restore("p", grants.decode(grants.encode(before.grants("p"))))
    assert after.allocate(pod("p", container("c", 2))) is None
    assert ids(after, "p", "c") == ids(before, "p", "c")
    after.allocate(pod("q", container("c", 2)))
    assert not set(ids(after, "q", "c")) & set(ids(after, "p", "c"))
    assert grants.decode("broken") == grants.decode('[["c"]]') == ()


NAMES = st.sampled_from(["p", "q", "r", "s"])
STEPS = st.one_of(
    st.tuples(st.just("add"), NAMES, st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["init", "side", "main"])))),
    st.tuples(st.just("end"), NAMES, st.just([])),
    st.tuples(st.just("lose"), st.just(""), st.lists(st.sampled_from(GPUS), unique=True)),
)


@given(st.lists(STEPS, max_size=30))
def test_no_device_is_ever_had_by_two_containers_that_run_at_once(steps: list[Any]) -> None:
    allocator, present, asked = devices(*GPUS), set(GPUS), dict[str, Obj]()
    for kind, uid, detail in steps:
        if kind == "lose":
            present = set(GPUS) - set(detail)
            allocator.set_present(RESOURCE, [each for each in GPUS if each in present])
        elif kind == "end":
            allocator.release(uid)
            asked.pop(uid, None)
        elif uid not in asked:
            made = [(role, container(f"c{n}", gpus)) for n, (gpus, role) in enumerate(detail)]
            init = tuple(
                c | ({"restartPolicy": "Always"} if role == "side" else {}) for role, c in made if role != "main"
            )
            wanted = pod(uid, *(c for role, c in made if role == "main"), init=init)
            had = {each for known in asked for grant in allocator.grants(known) for each in grant.ids}
            if allocator.allocate(wanted) is None:
                asked[uid] = wanted
                assert {each for grant in allocator.grants(uid) for each in grant.ids} <= present - had
            else:
                assert allocator.grants(uid) == ()
        holders: dict[str, list[str]] = {}
        for known, it in asked.items():
            init_names = {c["name"] for c in it["spec"]["initContainers"] if "restartPolicy" not in c}
            for c in [*it["spec"]["initContainers"], *it["spec"]["containers"]]:
                mine = ids(allocator, known, c["name"])
                assert len(mine) == len(set(mine)) == int(c["resources"]["limits"].get(RESOURCE, 0))
                for each in mine if c["name"] not in init_names else ():
                    holders.setdefault(each, []).append(f"{known}/{c['name']}")
        assert all(len(names) == 1 for names in holders.values()), holders


def test_nvidia_smi_is_read_line_by_line() -> None:
    text = "1, GPU-b, NVIDIA A100-SXM4-80GB, 81920 MiB\n0, GPU-a, Tesla T4, 15360 MiB\nwarning: infoROM is corrupted\n"
    found = nvidia.parse(text)
    assert [(gpu.index, gpu.uuid, gpu.memory) for gpu in found] == [(0, "GPU-a", 15360), (1, "GPU-b", 81920)]
    assert nvidia.labels(found) == {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.count": "2",
        "nvidia.com/gpu.product": "Tesla-T4",
        "nvidia.com/gpu.memory": "15360",
    }
    assert nvidia.parse("No devices were found\n") == []
    assert nvidia.labels([]) == {}


def test_docker_is_asked_for_exactly_those_gpus_and_its_sandbox_remembers_them() -> None:
    owner, granted = Owner("c", "n"), DeviceGrant("c", RESOURCE, ("GPU-a", "GPU-b"))
    identity = Identity(False, "p", "default", "uid", "c", 0, "sandbox")
    made = docker.container_config(ContainerSpec("c", "i", devices=(granted,)), identity, owner, docker.SandboxModes())
    request = {"Driver": "nvidia", "DeviceIDs": ["GPU-a", "GPU-b"], "Capabilities": [["gpu"]]}
    assert made["HostConfig"]["DeviceRequests"] == [request]
    none = ContainerSpec("c", "i", devices=(DeviceGrant("c", RESOURCE),))
    assert "DeviceRequests" not in docker.container_config(none, identity, owner, docker.SandboxModes())["HostConfig"]
    sandbox = docker.sandbox_config(SandboxSpec("default", "p", "uid", "p", devices=(granted,)), owner, "pause", "net")
    assert grants.decode(sandbox["Labels"][DEVICES]) == (granted,)


def test_processes_see_their_own_gpus_and_those_without_a_request_none() -> None:
    def variables(*devices: DeviceGrant) -> dict[str, str]:
        made = process.container_content(
            ContainerSpec("c", "i", command=("true",), devices=devices),
            {"hostname": "p"},
            Image("host", ("i",), 0),
            image_root="",
            mode="root",
            python="python3",
            environ={},
            mounts_root="",
            resolv_conf="",
            now=0.0,
        )
        return {name: text for name, text in made["env"].items() if "VISIBLE" in name}

    mine = variables(DeviceGrant("c", RESOURCE, ("GPU-a", "GPU-b")))
    assert mine == {"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b", "NVIDIA_VISIBLE_DEVICES": "GPU-a,GPU-b"}
    assert variables(DeviceGrant("c", RESOURCE)) == {"CUDA_VISIBLE_DEVICES": "", "NVIDIA_VISIBLE_DEVICES": ""}
    assert variables() == {}


@pytest.mark.looptime
async def test_devices_are_looked_for_every_minute_and_a_change_is_told() -> None:
    found, told = [[nvidia.Gpu(0, "GPU-a", "T4", 1)], [], [nvidia.Gpu(0, "GPU-a", "T4", 1)]], []
    clock = LoopClock()

    async def read() -> list[nvidia.Gpu]:
        return found.pop(0) if len(found) > 1 else found[0]

    devices = Devices(clock, lambda: told.append(dict(devices.allocatable)), "n", read)
    await devices.start()
    assert devices.allocatable == {RESOURCE: "1"}
    assert devices.labels["nvidia.com/gpu.count"] == "1"
    await clock.sleep(61)
    assert told == [{RESOURCE: "0"}]
    assert devices.capacity == {RESOURCE: "1"}
    assert devices.labels["nvidia.com/gpu.count"] is None
    await clock.sleep(120)
    assert told == [{RESOURCE: "0"}, {RESOURCE: "1"}]
    await devices.stop()
