"""The pause program that the package writes itself."""

from __future__ import annotations

import io
import platform
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from kube_actors.node.runtime.docker import elf, pause

HERE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "")


@pytest.mark.parametrize("machine", sorted(pause.MACHINES))
def test_it_is_a_small_static_program(machine: str) -> None:
    program = pause.pause_program(machine)
    assert elf.is_elf(program)
    assert elf.interpreter(program) is None
    assert len(program) < 512


@pytest.mark.parametrize("machine", sorted(pause.MACHINES))
def test_its_code_and_data_lie_in_the_segment_that_is_loaded(machine: str) -> None:
    program = pause.pause_program(machine)
    assert program.endswith(pause.DATA)
    assert elf.without_debug(program) == program


def test_backward_jumps_of_aarch64_go_to_the_wait() -> None:
    words = [
        int.from_bytes(code[index : index + 4], "little")
        for code in [pause._aarch64(pause.BASE, pause.BASE)]
        for index in range(0, len(code), 4)
    ]
    (jump,) = [index for index, word in enumerate(words) if word >> 24 == 0x37]
    offset = words[jump] >> 5 & 0x3FFF
    target = jump + (offset - 0x4000 if offset & 0x2000 else offset)
    calls = [index for index, word in enumerate(words) if word == 0xD4000001]
    assert target == calls[1] + 1


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_it_is_told_to_end(tmp_path: Path, sign: signal.Signals) -> None:
    if not HERE:
        pytest.skip(f"the pause program is not written for {platform.machine()}")
    path = tmp_path / "pause"
    path.write_bytes(pause.pause_program(HERE))
    path.chmod(0o755)
    process = subprocess.Popen([path])
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1)
        process.send_signal(sign)
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.wait()


def test_the_image_has_one_executable_file_and_the_name_of_its_content() -> None:
    with tarfile.open(fileobj=io.BytesIO(pause.pause_image("amd64"))) as archive:
        (member,) = archive.getmembers()
    assert (member.name, member.mode) == ("pause", 0o755)
    assert pause.pause_image_name("amd64") != pause.pause_image_name("arm64")
    assert pause.pause_image("amd64") == pause.pause_image("amd64")
