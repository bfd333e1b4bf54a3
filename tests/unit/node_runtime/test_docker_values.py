"""What goes to a Docker engine and what comes back, as values."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiodocker import DockerError
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api.errors import ConfigError
from kube_actors.node.runtime.docker import dns, endpoint, host, images, logs, names, records, spec
from kube_actors.node.runtime.docker.engine import choose_version
from kube_actors.node.runtime.docker.runtime import is_taken, suppress_gone
from kube_actors.node.runtime.docker.stats import stats_of
from kube_actors.node.runtime.interface import (
    UNCONFINED,
    BlockDevice,
    ContainerSpec,
    ContainerState,
    Image,
    ImageFailure,
    Limits,
    LogOptions,
    LogRotation,
    Mount,
    PortMapping,
    RuntimeFailure,
    SandboxSpec,
    Security,
)

OWNER = names.Owner("c1", "n1")
SANDBOX = SandboxSpec("default", "web-1", "uid-1", "web-1", ip="10.244.0.5", attempt=2)


def sandbox(**changes: Any) -> SandboxSpec:
    given_fields = {name: getattr(SANDBOX, name) for name in SandboxSpec.__slots__}
    return SandboxSpec(**(given_fields | changes))


def sandbox_json(**changes: Any) -> dict[str, Any]:
    return spec.sandbox_config(sandbox(**changes), OWNER, "pause:1", "pods")


def container_json(
    modes: spec.SandboxModes = spec.SandboxModes(),  # noqa: B008
    *,
    podman: bool = False,
    **fields: Any,
) -> dict[str, Any]:
    identity = names.Identity(False, "web-1", "default", "uid-1", "app", 3, "abc", "app:1")
    return spec.container_config(ContainerSpec("app", "app:1", **fields), identity, OWNER, modes, podman=podman)


def test_names_are_those_of_dockershim() -> None:
    assert names.Identity.of_sandbox(SANDBOX).name() == "k8s_POD_web-1_default_uid-1_2"
    assert names.Identity(False, "web-1", "default", "uid-1", "app", 3).name() == "k8s_app_web-1_default_uid-1_3"


@given(st.booleans(), st.text("abc-", min_size=1), st.integers(0, 10**6), st.text("abc:/", max_size=9))
def test_labels_give_back_the_identity(is_sandbox: bool, name: str, attempt: int, image: str) -> None:
    made = names.Identity(
        is_sandbox, name, "ns", "uid", "POD" if is_sandbox else "app", attempt,
        "" if is_sandbox else "id", "" if is_sandbox else image, "" if is_sandbox else "hash",
    )  # fmt: skip
    assert names.Identity.parse(made.labels()) == made


@pytest.mark.parametrize("broken", [{}, {names.TYPE: "other"}, {names.ATTEMPT: "x"}])
def test_foreign_labels_are_no_identity(broken: dict[str, str]) -> None:
    labels = names.Identity.of_sandbox(SANDBOX).labels() | broken if broken else {}
    assert names.Identity.parse(labels) is None


def test_two_nodes_of_one_engine_filter_differently() -> None:
    assert names.Owner("c1", "n1").filters() != names.Owner("c1", "n2").filters()
    assert names.Owner("c1", "n1").filters("a=b")["label"][-1] == "a=b"


def test_a_sandbox_has_the_address_the_node_chose() -> None:
    config = sandbox_json()
    assert config["NetworkingConfig"]["EndpointsConfig"]["pods"]["IPAMConfig"] == {"IPv4Address": "10.244.0.5"}
    assert config["Hostname"] == "web-1"
    assert "RestartPolicy" not in config["HostConfig"]


def test_a_sandbox_on_the_host_network_has_neither_address_nor_hostname_nor_ports() -> None:
    config = sandbox_json(host_network=True, ip="", ports=(PortMapping(80, 80),))
    assert config["HostConfig"]["NetworkMode"] == "host"
    assert not {"Hostname", "NetworkingConfig", "ExposedPorts"} & config.keys()


def test_only_ports_with_a_host_port_are_published() -> None:
    ports = (PortMapping(80, 8080, "TCP", "127.0.0.1"), PortMapping(53, 5353, "UDP"), PortMapping(90, 0))
    bindings = sandbox_json(ports=ports)["HostConfig"]["PortBindings"]
    assert bindings == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
        "53/udp": [{"HostIp": "", "HostPort": "5353"}],
    }


def test_a_pods_labels_cannot_pretend_another_identity() -> None:
    labels = sandbox_json(labels=((names.POD_UID, "evil"), ("app", "web")))["Labels"]
    assert labels[names.POD_UID] == "uid-1"
    assert labels["app"] == "web"


@pytest.mark.parametrize(
    "modes", [spec.SandboxModes(), spec.SandboxModes(True, True, False), spec.SandboxModes(False, False, True)]
)
def test_the_modes_of_a_sandbox_come_back_from_its_label(modes: spec.SandboxModes) -> None:
    assert spec.SandboxModes.parse(modes.label()) == modes


def test_members_share_network_and_ipc_and_nothing_that_docker_refuses_on_them() -> None:
    config = container_json()
    assert config["HostConfig"]["NetworkMode"] == config["HostConfig"]["IpcMode"] == "container:abc"
    assert "PidMode" not in config["HostConfig"]
    assert not {"Hostname", "ExposedPorts", "NetworkingConfig"} & config.keys()
    shared = container_json(spec.SandboxModes(share_processes=True))
    assert shared["HostConfig"]["PidMode"] == "container:abc"


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        (None, None, {}),
        (("a",), None, {"Entrypoint": ["a"]}),
        (None, ("b",), {"Cmd": ["b"]}),
        (("a",), ("b",), {"Entrypoint": ["a"], "Cmd": ["b"]}),
        ((), (), {}),
    ],
)
def test_command_and_args_follow_kubernetes_table(command: Any, args: Any, expected: dict[str, Any]) -> None:
    config = container_json(command=command, args=args)
    assert {key: config[key] for key in ("Entrypoint", "Cmd") if key in config} == expected


def test_limits_leave_no_swap() -> None:
    host_config = container_json(limits=Limits(512, 50_000, 1 << 20), oom_score_adj=900)["HostConfig"]
    assert (host_config["CpuShares"], host_config["CpuQuota"], host_config["CpuPeriod"]) == (512, 50_000, 100_000)
    assert host_config["Memory"] == host_config["MemorySwap"] == 1 << 20
    assert host_config["OomScoreAdj"] == 900


@pytest.mark.parametrize(
    "limits", [Limits(512, 50_000, 64 << 20), Limits(2), Limits(4, 0, 64 << 20), Limits(262_144, 1_000, 0)]
)
def test_an_update_says_every_limit_and_inspect_gives_it_back(limits: Limits) -> None:
    config = spec.update_config(limits)
    assert all(config.values())
    assert config["Memory"] == config["MemorySwap"]
    assert spec.limits_of(config) == limits
    assert spec.limits_of(container_json(limits=limits)["HostConfig"]) == limits


def test_no_limit_is_not_a_limit_of_zero() -> None:
    assert not {"CpuQuota", "Memory"} & container_json()["HostConfig"].keys()


def test_a_container_has_as_much_log_as_the_node_gives() -> None:
    assert container_json()["HostConfig"]["LogConfig"]["Config"] == {"max-size": "10485760", "max-file": "5"}
    identity = names.Identity(False, "web-1", "default", "uid-1", "app", 3)
    little = LogRotation(4096, 2)
    made = spec.container_config(ContainerSpec("app", "app:1"), identity, OWNER, spec.SandboxModes(), logs=little)
    assert made["HostConfig"]["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "4096", "max-file": "2"}}


def test_mounts_survive_colons_in_paths() -> None:
    (mount,) = container_json(mounts=(Mount("/a:b", "/c:d", False, "rslave"),))["HostConfig"]["Mounts"]
    options = {"Propagation": "rslave"}
    assert mount == {"Type": "bind", "Source": "/a:b", "Target": "/c:d", "ReadOnly": False, "BindOptions": options}


@pytest.mark.parametrize(
    ("recursive", "option"),
    [("Disabled", {"ReadOnlyNonRecursive": True}), ("IfPossible", {}), ("Enabled", {"ReadOnlyForceRecursive": True})],
)
def test_the_mounts_below_a_read_only_one_stay_as_they_are_unless_asked(
    recursive: str, option: dict[str, bool]
) -> None:
    mounts = (Mount("/a", "/b", True, recursive_read_only=recursive),)
    (mount,) = container_json(mounts=mounts)["HostConfig"]["Mounts"]
    assert mount["ReadOnly"]
    assert mount["BindOptions"] == {"Propagation": "rprivate"} | option


def test_a_device_is_the_containers_to_read_and_write() -> None:
    config = container_json(block_devices=(BlockDevice("/dev/loop7", "/dev/xvda"),))
    device = {"PathOnHost": "/dev/loop7", "PathInContainer": "/dev/xvda", "CgroupPermissions": "rwm"}
    assert config["HostConfig"]["Devices"] == [device]


@pytest.mark.parametrize(
    ("security", "user"),
    [(Security(), None), (Security(user=0), "0"), (Security(user=5, group=6), "5:6"), (Security(group=6), "0:6")],
)
def test_users_and_groups(security: Security, user: str | None) -> None:
    assert container_json(security=security).get("User") == user


def test_scores_are_kept_to_what_the_machine_allows() -> None:
    assert host.lowest_oom_score("Name:\tx\nCapBnd:\t000001ffffffffff\n") == -1000
    assert host.lowest_oom_score("CapBnd:\t000001fffeffffff\n") == 0


def test_an_apparmor_profile_has_to_be_loaded_where_that_can_be_known(tmp_path: Path) -> None:
    loaded = tmp_path / "profiles"
    host.require_app_armor("mine", loaded)
    loaded.write_text("/usr/sbin/ntpd (enforce)\nmine (complain)\nmine-too (enforce)\n")
    for profile in ("mine", "/usr/sbin/ntpd", UNCONFINED, ""):
        host.require_app_armor(profile, loaded)
    with pytest.raises(RuntimeFailure, match=r"spec opts: apparmor profile not found min$") as refused:
        host.require_app_armor("min", loaded)
    assert refused.value.reason == "CreateContainerError"
    config = spec.sandbox_config(SANDBOX, OWNER, "pause:1", "pods", 0)
    assert config["HostConfig"]["OomScoreAdj"] == 0


@pytest.mark.parametrize(
    ("newest", "oldest", "chosen"),
    [("1.41", "1.12", "v1.41"), ("1.52", "1.44", "v1.44"), ("1.60", "1.50", "v1.50"), ("1.44", "1.24", "v1.44")],
)
def test_the_api_version_is_one_that_both_speak(newest: str, oldest: str, chosen: str) -> None:
    assert choose_version(newest, oldest) == chosen


@pytest.mark.parametrize("newest", ["1.39", "", "x.y"])
def test_an_engine_that_is_too_old_is_refused_in_one_line(newest: str) -> None:
    with pytest.raises(ConfigError) as failure:
        choose_version(newest, "1.12")
    assert "\n" not in str(failure.value)


def test_addresses_of_engines() -> None:
    assert endpoint.parse("unix:///a/b.sock", {}).path == "/a/b.sock"
    assert (endpoint.parse("tcp://[::1]:2375", {}).host, endpoint.parse("tcp://h:2375", {}).port) == ("::1", 2375)
    for wrong in ("ssh://me@host", "unix://relative", "tcp://host", "nonsense"):
        with pytest.raises(ConfigError):
            endpoint.parse(wrong, {})


def test_the_flag_wins_over_the_environment(tmp_path: Path) -> None:
    environ = {"DOCKER_HOST": "unix:///from/env", "DOCKER_CONFIG": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    assert endpoint.resolve("unix:///from/flag", environ).path == "/from/flag"
    assert endpoint.resolve(None, environ).path == "/from/env"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("busybox", ("busybox", "latest")),
        ("a/b:1", ("a/b", "1")),
        ("localhost:5000/a", ("localhost:5000/a", "latest")),
        ("r.io:1/a/b:x", ("r.io:1/a/b", "x")),
        ("a:1@sha256:" + "0" * 64, ("a", "sha256:" + "0" * 64)),
    ],
)
def test_image_references(name: str, parts: tuple[str, str]) -> None:
    assert images.parse_reference(name) == parts


@pytest.mark.parametrize("name", ["", "A", "a b", "a:", ":1", "a//b", "-a", "a@sha256:1"])
def test_a_reference_that_is_none_is_an_invalid_image_name(name: str) -> None:
    with pytest.raises(ImageFailure) as failure:
        images.parse_reference(name)
    assert failure.value.reason == "InvalidImageName"


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=20))), st.integers(1, 7))
def test_frames_come_out_whole_however_they_are_cut(written: list[tuple[int, bytes]], size: int) -> None:
    wire = b"".join(frame(stream, data) for stream, data in written)
    demultiplexer = logs.Demultiplexer(tty=False)
    found = [piece for start in range(0, len(wire), size) for piece in demultiplexer.feed(wire[start : start + size])]
    for stream in (1, 2):
        assert b"".join(p.data for p in found if p.stream == stream) == b"".join(d for s, d in written if s == stream)
    assert sum(piece.last for piece in found) == sum(data != b"" for _, data in written)


def test_a_terminal_has_no_frames() -> None:
    assert logs.Demultiplexer(tty=True).feed(b"\x01\x00raw") == [(1, b"\x01\x00raw", True)]


@given(st.integers(1, 9))
def test_a_long_line_has_one_time_however_it_comes(size: int) -> None:
    sent = [(1, b"T1 lo"), (2, b"T2 err\n"), (1, b"T3 ng"), (1, b"T4  er\n"), (1, b"T5 next\n"), (1, b"T6 \n")]
    wire = b"".join(frame(stream, data) for stream, data in sent)
    frames, stamps = logs.Demultiplexer(tty=False), logs.Lines(timestamps=True)
    found = [
        (piece.stream, stamps.show(piece))
        for at in range(0, len(wire), size)
        for piece in frames.feed(wire[at : at + size])
    ]
    assert b"".join(data for stream, data in found if stream == 1) == b"T1 long er\nT5 next\nT6 \n"
    assert b"".join(data for stream, data in found if stream == 2) == b"T2 err\n"


@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=30))
def test_what_a_terminal_wrote_is_in_frames_again(cuts: list[int]) -> None:
    sent = [b"T1 a b\r\n", b"T2 " + b"x" * 16384, b"T2 " + b"y" * 16384, b"T2 \r\n", b"T3 \r\n", b"T4 $ \r\n"]
    wire, frames, found = b"".join(sent), logs.TerminalFrames(), []
    for cut in [*cuts, len(wire)]:
        found += frames.feed(wire[:cut])
        wire = wire[cut:]
    assert found == [(1, frame, True) for frame in sent]
    shown = b"".join(map(logs.Lines(timestamps=True).show, found))
    assert shown == b"T1 a b\r\nT2 " + b"x" * 16384 + b"y" * 16384 + b"\r\nT3 \r\nT4 $ \r\n"


@pytest.mark.parametrize("timestamps", [True, False])
def test_lines_that_an_engine_says_again_are_shown_once(timestamps: bool) -> None:
    lines = logs.Lines(timestamps)
    sent = [(1, b"T1 a\n"), (2, b"T1 e\n"), (1, b"T2 lo"), (1, b"T2 ng\n"), (1, b"T3 b\n")]
    again = [*sent[2:], (1, b"T4 c\n")]
    shown = b"".join(lines.show(logs.Piece(stream, data, True)) for stream, data in [*sent, *sent, *again])
    assert shown == (b"T1 a\nT1 e\nT2 long\nT3 b\nT4 c\n" if timestamps else b"a\ne\nlong\nb\nc\n")
    assert lines.last == b"T4"


def test_a_time_of_the_engines_is_given_back_to_it_exactly() -> None:
    assert logs.epoch(b"2026-01-02T03:04:05.000000009Z") == "1767323045.000000009"


def test_log_parameters() -> None:
    assert logs.log_params(LogOptions())["tail"] == "all"
    assert "since" not in logs.log_params(LogOptions())
    assert logs.log_params(LogOptions(tail=0, since=1.5, follow=True)) == {
        "stdout": "1", "stderr": "1", "follow": "1", "timestamps": "0", "tail": "0", "since": "1.500000000",
    }  # fmt: skip


def inspect(status: str, code: int = 0, sandbox_: bool = False, **state: Any) -> records.Inspected:
    identity = (
        names.Identity.of_sandbox(SANDBOX) if sandbox_ else names.Identity(False, "web-1", "default", "uid-1", "app", 0)
    )
    answer = {
        "Id": "p" if sandbox_ else "c",
        "Created": "2026-01-02T03:04:05.123456789Z",
        "Image": "sha256:1",
        "Config": {"Image": "app:1", "Labels": {}},
        "State": {
            "Status": status,
            "ExitCode": code,
            "StartedAt": "2026-01-02T03:04:06Z",
            "FinishedAt": "0001-01-01T00:00:00Z",
            "OOMKilled": False,
            "Error": "",
        }
        | state,
        "NetworkSettings": {"Networks": {"pods": {"IPAddress": "10.244.0.5"}}},
    }
    return records.inspected(answer, identity)


def test_a_running_container() -> None:
    record = inspect("running").record
    assert (record.state, record.finished_at, record.id) == (ContainerState.RUNNING, 0.0, "docker://c")
    assert record.created_at == 1767323045.123456


def test_a_container_that_could_not_start_has_ended() -> None:
    record = inspect("created", 127, Error="no such file", StartedAt="0001-01-01T00:00:00Z").record
    assert (record.state, record.exit_code, record.error) == (ContainerState.EXITED, 127, "no such file")
    assert (record.started_at, record.finished_at) == (0.0, record.created_at)


def test_a_pod_is_ready_while_its_pause_container_runs() -> None:
    (running,) = records.pods([inspect("running"), inspect("running", sandbox_=True)])
    (dead,) = records.pods([inspect("running"), inspect("exited", sandbox_=True)])
    assert (running.ready, running.ip, running.attempt, len(running.containers)) == (True, "10.244.0.5", 2, 1)
    assert not dead.ready


def test_containers_without_a_sandbox_are_still_told() -> None:
    (pod,) = records.pods([inspect("exited")])
    assert (pod.sandbox_id, pod.uid, pod.ready) == ("", "uid-1", False)


def test_docker_s_own_dns_server_is_refused_only_where_the_file_is_written_by_us() -> None:
    def options(refuse: bool, **changes: Any) -> list[str]:
        asked = {"dns_servers": ("10.96.0.10",), "dns_options": ("ndots:5",)} | changes
        config = spec.sandbox_config(sandbox(**asked), OWNER, "pause:1", "pods", refuse_dns_server=refuse)
        return list(config["HostConfig"]["DnsOptions"])

    assert options(True) == ["ndots:-1"]
    assert options(False) == ["ndots:5"]
    assert options(True, dns_servers=("127.0.0.53",)) == ["ndots:5"]
    assert options(True, host_network=True) == ["ndots:5"]


def test_resolv_conf_has_what_the_pod_asked_for() -> None:
    made = dns.resolv_conf(sandbox(dns_servers=("10.96.0.10",), dns_searches=("a", "b"), dns_options=("ndots:5",)))
    assert made == "search a b\nnameserver 10.96.0.10\noptions ndots:5\n"


def test_servers_on_the_nodes_loopback_are_left_out_of_a_pods_network() -> None:
    assert dns.reachable_servers(sandbox(dns_servers=("127.0.0.53", "9.9.9.9"))) == ["9.9.9.9"]
    assert dns.reachable_servers(sandbox(dns_servers=("127.0.0.53",), host_network=True)) == ["127.0.0.53"]


def test_the_file_cache_is_no_working_set() -> None:
    answer = {
        "cpu_stats": {"cpu_usage": {"total_usage": 7}},
        "memory_stats": {"usage": 100, "stats": {"inactive_file": 30}},
    }
    assert (stats_of(answer).cpu_nanoseconds, stats_of(answer).memory_bytes) == (7, 70)


def test_an_unknown_error_is_not_swallowed() -> None:
    import aiodocker

    with suppress_gone():
        raise aiodocker.DockerError(404, "No such container: x")
    with pytest.raises(aiodocker.DockerError), suppress_gone():
        raise aiodocker.DockerError(500, "driver failed")


def test_podman_is_asked_for_the_hostname_of_the_sandbox_which_docker_gives_unasked() -> None:
    assert container_json(podman=True)["HostConfig"]["UTSMode"] == "container:abc"
    assert "UTSMode" not in container_json()["HostConfig"]


def test_a_name_that_is_taken_is_told_by_either_engine() -> None:
    assert is_taken(DockerError(409, 'Conflict. The container name "/x" is already in use'))
    assert is_taken(DockerError(500, "creating container storage: ... that name is already in use"))
    assert not is_taken(DockerError(500, "no space left on device"))


@pytest.mark.looptime
async def test_a_pull_without_progress_does_not_last() -> None:
    progress = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    loop.call_later(50, progress.feed_data, b'{"status": "Downloading"}\n')
    begun = loop.time()
    with pytest.raises(TimeoutError):
        await images._until_done(progress, 60)  # type: ignore[arg-type]
    assert loop.time() - begun == 110


@pytest.mark.parametrize("host", ["", "docker.io/", "localhost/"])
def test_an_image_of_the_engine_is_told_as_it_is(host: str) -> None:
    own = {"Id": "ab", "RepoTags": [f"{host}kube-actors/pause:1"], "RepoDigests": None, "Size": 7}
    assert images.image_of(own) == Image("sha256:ab", (f"{host}kube-actors/pause:1",), 7, pinned=True)
    config = {"User": "web:staff"}
    answer = {"Id": "sha256:ab", "RepoTags": ["web:1"], "RepoDigests": ["web@sha256:c"], "Config": config}
    assert images.image_of(answer) == Image("sha256:ab", ("web:1",), 0, user_name="web", digests=("web@sha256:c",))
    dangling = {"Id": "sha256:ab", "RepoTags": ["<none>:<none>"], "Config": {"User": "7:8"}}
    assert images.image_of(dangling) == Image("sha256:ab", (), 0, user=7)
