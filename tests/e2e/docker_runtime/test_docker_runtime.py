"""The Docker runtime against a real engine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kube_actors.api.errors import ConfigError
from kube_actors.node.runtime import select
from kube_actors.node.runtime.docker import DockerConfig, DockerRuntime, Engine
from kube_actors.node.runtime.docker.engine import EngineUnavailable
from kube_actors.node.runtime.docker.network import remove_network
from kube_actors.node.runtime.docker.python_image import ensure_image_from_python
from kube_actors.node.runtime.interface import (
    ContainerRecord,
    ContainerSpec,
    ContainerState,
    DeviceGrant,
    ExecSession,
    ImageFailure,
    Limits,
    LogOptions,
    Mount,
    NoSuchContainer,
    PodRecord,
    PortMapping,
    RuntimeFailure,
    SandboxSpec,
    Security,
)

if TYPE_CHECKING:
    from tests.e2e.lab import DockerLab

IMAGE = "kube-actors-test/busybox:1"
FOREVER = "while :; do sleep 0.05; done"


def config(lab: DockerLab, node: str = "n1", cluster: str = "test", subnet: str = "10.244.0.0/24") -> DockerConfig:
    return DockerConfig(cluster, node, f"kube-actors-{cluster}", subnet, lab.docker_host)


@pytest.fixture
async def runtime(docker_lab: DockerLab) -> AsyncIterator[DockerRuntime]:
    runtime = DockerRuntime(config(docker_lab))
    await runtime.start()
    try:
        yield runtime
        for pod in await runtime.list_pods():
            await runtime.remove_sandbox(pod.sandbox_id)
        assert await runtime.list_pods() == []
    finally:
        await runtime.stop()


@pytest.fixture
async def sandbox(runtime: DockerRuntime) -> PodRecord:
    return await runtime.run_sandbox(pod("uid-1", 7))


def pod(uid: str, last_byte: int, **fields: object) -> SandboxSpec:
    ip = f"10.244.0.{last_byte}" if last_byte else ""
    return SandboxSpec("default", "web", uid, "web-host", ip=ip, **fields)  # type: ignore[arg-type]


def sh(script: str, name: str = "app", **fields: object) -> ContainerSpec:
    return ContainerSpec(name, IMAGE, command=("sh", "-c", script), **fields)  # type: ignore[arg-type]


async def run(runtime: DockerRuntime, sandbox: PodRecord, spec: ContainerSpec) -> str:
    container = await runtime.create_container(sandbox.sandbox_id, spec)
    await runtime.start_container(container)
    return container


async def record(runtime: DockerRuntime, container: str) -> ContainerRecord:
    for found in await runtime.list_pods():
        for each in found.containers:
            if each.id == container:
                return each
    raise AssertionError(f"{container} is not listed")


async def eventually(check: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await check():
            await asyncio.sleep(0.02)


async def ended(runtime: DockerRuntime, container: str) -> ContainerRecord:
    async def has_ended() -> bool:
        return (await record(runtime, container)).state is ContainerState.EXITED

    await eventually(has_ended)
    return await record(runtime, container)


async def log(runtime: DockerRuntime, container: str, options: LogOptions | None = None) -> str:
    return b"".join([chunk async for chunk in runtime.logs(container, options or LogOptions())]).decode()


async def output_of(runtime: DockerRuntime, sandbox: PodRecord, spec: ContainerSpec) -> str:
    container = await run(runtime, sandbox, spec)
    await ended(runtime, container)
    return await log(runtime, container)


async def finish(session: ExecSession) -> tuple[bytes, bytes, int]:
    found = {1: b"", 2: b""}
    async with asyncio.timeout(20):
        async for stream, data in session.output():
            found[stream] += data
        code = await session.wait()
    await session.close()
    return found[1], found[2], code


async def test_a_pod_lives_from_its_sandbox_to_its_end(runtime: DockerRuntime, docker_lab: DockerLab) -> None:
    sandbox = await runtime.run_sandbox(pod("uid-1", 7, attempt=1))
    assert (sandbox.ip, sandbox.ready, sandbox.attempt) == ("10.244.0.7", True, 1)
    container = await run(runtime, sandbox, sh(f"trap 'exit 4' TERM; echo out; echo err >&2; {FOREVER}", spec_hash="h"))
    running = await record(runtime, container)
    assert (running.state, running.image, running.spec_hash) == (ContainerState.RUNNING, IMAGE, "h")
    assert container.startswith("docker://")

    async def has_begun() -> bool:
        return "out" in await log(runtime, container)

    await eventually(has_begun)
    await runtime.stop_container(container, 10)
    stopped = await record(runtime, container)
    assert (stopped.state, stopped.exit_code) == (ContainerState.EXITED, 4)
    assert stopped.created_at <= stopped.started_at <= stopped.finished_at
    assert set((await log(runtime, container)).split()) == {"out", "err"}
    names = docker_lab.docker("ps", "-a", "--format", "{{.Names}}").stdout.split()
    assert sorted(names) == ["k8s_POD_web_default_uid-1_1", "k8s_app_web_default_uid-1_0"]
    for _ in range(2):
        await runtime.stop_sandbox(sandbox.sandbox_id)
        await runtime.remove_sandbox(sandbox.sandbox_id)
        await runtime.remove_container(container)
    assert await runtime.pod("uid-1") is None
    assert docker_lab.docker("ps", "-aq").stdout == ""


async def test_containers_of_a_pod_share_network_hostname_and_memory(
    runtime: DockerRuntime, docker_lab: DockerLab
) -> None:
    sandbox = await runtime.run_sandbox(
        pod(
            "uid-1",
            7,
            dns_servers=("10.96.0.10",),
            dns_searches=("default.svc.cluster.local",),
            dns_options=("ndots:5",),
            host_aliases=(("1.2.3.4", ("one", "two")),),
            sysctls=(("net.ipv4.ip_unprivileged_port_start", "77"),),
        )
    )
    await run(
        runtime,
        sandbox,
        sh(f"echo shared > /dev/shm/file; echo page > /tmp/index.html; httpd -p 80 -h /tmp; {FOREVER}"),
    )
    script = (
        "hostname; hostname -i; cat /etc/resolv.conf; grep -c 1.2.3.4 /etc/hosts; cat /dev/shm/file;"
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; wget -qO- http://127.0.0.1/"
    )
    lines = (await output_of(runtime, sandbox, sh(script, name="other"))).splitlines()
    assert lines == [
        "web-host", "10.244.0.7", "search default.svc.cluster.local", "nameserver 10.96.0.10", "options ndots:5",
        "2", "shared", "77", "page",
    ]  # fmt: skip
    assert docker_lab.run("busybox", "wget", "-qO-", "http://10.244.0.7/").stdout == "page\n"


async def test_dockers_dns_server_is_in_no_pod_that_has_servers_of_its_own(runtime: DockerRuntime) -> None:
    listens = sh("grep -c 0B00007F /proc/net/udp; true")  # 127.0.0.11
    has_docker_s = await runtime.run_sandbox(pod("uid-1", 7))
    assert (await output_of(runtime, has_docker_s, listens)).strip() == "1"
    has_its_own = await runtime.run_sandbox(pod("uid-2", 8, dns_servers=("10.96.0.10",)))
    assert (await output_of(runtime, has_its_own, listens)).strip() == "0"


async def test_processes_are_shared_only_when_asked(runtime: DockerRuntime) -> None:
    alone = await runtime.run_sandbox(pod("uid-1", 7))
    assert (await output_of(runtime, alone, sh("cat /proc/1/comm; true"))).strip() == "sh"
    shared = await runtime.run_sandbox(pod("uid-2", 8, share_processes=True))
    assert (await output_of(runtime, shared, sh("cat /proc/1/comm; true"))).strip() == "pause"
    # Orphans go to the pause container, which leaves no zombies.
    zombies = "(sh -c 'sleep 0.1 & exit 0'); sleep 0.5; ps -o stat | grep -c Z"
    assert (await output_of(runtime, shared, sh(zombies, name="orphans"))).strip() == "0"


async def test_host_ports_reach_the_pod(runtime: DockerRuntime, docker_lab: DockerLab) -> None:
    ports = (PortMapping(80, 18080, "TCP", "127.0.0.1"),)
    sandbox = await runtime.run_sandbox(pod("uid-1", 7, ports=ports))
    await run(runtime, sandbox, sh(f"echo page > /tmp/index.html; httpd -p 80 -h /tmp; {FOREVER}"))

    async def answers() -> bool:
        done = docker_lab.run("busybox", "wget", "-qO-", "http://127.0.0.1:18080/", check=False)
        return done.stdout == "page\n"

    await eventually(answers)


async def test_the_host_network_is_the_engines(runtime: DockerRuntime, docker_lab: DockerLab) -> None:
    sandbox = await runtime.run_sandbox(pod("uid-1", 0, host_network=True))
    assert sandbox.ip == ""
    inside = (await output_of(runtime, sandbox, sh("ls /sys/class/net"))).split()
    assert set(inside) <= set(docker_lab.run("ls", "/sys/class/net").stdout.split()) | {"docker0"} | set(inside)
    assert any(name.startswith(("br-", "docker0")) for name in inside)


async def test_an_address_that_is_taken_fails_the_sandbox_and_leaves_nothing(
    runtime: DockerRuntime, sandbox: PodRecord
) -> None:
    with pytest.raises(RuntimeFailure, match=r"(?i)address already in use") as failure:
        await runtime.run_sandbox(pod("uid-2", 7))
    assert failure.value.reason == "CreatePodSandboxError"
    assert [each.uid for each in await runtime.list_pods()] == ["uid-1"]
    assert runtime._groups is not None
    assert runtime._groups.pods() == {"uid-1"}


async def test_what_is_cut_short_while_it_starts_is_there_for_who_ends_the_pod(runtime: DockerRuntime) -> None:
    async def cut_short(work: Coroutine[Any, Any, object]) -> None:
        start = asyncio.ensure_future(work)  # noqa: TID251
        await asyncio.sleep(0.05)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start

    await cut_short(runtime.run_sandbox(pod("uid-1", 7)))
    sandbox = await runtime.pod("uid-1")
    assert sandbox is not None
    assert sandbox.ready
    container = await runtime.create_container(sandbox.sandbox_id, sh("sleep 1000"))
    await cut_short(runtime.start_container(container))
    assert (await record(runtime, container)).state is ContainerState.RUNNING


async def test_environment_directory_user_limits_and_mounts(
    runtime: DockerRuntime, sandbox: PodRecord, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("value\n")
    tmp_path.chmod(0o755)
    spec = sh(
        "echo $A; pwd; id -u; id -g; cat /data/key; (touch /data/no || touch /no) 2>/dev/null || echo read-only;"
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max;"
        "grep NoNewPrivs /proc/self/status; grep CapEff /proc/self/status",
        env=(("A", "b c"),),
        working_dir="/tmp",
        mounts=(Mount(str(tmp_path), "/data", read_only=True),),
        limits=Limits(cpu_shares=256, cpu_quota_us=50_000, memory_bytes=64 << 20),
        security=Security(
            user=1000, group=2000, no_new_privileges=True, read_only_root=True, drop_capabilities=("ALL",)
        ),
    )
    assert (await output_of(runtime, sandbox, spec)).splitlines() == [
        "b c", "/tmp", "1000", "2000", "value", "read-only", str(64 << 20), "NoNewPrivs:\t1", "CapEff:\t" + "0" * 16,
    ]  # fmt: skip


async def test_control_groups_of_pods_outlive_the_agent_and_those_of_dead_pods_are_swept(
    runtime: DockerRuntime, sandbox: PodRecord
) -> None:
    await run(runtime, sandbox, sh(FOREVER))
    assert runtime._groups is not None
    await runtime._groups.create_pod("dead", "Burstable", Limits(100))
    successor = DockerRuntime(runtime._config)
    await successor.start()
    try:
        assert successor._groups is not None
        assert successor._groups.pods() == {"uid-1", "dead"}
        await successor.sweep({"uid-1"})
        assert successor._groups.pods() == {"uid-1"}
        assert successor._groups.is_inhabited("uid-1")
        await successor.stop_sandbox(sandbox.sandbox_id)
        assert successor._groups.pods() == set()
    finally:
        await successor.stop()


async def test_a_host_path_that_is_missing_becomes_a_directory(
    runtime: DockerRuntime, sandbox: PodRecord, tmp_path: Path
) -> None:
    spec = sh("touch /data/x", mounts=(Mount(str(tmp_path / "a/b"), "/data"),))
    await output_of(runtime, sandbox, spec)
    assert (tmp_path / "a/b/x").exists()


async def test_gpus_are_asked_for_by_id_and_remembered_by_the_sandbox(
    runtime: DockerRuntime, docker_lab: DockerLab
) -> None:
    """There is none here: what can be shown is what the engine was asked for, and that it says it has no driver."""
    granted = DeviceGrant("app", "nvidia.com/gpu", ("GPU-a", "GPU-b"))
    sandbox = await runtime.run_sandbox(pod("uid-1", 7, devices=(granted,)))
    assert sandbox.devices == (granted,)
    container = await runtime.create_container(sandbox.sandbox_id, sh("true", devices=(granted,)))
    docker_id = container.removeprefix("docker://")
    asked = json.loads(docker_lab.docker("inspect", docker_id, "-f", "{{json .HostConfig.DeviceRequests}}").stdout)
    assert [(each["Driver"], each["DeviceIDs"], each["Capabilities"]) for each in asked] == [
        ("nvidia", ["GPU-a", "GPU-b"], [["gpu"]])
    ]
    with pytest.raises(RuntimeFailure, match='could not select device driver "nvidia"'):
        await runtime.start_container(container)
    restarted = DockerRuntime(config(docker_lab))
    await restarted.start()
    found = await restarted.pod("uid-1")
    await restarted.stop()
    assert found is not None
    assert found.devices == (granted,)


async def test_a_command_that_does_not_exist(runtime: DockerRuntime, sandbox: PodRecord) -> None:
    container = await runtime.create_container(sandbox.sandbox_id, ContainerSpec("app", IMAGE, command=("/nope",)))
    with pytest.raises(RuntimeFailure, match="no such file") as failure:
        await runtime.start_container(container)
    assert failure.value.reason == "RunContainerError"
    found = await record(runtime, container)
    assert (found.state, found.exit_code) == (ContainerState.EXITED, 127)


async def test_a_container_that_takes_too_much_memory_was_oom_killed(
    runtime: DockerRuntime, sandbox: PodRecord
) -> None:
    spec = sh("x=a; while :; do x=$x$x; done", limits=Limits(memory_bytes=16 << 20))
    found = await ended(runtime, await run(runtime, sandbox, spec))
    assert (found.oom_killed, found.exit_code) == (True, 137)


async def test_an_image_that_is_not_there(runtime: DockerRuntime, sandbox: PodRecord) -> None:
    assert await runtime.image("nowhere.invalid/no:1") is None
    with pytest.raises(ImageFailure) as failure:
        await runtime.pull("nowhere.invalid/no:1")
    assert failure.value.reason == "ErrImagePull"
    assert "nowhere.invalid/no:1" in str(failure.value)
    with pytest.raises(RuntimeFailure):
        await runtime.create_container(sandbox.sandbox_id, ContainerSpec("app", "nowhere.invalid/no:1"))


async def test_images_are_listed_and_removed(runtime: DockerRuntime, docker_lab: DockerLab) -> None:
    docker_lab.docker("tag", IMAGE, "second:2")
    found = await runtime.image("second:2")
    assert found is not None
    assert {"second:2", IMAGE} <= set(found.names)
    assert found.size_bytes > 1_000_000
    await runtime.remove_image("second:2")
    assert await runtime.image("second:2") is None
    assert IMAGE in [name for image in await runtime.images() for name in image.names]
    await runtime.remove_image("second:2")


async def test_logs(runtime: DockerRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("for i in 1 2 3 4; do echo line $i; sleep 0.2; done"))
    async with asyncio.timeout(20):
        assert await log(runtime, container, LogOptions(follow=True)) == "line 1\nline 2\nline 3\nline 4\n"
    assert await log(runtime, container, LogOptions(tail=1)) == "line 4\n"
    assert await log(runtime, container, LogOptions(limit_bytes=8)) == "line 1\nl"
    stamped = (await log(runtime, container, LogOptions(timestamps=True))).splitlines()
    assert all(line[19] == "." and line.split(" ")[0].endswith("Z") for line in stamped)
    started = (await record(runtime, container)).started_at
    assert await log(runtime, container, LogOptions(since=started + 0.5)) == "line 4\n"


async def test_logs_of_a_terminal_have_no_frames(runtime: DockerRuntime, sandbox: PodRecord) -> None:
    assert await output_of(runtime, sandbox, sh("echo raw", tty=True)) == "raw\r\n"


async def test_exec_half_closes_stdin(runtime: DockerRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh(FOREVER, env=(("A", "b"),)))
    session = await runtime.exec(container, ("sh", "-c", "wc -c; echo $A; echo err >&2; exit 7"), stdin=True, tty=False)
    await session.write_stdin(b"x" * 1_000_000)
    await session.close_stdin()
    assert await finish(session) == (b"1000000\nb\n", b"err\n", 7)


async def test_exec_on_a_terminal(runtime: DockerRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh(FOREVER))
    session = await runtime.exec(container, ("sh", "-c", "read x; stty size"), stdin=True, tty=True)
    await session.resize(100, 40)
    await session.write_stdin(b"go\n")
    out, _, code = await finish(session)
    assert (out.endswith(b"40 100\r\n"), code) == (True, 0)


async def test_an_exec_that_is_left_ends(runtime: DockerRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh(FOREVER))
    session = await runtime.exec(container, ("sleep", "1234"), stdin=False, tty=False)
    await session.close()

    async def gone() -> bool:
        look = await runtime.exec(container, ("sh", "-c", "ps | grep -c '[s]leep 1234'"), stdin=False, tty=False)
        return (await finish(look))[0] == b"0\n"

    await eventually(gone)


async def test_exec_into_what_does_not_run(runtime: DockerRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("exit 0"))
    await ended(runtime, container)
    with pytest.raises(RuntimeFailure, match="not running"):
        await runtime.exec(container, ("true",), stdin=False, tty=False)
    with pytest.raises(NoSuchContainer):
        await runtime.exec("docker://nope", ("true",), stdin=False, tty=False)


async def test_exec_of_a_command_that_does_not_exist(runtime: DockerRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh(FOREVER))
    session = await runtime.exec(container, ("/nope",), stdin=False, tty=False)
    out, err, code = await finish(session)
    assert (code in (126, 127), b"/nope" in out + err) == (True, True)


async def test_attach(runtime: DockerRuntime, sandbox: PodRecord) -> None:
    container = await runtime.create_container(sandbox.sandbox_id, sh("cat; exit 9", stdin=True, stdin_once=True))
    await runtime.start_container(container)
    session = await runtime.attach(container, stdin=True, tty=False)
    await session.write_stdin(b"hello\n")
    await session.close_stdin()
    assert await finish(session) == (b"hello\n", b"", 9)


async def test_statistics(runtime: DockerRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("while :; do :; done"))

    async def works() -> bool:
        stats = await runtime.stats(container)
        return stats.cpu_nanoseconds > 100_000_000 and 0 < stats.memory_bytes < 50_000_000

    await eventually(works)
    await runtime.stop_container(container, 0)
    with pytest.raises(NoSuchContainer):
        await runtime.stats(container)


async def test_a_new_agent_adopts_and_foreign_containers_are_left_alone(
    runtime: DockerRuntime, sandbox: PodRecord, docker_lab: DockerLab
) -> None:
    container = await run(runtime, sandbox, sh(FOREVER, attempt=3))
    foreign = docker_lab.docker("run", "-d", IMAGE, "sleep", "60").stdout.strip()
    before = await runtime.list_pods()
    for other in (config(docker_lab, node="n2"), config(docker_lab, cluster="other", subnet="10.245.0.0/24")):
        stranger = DockerRuntime(other)
        await stranger.start()
        assert await stranger.list_pods() == []
        await stranger.stop()
    successor = DockerRuntime(config(docker_lab))
    await successor.start()
    assert await successor.list_pods() == before
    assert before[0].containers[0].id == container
    assert before[0].containers[0].attempt == 3
    await successor.stop()
    assert docker_lab.docker("rm", "-f", foreign).stdout.strip() == foreign


async def test_a_container_left_by_a_dead_agent_is_replaced(runtime: DockerRuntime, sandbox: PodRecord) -> None:
    first = await runtime.create_container(sandbox.sandbox_id, sh("true"))
    second = await runtime.create_container(sandbox.sandbox_id, sh("true"))
    found = await runtime.pod("uid-1")
    assert found is not None
    assert [each.id for each in found.containers] == [second]
    assert first != second


async def test_a_new_sandbox_of_a_pod_takes_the_old_one_along_when_it_goes(
    runtime: DockerRuntime, sandbox: PodRecord, docker_lab: DockerLab
) -> None:
    old = await run(runtime, sandbox, sh("true"))
    await runtime.stop_sandbox(sandbox.sandbox_id)
    stopped = await runtime.pod("uid-1")
    assert stopped is not None
    assert not stopped.ready
    newer = await runtime.run_sandbox(pod("uid-1", 7, attempt=1))
    found = await runtime.pod("uid-1")
    assert found is not None
    assert (found.sandbox_id, found.ready) == (newer.sandbox_id, True)
    assert [each.id for each in found.containers] == [old]
    await runtime.remove_sandbox(newer.sandbox_id)
    assert docker_lab.docker("ps", "-aq").stdout == ""


async def test_changes_are_told_also_after_the_engine_was_killed(
    runtime: DockerRuntime, sandbox: PodRecord, docker_lab: DockerLab
) -> None:
    seen: asyncio.Queue[str] = asyncio.Queue()

    async def listen() -> None:
        async for uid in runtime.changes():
            await seen.put(uid)

    listening = asyncio.ensure_future(listen())  # noqa: TID251
    await asyncio.sleep(0.2)
    container = await run(runtime, sandbox, sh(FOREVER))
    assert await asyncio.wait_for(seen.get(), 10) == "uid-1"
    docker_lab.stop_engine(signal.SIGKILL)
    with pytest.raises(EngineUnavailable):
        await runtime.list_pods()
    while not seen.empty():
        seen.get_nowait()
    await asyncio.to_thread(docker_lab.start_engine)
    assert await asyncio.wait_for(seen.get(), 30) == "uid-1"
    # Without live-restore the engine ends what ran; a new sandbox takes its place, with the same address.
    found = await ended(runtime, container)
    assert found.exit_code != 0
    await runtime.remove_sandbox(sandbox.sandbox_id)
    again = await runtime.run_sandbox(pod("uid-1", 7, attempt=1))
    assert again.ready
    listening.cancel()
    await asyncio.wait([listening])


async def test_a_network_of_another_range_is_not_used(runtime: DockerRuntime, docker_lab: DockerLab) -> None:
    await runtime.run_sandbox(pod("uid-1", 7))
    other = DockerRuntime(config(docker_lab, node="n2", subnet="10.250.0.0/24"))
    await other.start()
    with pytest.raises(RuntimeFailure, match=r"10\.244\.0\.0/24"):
        await other.run_sandbox(SandboxSpec("default", "web", "uid-9", "web", ip="10.250.0.5"))
    await other.stop()
    with pytest.raises(RuntimeFailure):
        await remove_network(runtime.engine, "kube-actors-test")


async def test_thirty_pods_at_once(runtime: DockerRuntime) -> None:
    async def start(number: int) -> None:
        sandbox = await runtime.run_sandbox(pod(f"uid-{number}", 10 + number))
        await run(runtime, sandbox, sh(FOREVER))

    async with asyncio.timeout(120):
        await asyncio.gather(*(start(number) for number in range(30)))
    found = await runtime.list_pods()
    assert len(found) == 30
    assert all(each.ready and each.containers[0].state is ContainerState.RUNNING for each in found)
    await asyncio.gather(*(runtime.remove_sandbox(each.sandbox_id) for each in found))


async def test_an_image_of_this_machines_python_serves_http(runtime: DockerRuntime, docker_lab: DockerLab) -> None:
    async with Engine(docker_lab.docker_host) as engine:
        name = await ensure_image_from_python(engine)
        first = await runtime.image(name)
        assert await ensure_image_from_python(engine) == name
    assert first == await runtime.image(name)
    sandbox = await runtime.run_sandbox(pod("uid-1", 7))
    script = "import ssl, json, http.server, urllib.request, socketserver, sqlite3, ctypes; print('all there')"
    once = ContainerSpec("once", name, command=("python3", "-c", script), security=Security(user=1000))
    assert await output_of(runtime, sandbox, once) == "all there\n"
    server = ContainerSpec("web", name, command=("python3", "-m", "http.server", "8000"), working_dir="/etc")
    await run(runtime, sandbox, server)

    async def answers() -> bool:
        done = docker_lab.run("busybox", "wget", "-qO-", "http://10.244.0.7:8000/passwd", check=False)
        return done.stdout.startswith("root:")

    await eventually(answers)


async def test_an_engine_is_found_or_the_reason_is_said(docker_lab: DockerLab, tmp_path: Path) -> None:
    assert select.docker_available(docker_lab.docker_host) is None
    assert select.detect(docker_lab.docker_host) == "docker"
    missing = f"unix://{tmp_path}/none.sock"
    reason = select.docker_available(missing)
    assert reason is not None
    assert missing in reason
    assert select.detect(missing) == "process"
    with pytest.raises(ConfigError, match="cannot be reached"):
        await DockerRuntime(DockerConfig("c", "n", "net", "10.0.0.0/24", missing)).start()
    assert os.path.exists(docker_lab.folder)
