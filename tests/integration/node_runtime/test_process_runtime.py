"""The process runtime with real processes."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kube_actors.node.runtime.interface import (
    ContainerRecord,
    ContainerSpec,
    ContainerState,
    ExecSession,
    ImageFailure,
    Limits,
    LogOptions,
    Mount,
    NoSuchContainer,
    PodRecord,
    Runtime,
    RuntimeFailure,
    Security,
)
from kube_actors.node.runtime.process import ProcessConfig, ProcessRuntime, images, procfs
from kube_actors.node.runtime.process.launch import run_container
from kube_actors.node.runtime.process.layout import ContainerId
from kube_actors.node.runtime.process.sessions import ProcessExec
from kube_actors.node.runtime.process.shim import files, isolate

STATIC_BUSYBOX = Path("/bin/busybox")


def sh(script: str, name: str = "app", **fields: object) -> ContainerSpec:
    return ContainerSpec(name, "any:1", command=("sh", "-c", script), **fields)  # type: ignore[arg-type]


async def run(runtime: Runtime, sandbox: PodRecord, spec: ContainerSpec) -> str:
    container = await runtime.create_container(sandbox.sandbox_id, spec)
    await runtime.start_container(container)
    return container


async def record(runtime: Runtime, container: str) -> ContainerRecord:
    pod = await runtime.pod("uid-1")
    assert pod is not None
    return next(each for each in pod.containers if each.id == container)


async def until(runtime: Runtime, container: str, wanted: Callable[[ContainerRecord], bool]) -> ContainerRecord:
    async with asyncio.timeout(20):
        while not wanted(found := await record(runtime, container)):
            await asyncio.sleep(0.01)
    return found


async def ended(runtime: Runtime, container: str) -> ContainerRecord:
    return await until(runtime, container, lambda found: found.state is ContainerState.EXITED)


async def log(runtime: Runtime, container: str, options: LogOptions | None = None) -> str:
    return b"".join([chunk async for chunk in runtime.logs(container, options or LogOptions())]).decode()


async def logged(runtime: Runtime, container: str, text: str) -> None:
    async with asyncio.timeout(20):
        while text not in await log(runtime, container):
            await asyncio.sleep(0.01)


async def finish(session: ExecSession) -> tuple[bytes, bytes, int]:
    found = {1: b"", 2: b""}
    async with asyncio.timeout(20):
        async for stream, data in session.output():
            found[stream] += data
        code = await session.wait()
    await session.close()
    return found[1], found[2], code


async def test_a_container_runs_and_its_end_is_known(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("echo out; echo err >&2; exit 3"))
    found = await ended(runtime, container)
    assert (found.exit_code, found.attempt, found.image) == (3, 0, "any:1")
    assert found.created_at <= found.started_at <= found.finished_at
    assert set((await log(runtime, container)).splitlines()) == {"out", "err"}


async def test_start_and_end_are_told(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    changes = runtime.changes()
    waiting = asyncio.ensure_future(anext(changes))  # noqa: TID251
    await asyncio.sleep(0)
    container = await run(runtime, sandbox, sh("read x", stdin=True))
    assert await asyncio.wait_for(waiting, 5) == "uid-1"
    await runtime.stop_container(container, 5)
    assert await asyncio.wait_for(anext(changes), 5) == "uid-1"
    await changes.aclose()  # type: ignore[attr-defined]


async def test_a_command_that_does_not_exist_is_a_start_failure(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    spec = ContainerSpec("app", "any:1", command=("/no/such/program",))
    container = await runtime.create_container(sandbox.sandbox_id, spec)
    with pytest.raises(RuntimeFailure, match="no such file") as failure:
        await runtime.start_container(container)
    assert failure.value.reason == "RunContainerError"
    found = await record(runtime, container)
    assert (found.state, found.exit_code) == (ContainerState.EXITED, 127)
    assert "no such file" in found.error


async def test_stop_asks_first_and_kills_after_the_grace(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    polite = await run(runtime, sandbox, sh("trap 'exit 5' TERM; echo up; while :; do sleep 0.02; done", name="polite"))
    stubborn = await run(runtime, sandbox, sh("trap '' TERM; echo up; while :; do sleep 0.02; done", name="stubborn"))
    for container in (polite, stubborn):
        await logged(runtime, container, "up")
        await runtime.stop_container(container, 0.3)
    assert (await record(runtime, polite)).exit_code == 5
    assert (await record(runtime, stubborn)).exit_code == 137


async def test_the_stop_signal_of_the_container_is_used(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    script = "trap 'exit 6' USR1; echo up; while :; do sleep 0.02; done"
    container = await run(runtime, sandbox, sh(script, stop_signal="SIGUSR1"))
    await logged(runtime, container, "up")
    await runtime.stop_container(container, 5)
    assert (await record(runtime, container)).exit_code == 6


async def test_nothing_of_a_container_outlives_its_first_process(
    runtime: ProcessRuntime, sandbox: PodRecord, tmp_path: Path
) -> None:
    pids = tmp_path / "pid"
    script = (
        f"setsid sh -c 'echo $$ > {pids}; while :; do sleep 0.02; done' & while ! [ -s {pids} ]; do sleep 0.01; done"
    )
    container = await run(runtime, sandbox, sh(script))
    await ended(runtime, container)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pids.read_text()), 0)


async def test_containers_outlive_the_agent_and_are_adopted(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("echo up; while :; do sleep 0.02; done", spec_hash="h1", attempt=2))
    before = await record(runtime, container)
    await runtime.stop()
    successor = ProcessRuntime(runtime._config)
    await successor.start()
    try:
        (pod,) = await successor.list_pods()
        assert pod.containers == (before,)
        assert (pod.ip, pod.ready, before.spec_hash, before.attempt) == ("127.128.0.7", True, "h1", 2)
        await successor.stop_container(container, 5)
        assert (await record(successor, container)).state is ContainerState.EXITED
    finally:
        await successor.stop()


async def test_a_killed_supervisor_takes_its_container_along(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("echo $$; while :; do sleep 0.02; done"))
    await logged(runtime, container, "\n")
    pid = int(await log(runtime, container))
    os.kill(runtime._running(container, "").supervisor.pid, signal.SIGKILL)
    found = await ended(runtime, container)
    assert (found.exit_code, found.error) == (137, "the container's supervisor was killed")
    async with asyncio.timeout(5):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.01)


async def test_a_pid_used_again_is_not_ours(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("while :; do sleep 0.02; done"))
    found = runtime._running(container, "")
    other = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    try:
        # As if the container had ended unseen and its pids had been given to another process.
        from kube_actors.node.runtime.process.shim import files

        stolen = found.state | {"pid": other.pid, "shim_pid": other.pid}
        files.write_atomically(str(found.folder / files.STATE), stolen)
        await runtime.stop_container(container, 0.1)
        assert (await record(runtime, container)).state is ContainerState.EXITED
        assert other.returncode is None
        os.kill(other.pid, 0)
    finally:
        other.kill()
        await other.wait()
        os.kill(found.supervisor.pid, signal.SIGKILL)


async def test_logs_follow_until_the_end(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("for i in 1 2 3; do echo line $i; sleep 0.1; done"))
    async with asyncio.timeout(10):
        assert await log(runtime, container, LogOptions(follow=True)) == "line 1\nline 2\nline 3\n"


async def test_the_end_of_a_log(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("seq 1 20000; printf unfinished"))
    await ended(runtime, container)
    assert await log(runtime, container, LogOptions(tail=3)) == "19999\n20000\nunfinished"
    assert await log(runtime, container, LogOptions(tail=0)) == ""
    assert len((await log(runtime, container)).splitlines()) == 20001
    assert await log(runtime, container, LogOptions(limit_bytes=4)) == "1\n2\n"
    (stamped,) = (await log(runtime, container, LogOptions(tail=1, timestamps=True))).splitlines()
    assert stamped.endswith("Z unfinished")


async def test_previous_runs_keep_their_logs(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    runs = [await run(runtime, sandbox, sh(f"echo run {attempt}", attempt=attempt)) for attempt in range(2)]
    for container in runs:
        await ended(runtime, container)
    assert [await log(runtime, container) for container in runs] == ["run 0\n", "run 1\n"]


async def test_exec_has_the_containers_environment_and_half_closes_stdin(
    runtime: ProcessRuntime, sandbox: PodRecord
) -> None:
    container = await run(runtime, sandbox, sh("while :; do sleep 0.02; done", env=(("A", "b"),)))
    session = await runtime.exec(container, ("sh", "-c", "cat; echo $A; echo err >&2; exit 7"), stdin=True, tty=False)
    await session.write_stdin(b"in\n" * 100_000)
    await session.close_stdin()
    out, err, code = await finish(session)
    assert (out, err, code) == (b"in\n" * 100_000 + b"b\n", b"err\n", 7)


async def test_exec_on_a_terminal(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("while :; do sleep 0.02; done"))
    session = await runtime.exec(container, ("sh", "-c", "read x; stty size; tty -s && echo tty"), stdin=True, tty=True)
    await session.resize(100, 40)
    await session.write_stdin(b"go\n")
    out, _, code = await finish(session)
    assert out.endswith(b"40 100\r\ntty\r\n")
    assert code == 0


async def test_exec_ends_with_its_session_and_with_its_container(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("while :; do sleep 0.02; done"))
    abandoned = await runtime.exec(container, ("sleep", "60"), stdin=False, tty=False)
    await asyncio.wait_for(abandoned.close(), 5)
    surviving = await runtime.exec(container, ("sh", "-c", "echo up; sleep 60"), stdin=False, tty=False)
    assert await asyncio.wait_for(anext(surviving.output()), 5) == (1, b"up\n")
    await runtime.stop_container(container, 0)
    assert (await finish(surviving))[2] == 137


async def test_exec_into_what_has_ended_is_refused(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("exit 0"))
    await ended(runtime, container)
    with pytest.raises(NoSuchContainer, match="not running"):
        await runtime.exec(container, ("true",), stdin=False, tty=False)


async def test_attach_gives_input_and_gets_output(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("cat; echo done >&2", stdin=True, stdin_once=True))
    session = await runtime.attach(container, stdin=True, tty=False)
    await session.write_stdin(b"x" * 1_000_000)
    await session.close_stdin()
    out, err, code = await finish(session)
    assert (len(out), err, code) == (1_000_000, b"done\n", 0)


async def test_a_container_on_a_terminal(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("read x; stty size; echo got $x", stdin=True, tty=True))
    session = await runtime.attach(container, stdin=True, tty=True)
    await session.resize(90, 30)
    await session.write_stdin(b"it\n")
    out, _, code = await finish(session)
    assert b"30 90\r\ngot it\r\n" in out
    assert code == 0


@pytest.mark.parametrize("through", ["rights", "user namespace"])
async def test_volumes_are_at_their_paths_in_the_container_only(
    runtime: ProcessRuntime, sandbox: PodRecord, tmp_path: Path, through: str
) -> None:
    if runtime._mode == isolate.NONE:
        pytest.skip("this machine allows no mount namespaces")
    if through == "user namespace":
        runtime._mode = isolate.USER
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "key").write_text("value\n")
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 mine\n")
    mounts = (
        Mount(str(volume), "/kube-actors-data"),
        Mount(str(volume), "/etc/kube-actors/conf", read_only=True),
        Mount(str(volume), "/var/run/secrets/kube-actors-test"),
        Mount(str(hosts), "/etc/hosts"),
        Mount(str(hosts), "/kube-actors-data/nested/file"),
    )
    script = (
        "cat /kube-actors-data/key /etc/kube-actors/conf/key /run/secrets/kube-actors-test/key /etc/hosts; hostname;"
        "echo new > /kube-actors-data/new; echo x 2>/dev/null > /etc/kube-actors/conf/no || echo read-only;"
        "test -e /etc/passwd && test -d /proc/self && echo host"
    )
    container = await run(runtime, sandbox, sh(script, mounts=mounts))
    await ended(runtime, container)
    assert (await log(runtime, container)).splitlines() == [
        "value", "value", "value", "127.0.0.1 mine", "web-host", "read-only", "host",
    ]  # fmt: skip
    assert (volume / "new").read_text() == "new\n"
    for path in ("/kube-actors-data", "/etc/kube-actors", "/run/secrets/kube-actors-test"):
        assert not Path(path).exists()
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


async def test_without_namespaces_volumes_are_below_a_variable(
    runtime: ProcessRuntime, sandbox: PodRecord, tmp_path: Path
) -> None:
    runtime._mode = isolate.NONE
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume/key").write_text("value\n")
    mounts = (Mount(str(tmp_path / "volume"), "/etc/app"),)
    container = await run(runtime, sandbox, sh("cat $KUBE_ACTORS_ROOT/etc/app/key", mounts=mounts))
    await ended(runtime, container)
    assert await log(runtime, container) == "value\n"


async def test_a_container_that_takes_too_much_memory_was_oom_killed(
    runtime: ProcessRuntime, sandbox: PodRecord
) -> None:
    if runtime._groups is None:
        pytest.skip("this machine lets us make no control groups")
    command = ("python3", "-c", "x = bytearray(200_000_000); print(len(x))")
    spec = ContainerSpec("app", "any", command=command, limits=Limits(memory_bytes=32 << 20))
    found = await ended(runtime, await run(runtime, sandbox, spec))
    assert (found.oom_killed, found.exit_code) == (True, 137)


def kernel_limits(groups: list[str]) -> list[str]:
    """CPU quota, CPU shares or weight, and memory, as the files of either version of control groups tell."""
    names = ("cpu.cfs_quota_us", "cpu.max", "cpu.shares", "cpu.weight", "memory.limit_in_bytes", "memory.max")
    files = [Path(group) / name for name in names for group in groups]
    return [file.read_text().strip() for file in files if file.exists()]


async def test_limits_change_while_the_process_runs_on(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    if runtime._groups is None:
        pytest.skip("this machine lets us make no control groups")
    v2 = runtime._groups.version == 2
    container = await run(runtime, sandbox, sh("sleep 60", limits=Limits(1024, 50_000, 64 << 20)))
    found = runtime._running(container, "")
    groups = found.config["cgroups"]
    assert kernel_limits(groups) == ["50000 100000" if v2 else "50000", "39" if v2 else "1024", str(64 << 20)]
    less = Limits(2, 0, 48 << 20)
    await runtime.update_limits(container, less)
    assert kernel_limits(groups) == ["max 100000" if v2 else "-1", "1" if v2 else "2", str(48 << 20)]
    assert runtime._running(container, "").process == found.process
    # Whoever comes after this agent finds it in the files.
    successor = ProcessRuntime(runtime._config)
    assert (await record(successor, container)).limits == less


async def test_limits_of_what_has_ended_cannot_change(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("true"))
    await ended(runtime, container)
    with pytest.raises(NoSuchContainer):
        await runtime.update_limits(container, Limits())


AGENT = """
import asyncio, sys
from pathlib import Path
from kube_actors.node.runtime.interface import ContainerSpec, SandboxSpec
from kube_actors.node.runtime.process import ProcessConfig, ProcessRuntime

async def main():
    runtime = ProcessRuntime(ProcessConfig(Path(sys.argv[1]), "test", "killed"))
    await runtime.start()
    sandbox = await runtime.run_sandbox(SandboxSpec("default", "web", "uid-1", "web"))
    command = ("sh", "-c", "while :; do sleep 0.02; done")
    container = await runtime.create_container(sandbox.sandbox_id, ContainerSpec("app", "any", command=command))
    await runtime.start_container(container)
    print(container, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_containers_survive_the_kill_of_the_agents_whole_process_group(tmp_path: Path) -> None:
    """As Ray does it with the process group of a worker that ends."""
    agent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", AGENT, str(tmp_path), stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert agent.stdout is not None
    lines = [line async for line in agent.stdout if line.startswith(b"process://") and not _kill_group(agent.pid)]
    await agent.wait()
    successor = ProcessRuntime(ProcessConfig(tmp_path, "test", "killed"))
    await successor.start()
    try:
        await asyncio.sleep(0.3)
        (pod,) = await successor.list_pods()
        (found,) = pod.containers
        assert found.id.encode() == lines[0].strip()
        assert found.state is ContainerState.RUNNING
        await successor.stop_container(found.id, 5)
        assert (await record(successor, found.id)).exit_code == 143
        await successor.remove_sandbox(pod.sandbox_id)
    finally:
        await successor.stop()


def _kill_group(pid: int) -> None:
    os.killpg(pid, signal.SIGKILL)


def held_back(runtime: ProcessRuntime, container: str) -> Callable[[], None]:
    """The container's supervisor waits before it starts the command, until the result is called."""
    log = runtime._layout.container_folder(ContainerId.parse(container)) / files.LOG
    os.mkfifo(log)

    def go_on() -> None:
        reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
        log.unlink()
        os.close(reader)

    return go_on


async def claimed(runtime: ProcessRuntime, container: str) -> None:
    """Its supervisor has come to be."""
    async with asyncio.timeout(20):
        while not (runtime._layout.container_folder(ContainerId.parse(container)) / files.CLAIM).exists():
            await asyncio.sleep(0.01)


async def test_a_start_that_is_cut_short_comes_to_its_end_first(
    runtime: ProcessRuntime, sandbox: PodRecord, tmp_path: Path
) -> None:
    container = await runtime.create_container(sandbox.sandbox_id, sh(f"touch {tmp_path}/ran; sleep 1000"))
    go_on = held_back(runtime, container)
    start = asyncio.ensure_future(runtime.start_container(container))  # noqa: TID251
    await claimed(runtime, container)
    start.cancel()
    await asyncio.sleep(0.2)
    assert not start.done()
    go_on()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert (await record(runtime, container)).state is ContainerState.RUNNING


async def test_what_a_killed_agent_was_starting_ends_when_it_was_removed_meanwhile(
    runtime: ProcessRuntime, sandbox: PodRecord, tmp_path: Path
) -> None:
    script = f"echo $$ > {tmp_path}/pid; exec sleep 1000"
    container = await runtime.create_container(sandbox.sandbox_id, sh(script))
    go_on = held_back(runtime, container)
    start = asyncio.ensure_future(runtime.start_container(container))  # noqa: TID251
    await claimed(runtime, container)
    found = runtime._layout.container(ContainerId.parse(container))
    assert not runtime._layout.forget(found).running
    go_on()
    with pytest.raises(RuntimeFailure):
        await start
    assert not procfs.Process(*_said(tmp_path / "pid")).alive()
    runtime._layout.remove_container(found.id)


async def test_what_a_killed_agent_was_starting_ends_when_the_container_was_made_anew_meanwhile(
    runtime: ProcessRuntime, sandbox: PodRecord, tmp_path: Path
) -> None:
    script = f"echo $$ >> {tmp_path}/pids; exec sleep 1000"
    container = await runtime.create_container(sandbox.sandbox_id, sh(script))
    held_back(runtime, container)
    late = asyncio.ensure_future(runtime.start_container(container))  # noqa: TID251
    await claimed(runtime, container)
    held = tmp_path / "held"
    folder = runtime._layout.container_folder(ContainerId.parse(container))
    os.link(folder / files.LOG, held)
    assert await run(runtime, sandbox, sh(script)) == container
    reader = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(RuntimeFailure):
        await late
    os.close(reader)
    pids = [int(each) for each in (tmp_path / "pids").read_text().split()]
    assert [pid for pid in pids if files.start_time(pid)] == [await _pid(runtime, container)]


async def test_of_two_supervisors_one_starts_the_container(
    runtime: ProcessRuntime, sandbox: PodRecord, tmp_path: Path
) -> None:
    container = await runtime.create_container(sandbox.sandbox_id, sh(f"echo >> {tmp_path}/runs; exec sleep 1000"))
    folder = runtime._layout.container_folder(ContainerId.parse(container))
    failures = await asyncio.gather(run_container(folder), run_container(folder))
    assert sorted(map(bool, failures)) == [False, True]
    assert (tmp_path / "runs").read_text() == "\n"


async def _pid(runtime: ProcessRuntime, container: str) -> int:
    return runtime._layout.container(ContainerId.parse(container)).process.pid


async def test_a_folder_that_is_no_container_yet_is_made_one(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    """As a disk that was full leaves it, or an agent that was killed."""
    runtime._layout.container_folder(ContainerId("uid-1", "app", 0)).mkdir()
    container = await run(runtime, sandbox, sh("exit 0"))
    assert (await ended(runtime, container)).exit_code == 0


async def test_folders_of_no_pod_are_swept(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    """As an agent leaves them that was killed while it made or removed a pod."""
    for uid in ("uid-1", "uid-2", "uid-3"):
        (runtime._layout.pods / uid / "app_0").mkdir(parents=True)
    await runtime.sweep({"uid-3"})
    assert {each.name for each in runtime._layout.pods.iterdir()} == {"uid-1", "uid-3"}


async def test_an_end_that_cannot_be_written_is_told_all_the_same(
    runtime: ProcessRuntime, sandbox: PodRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = await run(runtime, sandbox, sh("sleep 1000"))
    os.kill(runtime._layout.container(ContainerId.parse(container)).supervisor.pid, signal.SIGKILL)

    def full(path: str, content: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    monkeypatch.setattr(files, "write_atomically", full)
    assert (await ended(runtime, container)).exit_code == 137


async def test_nothing_of_a_container_outlives_its_supervisor(
    runtime: ProcessRuntime, sandbox: PodRecord, tmp_path: Path
) -> None:
    """Also what the command has started, in its session and out of it."""
    script = f"sleep 1000 & echo $! >> {tmp_path}/pids; setsid sleep 1000 & echo $! >> {tmp_path}/pids; echo up; wait"
    container = await run(runtime, sandbox, sh(script))
    await logged(runtime, container, "up")
    left = [(int(pid), files.start_time(int(pid))) for pid in (tmp_path / "pids").read_text().split()]
    if runtime._groups is None:
        del left[1]
    os.kill(runtime._layout.container(ContainerId.parse(container)).supervisor.pid, signal.SIGKILL)
    await ended(runtime, container)
    async with asyncio.timeout(20):
        while any(procfs.Process(*each).alive() for each in left):
            await asyncio.sleep(0.01)


async def test_pods_are_listed_while_one_is_being_removed(
    runtime: ProcessRuntime, sandbox: PodRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = runtime._layout.sandbox

    def removed_then(uid: str) -> object:
        found = read(uid)
        runtime._layout.remove_pod(uid)
        return found

    monkeypatch.setattr(runtime._layout, "sandbox", removed_then)
    assert [pod.containers for pod in await runtime.list_pods()] == [()]
    # The group of the pod that was taken from under the runtime.
    await runtime.sweep(())


async def test_an_image_is_unpacked_once_however_many_ask(
    runtime: ProcessRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tar, at_work, most = tmp_path / "app.tar", 0, 0
    with tarfile.open(tar, "w") as archive:
        archive.add(__file__, "file")
    apply = images.apply_layer

    def slowly(archive: tarfile.TarFile, folder: Path) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        time.sleep(0.1)
        apply(archive, folder)
        at_work -= 1

    monkeypatch.setattr(images, "apply_layer", slowly)
    image = await runtime.pull(str(tar))
    roots = await asyncio.gather(*(runtime.unpack(image, tmp_path) for _ in range(3)))
    assert len(set(roots)) == 1
    assert most == 1
    await runtime.remove_image(image.id)
    assert list(runtime._layout.images.iterdir()) == []


def _said(file: Path) -> tuple[int, int]:
    """The process whose pid the file holds, where it came so far; and its start."""
    pid = int(file.read_text() or 0) if file.exists() else 0
    return pid, files.start_time(pid)


async def test_a_session_that_is_opened_while_its_container_ends_leaves_nothing(
    runtime: ProcessRuntime, sandbox: PodRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = await run(runtime, sandbox, sh("sleep 1000"))
    open_session = ProcessExec.open

    async def slowly(*arguments: Any, **options: Any) -> ProcessExec:
        session = await open_session(*arguments, **options)
        await runtime.stop_container(container, 0)
        return session

    monkeypatch.setattr(ProcessExec, "open", slowly)
    session = await runtime.exec(container, ("true",), stdin=False, tty=False)
    await session.close()
    assert runtime._sessions == {}


async def test_a_volume_that_is_written_later_is_seen(
    runtime: ProcessRuntime, sandbox: PodRecord, tmp_path: Path
) -> None:
    if runtime._mode == isolate.NONE:
        pytest.skip("this machine allows no mount namespaces")
    volume = tmp_path / "volume"
    volume.mkdir()
    script = "while ! [ -e /kube-actors-data/go ]; do sleep 0.02; done; echo seen"
    container = await run(runtime, sandbox, sh(script, mounts=(Mount(str(volume), "/kube-actors-data"),)))
    (volume / "go").touch()
    await ended(runtime, container)
    assert await log(runtime, container) == "seen\n"


def root_file_system(folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/busybox").write_bytes(STATIC_BUSYBOX.read_bytes())
    (folder / "bin/busybox").chmod(0o755)
    (folder / "bin/sh").symlink_to("busybox")
    (folder / "marker").write_text("from the image\n")
    return folder


@pytest.mark.parametrize("kind", ["folder", "tar"])
async def test_an_image_may_be_a_root_file_system(
    runtime: ProcessRuntime, sandbox: PodRecord, tmp_path: Path, kind: str
) -> None:
    if runtime._mode == isolate.NONE:
        pytest.skip("this machine allows no mount namespaces")
    if not STATIC_BUSYBOX.exists():
        pytest.skip("needs busybox-static")
    name = f"folder:{root_file_system(tmp_path / 'rootfs')}"
    if kind == "tar":
        name = str(tmp_path / "rootfs.tar")
        with tarfile.open(name, "w") as archive:
            archive.add(tmp_path / "rootfs", ".")
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "key").write_text("value\n")
    script = (
        "busybox cat /marker /data/key; test -e /etc/passwd || echo own root; busybox test -d /proc/self && echo proc;"
        "echo scratch > /written; busybox cat /written"
    )
    spec = ContainerSpec("app", name, command=("/bin/sh", "-c", script), mounts=(Mount(str(volume), "/data"),))
    container = await run(runtime, sandbox, spec)
    found = await ended(runtime, container)
    assert (await log(runtime, container)).splitlines() == [
        "from the image", "value", "own root", "proc", "scratch",
    ], found  # fmt: skip


async def test_a_folder_that_is_not_there_is_an_image_that_cannot_be_had(runtime: ProcessRuntime) -> None:
    assert await runtime.image("/no/such/folder") is None
    with pytest.raises(ImageFailure) as failure:
        await runtime.pull("/no/such/folder")
    assert failure.value.reason == "ErrImagePull"
    assert await runtime.image("nginx:1.29") is not None


async def test_python3_is_the_nodes_own_where_path_has_none(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    spec = ContainerSpec("app", "any", command=("python3", "-c", "print(6 * 7)"), env=(("PATH", "/nowhere"),))
    container = await run(runtime, sandbox, spec)
    await ended(runtime, container)
    assert await log(runtime, container) == "42\n"
    assert sys.executable


async def test_a_container_that_works_counts_its_cpu_and_memory(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    command = ("python3", "-c", "x = bytearray(30_000_000)\nwhile True: pass")
    container = await run(runtime, sandbox, ContainerSpec("app", "any", command=command))
    async with asyncio.timeout(20):
        while (first := await runtime.stats(container)).memory_bytes < 30_000_000:
            await asyncio.sleep(0.02)
        while (await runtime.stats(container)).cpu_nanoseconds <= first.cpu_nanoseconds:
            await asyncio.sleep(0.02)


async def test_memory_that_processes_share_counts_once_where_a_control_group_counts(
    runtime: ProcessRuntime, sandbox: PodRecord
) -> None:
    script = "import os, time\nx = b'x' * 40_000_000\nfor _ in range(3): os.fork() or time.sleep(1000)\n"
    spec = ContainerSpec("app", "any", command=("python3", "-c", script + "print('up', flush=True)\ntime.sleep(1000)"))
    container = await run(runtime, sandbox, spec)
    await logged(runtime, container, "up")
    used = (await runtime.stats(container)).memory_bytes
    assert used > 40_000_000
    assert used < 80_000_000 if runtime._groups is not None else used > 160_000_000


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change users")
async def test_a_container_runs_as_the_user_it_names(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    security = Security(user=12345, group=54321, supplemental_groups=(7,), no_new_privileges=True)
    script = "id -u; id -G; grep NoNewPrivs /proc/self/status"
    container = await run(runtime, sandbox, sh(script, security=security))
    await ended(runtime, container)
    assert (await log(runtime, container)).split() == ["12345", "54321", "7", "NoNewPrivs:", "1"]


async def test_stop_and_remove_may_be_called_again(runtime: ProcessRuntime, sandbox: PodRecord) -> None:
    container = await run(runtime, sandbox, sh("while :; do sleep 0.02; done"))
    for _ in range(2):
        await runtime.stop_sandbox(sandbox.sandbox_id)
    stopped = await runtime.pod("uid-1")
    assert stopped is not None
    assert not stopped.ready
    for _ in range(2):
        await runtime.stop_container(container, 1)
        await runtime.remove_container(container)
        await runtime.remove_sandbox(sandbox.sandbox_id)
    assert await runtime.pod("uid-1") is None


async def test_a_root_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    from kube_actors.api.errors import ConfigError

    (tmp_path / "file").touch()
    with pytest.raises(ConfigError) as failure:
        await ProcessRuntime(ProcessConfig(tmp_path / "file", "c", "n")).start()
    assert "\n" not in str(failure.value)
