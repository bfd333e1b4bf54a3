"""kactl exec, attach, port-forward and cp, over gRPC; and kubectl cp beside it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.integration.streams.conftest import Running
from tests.integration.streams.test_port_forward import fetch

KACTL = (sys.executable, "-m", "kube_actors_cli.main")


def where(running: Running) -> tuple[str, str]:
    return "--kubeconfig", str(running.cluster.kubeconfig)


def test_exec_carries_bytes_both_ways_and_the_exit_code(running: Running) -> None:
    data = os.urandom(300_000)
    command = ("sh", "-c", "cat; echo err >&2; exit 3")
    with running.popen(*KACTL, "exec", *where(running), "-i", "shell", "--", *command) as process:
        output, complaints = process.communicate(data, timeout=60)
    assert (process.returncode, output) == (3, data)
    assert complaints.splitlines() == [b"err", b"command terminated with exit code 3"]


def test_exec_refuses_what_is_not_there(running: Running) -> None:
    complaint = running.kactl("exec", *where(running), "nope", "--", "ls", code=1)
    assert complaint == 'Error from server (NotFound): pods "nope" not found\n'
    complaint = running.kactl("exec", *where(running), "shell", "-c", "zz", "--", "ls", code=1)
    assert "container zz is not valid for pod shell" in complaint
    assert running.kactl("exec", *where(running), "shell", code=1).startswith("error: you must specify at least one")


def test_a_terminal(running: Running) -> None:
    with running.terminal(*KACTL, "exec", *where(running), "-it", "shell", "--", "sh") as terminal:
        terminal.until("$ " if os.geteuid() else "# ")
        terminal.type("tty; echo $((6 * 7))\n")
        terminal.until("/dev/pts/")
        terminal.until("42")
        terminal.type("exit 5\n")
        terminal.until("command terminated with exit code 5")
        assert terminal.wait() == 5


def test_attach_takes_part_in_the_main_process(running: Running) -> None:
    with running.popen(*KACTL, "attach", *where(running), "-i", "echo") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"kactl\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"got kactl\n"


def test_ports_are_forwarded(running: Running) -> None:
    with running.popen(*KACTL, "port-forward", *where(running), "web", ":8080", ":81") as process:
        assert process.stdout is not None
        ports = [int(process.stdout.readline().split()[2].rpartition(b":")[2]) for _ in range(2)]
        assert fetch(ports[0], "/kactl") == "GET /kactl "
        with pytest.raises(OSError):
            fetch(ports[1])
        assert process.stderr is not None
        assert b"connection refused" in process.stderr.readline()


@pytest.mark.parametrize("program", ["kactl", "kubectl"])
def test_files_and_folders_are_copied_there_and_back(running: Running, tmp_path: Path, program: str) -> None:
    def copy(source: str, target: str) -> None:
        (running.kactl if program == "kactl" else running.kubectl)("cp", *where(running), source, target)

    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/file").write_bytes(os.urandom(100_000))
    (tmp_path / "tree/run").write_text("#!/bin/sh\n")
    (tmp_path / "tree/run").chmod(0o755)
    there = tmp_path / "there"
    there.mkdir()
    copy(str(tmp_path / "tree"), f"shell:{there}/tree")
    copy(f"default/shell:{there}/tree", str(tmp_path / "back"))
    assert (tmp_path / "back/sub/file").read_bytes() == (tmp_path / "tree/sub/file").read_bytes()
    # kubectl drops modes.
    assert os.access(tmp_path / "back/run", os.X_OK) == (program == "kactl")
    copy(f"shell:{there}/tree/run", str(tmp_path / "single"))
    assert (tmp_path / "single").read_text() == "#!/bin/sh\n"


def test_a_file_that_is_not_there_is_told(running: Running, tmp_path: Path) -> None:
    complaint = running.kactl("cp", *where(running), "shell:/no/such/file", str(tmp_path / "x"), code=2)
    assert "tar: " in complaint
    assert "doesn't exist" in running.kactl("cp", *where(running), "/no/such", "shell:/tmp/x", code=1)
