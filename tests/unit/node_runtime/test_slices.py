"""Control groups as slices of systemd: their names and properties, and what is said on a bus that is none."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from dbus_fast import Message, MessageType
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from kube_actors.node.runtime.cgroups import bus, systemd, values
from kube_actors.node.runtime.cgroups.groups import Cgroups
from kube_actors.node.runtime.interface import Limits

MI = 1 << 20
DOMAIN = "default-node-1-0a1b2c3d"
NODE = "kube_actors_default_node_1_0a1b2c3d"
PODS = PurePosixPath("kube-actors", DOMAIN, "kubepods")
NONE = (1 << 64) - 1


def test_slices_are_named_as_those_of_a_kubelet() -> None:
    pod = PODS / "burstable/pod5d3a-11"
    assert values.slice_of(pod) == f"{NODE}-kubepods-burstable-pod5d3a_11.slice"
    assert values.slice_of(PODS) == f"{NODE}-kubepods.slice"
    assert values.slice_folder(pod) == PurePosixPath(
        f"{NODE}.slice", f"{NODE}-kubepods.slice", f"{NODE}-kubepods-burstable.slice", values.slice_of(pod)
    )


@given(st.text("abc-_.0", min_size=1))
def test_a_uid_is_told_by_its_slice(uid: str) -> None:
    for qos_class in values.QOS_CLASSES:
        slice = values.slice_of(values.class_path(DOMAIN, qos_class) / values.pod_name(uid))
        assert values.name_of_slice(slice) == f"pod{uid}"


def test_the_longest_names_make_a_slice() -> None:
    domain = values.domain_of("c" * 63, "n" * 253, "/var/lib/docker")
    pod = values.class_path(domain, "BestEffort") / values.pod_name("0" * 36)
    assert len(values.slice_of(pod)) <= 255


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        (Limits(), (1, NONE, NONE, NONE)),
        (Limits(1024, 50_000, MI), (39, 500_000, MI, 0)),
        # Hundredths of a core, and no less than was asked for.
        (Limits(2, 12_345), (1, 130_000, NONE, NONE)),
        (Limits(2, 1_000), (1, 10_000, NONE, NONE)),
    ],
)
def test_limits_as_properties(limits: Limits, wanted: tuple[int, ...]) -> None:
    names = ("CPUWeight", "CPUQuotaPerSecUSec", "MemoryMax", "MemorySwapMax")
    assert values.slice_limits(limits) == dict(zip(names, wanted, strict=True)) | {"CPUQuotaPeriodUSec": 100_000}


class Machine:
    """A bus with a systemd on it that makes folders of slices, and knows when it was asked for what cannot be."""

    def __init__(self, mount: Path) -> None:
        self.mount = mount
        self.said: list[tuple[str, str]] = []
        self.properties: dict[str, dict[str, Any]] = {}
        self.result = "done"
        self.refusal: tuple[str, str] | None = None
        self._handlers: list[Callable[[Message], Any]] = []

    def add_message_handler(self, handler: Callable[[Message], Any]) -> None:
        self._handlers.append(handler)

    async def call(self, message: Message) -> Message:
        message.serial = 1
        await asyncio.sleep(0)
        if message.member == "AddMatch":
            return Message.new_method_return(message)
        assert (message.destination, message.interface) == (bus.SYSTEMD, bus.MANAGER)
        unit = message.body[0]
        self.said.append((str(message.member), unit))
        if self.refusal:
            return Message.new_error(message, *self.refusal)
        known = unit in self.properties
        if message.member == "StartTransientUnit":
            if known:
                return Message.new_error(message, f"{bus.SYSTEMD}.UnitExists", f"Unit {unit} exists.")
            self.properties[unit] = {name: value.value for name, value in message.body[2]}
            self.folder(unit).mkdir(parents=True)
        elif not known:
            return Message.new_error(message, f"{bus.SYSTEMD}.NoSuchUnit", f"Unit {unit} not loaded.")
        elif message.member == "SetUnitProperties":
            assert message.body[1] is True
            self.properties[unit] |= {name: value.value for name, value in message.body[2]}
        elif message.member == "StopUnit":
            # Those in it would be stopped too.
            assert not list(self.folder(unit).glob("*.slice"))
            shutil.rmtree(self.folder(unit))
        elif message.member == "ResetFailedUnit":
            del self.properties[unit]
            return Message.new_method_return(message)
        if message.member in ("StartTransientUnit", "StopUnit"):
            # Before the answer, so that nobody can be late for it.
            self._tell(3, "another.service", "failed")
            self._tell(4, unit, self.result)
        return Message.new_method_return(message)

    def _tell(self, job: int, unit: str, result: str) -> None:
        body = [job, f"/org/freedesktop/systemd1/job/{job}", unit, result]
        told = Message.new_signal("/org/freedesktop/systemd1", bus.MANAGER, "JobRemoved", "uoss", body)
        assert told.message_type is MessageType.SIGNAL
        for handler in self._handlers:
            handler(told)

    def folder(self, unit: str) -> Path:
        parts = unit.removesuffix(".slice").split("-")
        return self.mount.joinpath(*("-".join(parts[: end + 1]) + ".slice" for end in range(len(parts))))

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[bus.Manager]:
        manager = bus.Manager(self)
        await manager.open()
        yield manager


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def groups_on(machine: Machine) -> Cgroups:
    return Cgroups(DOMAIN, systemd.Slices(machine.mount, machine.connect))


async def test_pods_of_each_class_have_slices_with_what_they_have_together(machine: Machine) -> None:
    found = groups_on(machine)
    await found.create_pod("b-1", "Burstable", Limits(409, 0, 0))
    await found.create_pod("b-2", "Burstable", Limits(205, 20_000, MI))
    await found.create_pod("c-1", "BestEffort", Limits())
    name = await found.create_pod("a-1", "Guaranteed", Limits(1024, 100_000, MI))
    assert name == f"{NODE}-kubepods-poda_1.slice"
    assert found.pods() == {"a-1", "b-1", "b-2", "c-1"}
    assert machine.properties[name] == {
        "Description": f"pods of kube-actors: {PODS}/poda-1", "DefaultDependencies": False,
        "Wants": [f"{NODE}-kubepods.slice"], "CPUAccounting": True, "MemoryAccounting": True, "TasksAccounting": True,
        "CPUWeight": 39, "CPUQuotaPerSecUSec": 1_000_000, "CPUQuotaPeriodUSec": 100_000, "MemoryMax": MI,
        "MemorySwapMax": 0,
    }  # fmt: skip
    assert machine.properties[f"{NODE}.slice"]["Wants"] == []
    assert machine.properties[f"{NODE}-kubepods-burstable.slice"]["CPUWeight"] == values.weight_of(614)
    assert machine.properties[f"{NODE}-kubepods-besteffort.slice"]["CPUWeight"] == 1


async def test_what_there_is_gets_other_limits_and_what_there_is_not_is_left_alone(machine: Machine) -> None:
    found = groups_on(machine)
    name = await found.create_pod("b", "Burstable", Limits(409, 0, MI))
    await found.update_pod("b", Limits(205, 20_000, 2 * MI))
    assert {key: machine.properties[name][key] for key in ("CPUWeight", "MemoryMax", "CPUQuotaPerSecUSec")} == {
        "CPUWeight": values.weight_of(205), "MemoryMax": 2 * MI, "CPUQuotaPerSecUSec": 200_000,
    }  # fmt: skip
    assert machine.properties[f"{NODE}-kubepods-burstable.slice"]["CPUWeight"] == values.weight_of(205)
    # A sandbox that is made anew.
    await found.create_pod("b", "Burstable", Limits(2))
    assert machine.properties[name]["MemoryMax"] == NONE
    said = len(machine.said)
    await found.update_pod("stranger", Limits())
    await found.remove_pod("stranger")
    assert len(machine.said) == said


async def test_slices_go_with_the_last_pod_and_the_next_agent_knows_what_is_left(machine: Machine) -> None:
    found = groups_on(machine)
    for uid, qos_class in (("a_1", "Guaranteed"), ("b-1", "Burstable"), ("b-2", "Burstable")):
        folder = machine.folder(await found.create_pod(uid, qos_class, Limits(1024)))
        (folder / "docker-1.scope").mkdir()
        (folder / "cpu.weight").write_text("39")
    (folder / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    successor = groups_on(machine)
    await successor.create_pod("b-3", "Burstable", Limits(1024))
    shares = 2 * values.shares_of_weight(39) + 1024
    assert machine.properties[f"{NODE}-kubepods-burstable.slice"]["CPUWeight"] == values.weight_of(shares)
    await successor.sweep({"a_1"})
    assert successor.pods() == {"a_1", "b-2"}, "something runs in one of them"
    (folder / "cgroup.events").write_text("populated 0\nfrozen 0\n")
    await successor.sweep({"a_1"})
    assert set(machine.properties) == {
        f"{NODE}.slice", f"{NODE}-kubepods.slice", f"{NODE}-kubepods-poda\\x5f1.slice"
    }  # fmt: skip
    assert successor.is_inhabited("a_1")
    await successor.sweep(())
    assert machine.properties == {}
    assert list(machine.mount.iterdir()) == []


async def test_a_systemd_that_refuses_or_fails_is_an_error_of_the_pod_and_holds_up_no_removal(machine: Machine) -> None:
    found = groups_on(machine)
    await found.create_pod("a", "Burstable", Limits())
    machine.refusal = ("org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", "Access denied")
    with pytest.raises(OSError, match="systemd: Access denied"):
        await found.create_pod("b", "Burstable", Limits())
    with pytest.raises(OSError, match="systemd: Access denied"):
        await found.update_pod("a", Limits())
    with capture_logs() as logs:
        await found.remove_pod("a")
    assert [each["log_level"] for each in logs] == ["warning", "warning"]
    assert found.pods() == {"a"}
    machine.refusal, machine.result = None, "timeout"
    with pytest.raises(OSError, match=r"StartTransientUnit .*podb\.slice: timeout"):
        await found.create_pod("b", "Burstable", Limits())


async def test_no_bus_and_one_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    with pytest.raises(OSError):
        await systemd.detect(DOMAIN)
    monkeypatch.setattr(bus, "SECONDS", 0.05)
    ends: list[asyncio.StreamWriter] = []
    async with await asyncio.start_unix_server(lambda _, writer: ends.append(writer), tmp_path / "bus"):
        with pytest.raises(OSError, match="systemd: no answer"):
            await systemd.detect(DOMAIN)
        for each in ends:
            each.close()
