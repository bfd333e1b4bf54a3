"""The process runtime's formats, plans and names."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.node.runtime.interface import (
    ContainerSpec,
    Image,
    ImageFailure,
    LogOptions,
    Mount,
    NoSuchContainer,
    RuntimeFailure,
    SandboxSpec,
)
from kube_actors.node.runtime.process import images, layout, plan
from kube_actors.node.runtime.process.changes import Changes
from kube_actors.node.runtime.process.logs import Formatter
from kube_actors.node.runtime.process.runtime import signal_number
from kube_actors.node.runtime.process.shim import frames, isolate
from kube_actors.node.runtime.process.shim.logfile import stamp
from kube_actors.node.runtime.process.shim.supervisor import code_of

SANDBOX = plan.sandbox_content(SandboxSpec("ns", "web", "u", "web", ip="127.128.0.2"), 1.0, "boot")


def content(spec: ContainerSpec, mode: str = isolate.ROOT, image_root: str = "", **changes: Any) -> dict[str, Any]:
    return plan.container_content(
        spec, SANDBOX, Image("host", (spec.image,), 0), image_root=image_root, mode=mode, python="/py",
        environ={"PATH": "/p", "HOME": "/h", "SECRET": "x"}, mounts_root="/m", resolv_conf="", now=1.0, **changes,
    )  # fmt: skip


def test_a_container_has_its_own_environment_and_nothing_of_the_nodes_but_where_programs_are() -> None:
    made = content(ContainerSpec("c", "i", command=("a",), env=(("A", "1"), ("HOME", "/x"))))
    assert made["env"] == {"PATH": "/p", "HOME": "/x", "HOSTNAME": "web", "A": "1"}


def test_command_and_args_are_one_command_line() -> None:
    assert content(ContainerSpec("c", "i", command=("a",), args=("b",)))["command"] == ["a", "b"]
    assert content(ContainerSpec("c", "i", args=("b",)))["command"] == ["b"]


def test_a_container_without_a_command_is_refused_with_what_to_do() -> None:
    with pytest.raises(RuntimeFailure, match="set command") as failure:
        content(ContainerSpec("c", "nginx"))
    assert failure.value.reason == "CreateContainerError"


def test_without_namespaces_volumes_are_below_a_variable() -> None:
    spec = ContainerSpec("c", "i", command=("a",), mounts=(Mount("/host", "/data/x"),))
    made = content(spec, isolate.NONE)
    assert made["mounts"] == []
    assert made["env"][plan.ROOT_VARIABLE] == "/m"
    assert plan.links(spec) == [("data/x", "/host")]
    assert plan.ROOT_VARIABLE not in content(spec)["env"]


def test_a_root_of_its_own_needs_namespaces() -> None:
    with pytest.raises(RuntimeFailure, match="user namespaces"):
        content(ContainerSpec("c", "/root-fs", command=("a",)), isolate.NONE, "/root-fs")


@given(
    st.from_regex(r"[a-z0-9-]{1,8}", fullmatch=True),
    st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True),
    st.integers(0, 99),
)
def test_ids_are_read_back(uid: str, name: str, attempt: int) -> None:
    made = layout.ContainerId(f"u{uid}", name, attempt)
    assert layout.ContainerId.parse(str(made)) == made
    assert layout.uid_of_sandbox(layout.sandbox_id(made.uid, attempt)) == made.uid


@pytest.mark.parametrize(
    "text", ["", "process://", "process://../x_a_0", "process://u_a_x", "docker://abc", "process://u_.._0"]
)
def test_what_is_no_id_names_no_path(text: str) -> None:
    with pytest.raises(NoSuchContainer):
        layout.ContainerId.parse(text)


@pytest.mark.parametrize(
    ("name", "path"), [("nginx:1", None), ("folder:/srv/a", "/srv/a"), ("/srv/a.tar", "/srv/a.tar"), ("a/b", None)]
)
def test_only_paths_are_images(name: str, path: str | None) -> None:
    found = images.path_of(name)
    assert (None if found is None else str(found)) == path


def test_a_relative_folder_is_no_image(tmp_path: Any) -> None:
    with pytest.raises(ImageFailure):
        images.Images(tmp_path).find("folder:here")


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=50))), st.integers(1, 9))
def test_frames_of_attach_come_out_whole(written: list[tuple[int, bytes]], size: int) -> None:
    wire = b"".join(frames.encode(kind, data) for kind, data in written)
    decoder = frames.Decoder()
    found = [frame for start in range(0, len(wire), size) for frame in decoder.feed(wire[start : start + size])]
    assert found == written


def test_a_monstrous_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="a frame of"):
        frames.Decoder().feed(b"\x01\xff\xff\xff\xff")


def test_times_have_nine_digits() -> None:
    assert stamp(1767323045_000000001) == b"2026-01-02T03:04:05.000000001Z"


def records(*lines: tuple[str, str]) -> list[bytes]:
    return [f"2026-01-02T03:04:0{n}.000000000Z stdout {tag} {text}".encode() for n, (tag, text) in enumerate(lines)]


def test_parts_of_a_line_are_joined_and_stamped_once() -> None:
    shown = Formatter(LogOptions(timestamps=True)).show(records(("P", "ab"), ("F", "cd"), ("F", "ef")))
    assert shown == b"2026-01-02T03:04:00.000000000Z abcd\n2026-01-02T03:04:02.000000000Z ef\n"


def test_older_lines_are_held_back() -> None:
    options = LogOptions(since=parse_rfc3339("2026-01-02T03:04:00.5Z"))
    assert Formatter(options).show(records(("F", "a"), ("F", "b"))) == b"b\n"


def test_output_is_cut_at_the_limit() -> None:
    formatter = Formatter(LogOptions(limit_bytes=3))
    assert formatter.show(records(("F", "abcdef"))) == b"abc"
    assert formatter.done


def test_a_torn_record_is_left_out() -> None:
    assert Formatter(LogOptions()).show([b"2026-01-02T03", *records(("F", "a"))]) == b"a\n"


@pytest.mark.parametrize(("status", "code"), [(0, 0), (3 << 8, 3), (9, 137), (15, 143)])
def test_exit_codes_count_signals_from_128(status: int, code: int) -> None:
    assert code_of(status) == code


@pytest.mark.parametrize(("name", "number"), [("SIGUSR1", 10), ("usr1", 10), ("9", 9), ("", 15), ("nonsense", 15)])
def test_stop_signals(name: str, number: int) -> None:
    assert signal_number(name) == number


async def test_a_pod_that_changes_often_is_told_once_to_a_slow_reader() -> None:
    changes = Changes()
    subscription = changes.subscribe()
    first = asyncio.ensure_future(anext(subscription))  # noqa: TID251
    await asyncio.sleep(0)
    for uid in ("a", "a", "b", "a"):
        changes.tell(uid)
    assert await first == "a"
    assert await anext(subscription) == "b"
    changes.close()
    with pytest.raises(StopAsyncIteration):
        await anext(subscription)


def test_a_runtime_is_made_by_its_name(tmp_path: Any) -> None:
    from kube_actors.api.errors import ConfigError
    from kube_actors.node.runtime.select import KINDS, create_runtime

    assert [create_runtime(kind, cluster="c", node="n", root_dir=tmp_path).name for kind in KINDS] == list(KINDS)
    with pytest.raises(ConfigError, match="unknown"):
        create_runtime("rkt", cluster="c", node="n", root_dir=tmp_path)
