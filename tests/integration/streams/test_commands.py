"""exec and attach as kubectl does them, over WebSockets and over SPDY, with pipes and with a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import time
from collections.abc import Callable

import pytest

from tests.integration.streams.conftest import Running, pod

TRANSPORTS = [{}, {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}]
each_transport = pytest.mark.parametrize("transport", TRANSPORTS, ids=["websocket", "spdy"])


@each_transport
def test_output_errors_and_the_exit_code_come_back(running: Running, transport: dict[str, str]) -> None:
    words = ("kubectl", "exec", "shell", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    with running.popen(*words, env=transport) as process:
        output, complaints = process.communicate(timeout=20)
    assert (process.returncode, output) == (3, b"out\n")
    assert complaints.splitlines() == [b"err", b"command terminated with exit code 3"]


@each_transport
def test_input_ends_and_the_output_goes_on(running: Running, transport: dict[str, str]) -> None:
    # `wc` answers only when its input has ended; sizes beyond every buffer on the way.
    data = os.urandom(3 << 20)
    assert running.kubectl("exec", "-i", "shell", "--", "wc", "-c", stdin=data, **transport).split() == [str(len(data))]


@each_transport
def test_bytes_of_any_kind_go_through_unchanged(running: Running, transport: dict[str, str]) -> None:
    data = os.urandom(1 << 20)
    with running.popen("kubectl", "exec", "-i", "shell", "--", "cat", env=transport) as process:
        output, _ = process.communicate(data, timeout=20)
    assert output == data


@each_transport
def test_a_terminal_has_a_size_a_prompt_and_an_exit_code(running: Running, transport: dict[str, str]) -> None:
    with running.terminal("kubectl", "exec", "-it", "shell", "--", "sh", **transport) as terminal:
        terminal.until("$ " if os.geteuid() else "# ")
        terminal.resize(33, 101)
        terminal.type("tty\n")
        terminal.until("/dev/pts/")
        terminal.type("stty size\n")
        terminal.until("33 101")
        terminal.type("exit 7\n")
        terminal.until("command terminated with exit code 7")
        assert terminal.wait() == 7


def test_what_is_not_there_is_refused_in_kubernetes_words(running: Running) -> None:
    assert running.kubectl("exec", "nope", "--", "ls", code=1) == (
        'Error from server (NotFound): pods "nope" not found\n'
    )
    assert running.kubectl("exec", "shell", "-c", "zz", "--", "ls", code=1) == (
        "Error from server (BadRequest): container zz is not valid for pod shell\n"
    )


def test_an_exec_into_a_container_that_has_ended_says_so(running: Running) -> None:
    ended = pod("ended", command=["sh", "-c", "exit 0"])
    ended["spec"]["restartPolicy"] = "Never"
    running.kubectl("create", "-f", "-", stdin=json.dumps(ended).encode())
    running.kubectl("wait", "pod/ended", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=20s")
    complaint = running.kubectl("exec", "ended", "--", "ls", code=1)
    assert "cannot exec into a container in a completed pod; current phase is Succeeded" in complaint


@each_transport
def test_attach_takes_part_in_the_main_process(running: Running, transport: dict[str, str]) -> None:
    with running.popen("kubectl", "attach", "-i", "echo", env=transport) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"got hello\n"


def test_run_makes_a_pod_talks_to_it_and_removes_it(running: Running) -> None:
    # As `kubectl run -i --rm` in a script: input by a pipe, the exit code of the container.
    words = ("run", "once", "-i", "--rm", "--quiet", "--image=host", "--restart=Never", "--", "sh", "-c", "cat; exit 5")
    with running.popen("kubectl", *words) as process:
        output, complaints = process.communicate(b"piped\n", timeout=60)
    assert (process.returncode, output) == (5, b"piped\n"), complaints
    assert "not found" in running.kubectl("get", "pod", "once", code=1)


def test_run_with_a_terminal(running: Running) -> None:
    words = ("kubectl", "run", "term", "-it", "--rm", "--image=host", "--restart=Never", "--", "sh")
    with running.terminal(*words) as terminal:
        terminal.type("\n")
        terminal.until("$ " if os.geteuid() else "# ")
        terminal.type("echo $((6 * 7))\n")
        terminal.until("42")
        terminal.type("exit 0\n")
        terminal.until('pod "term" deleted')
        assert terminal.wait() == 0


def test_a_client_that_goes_ends_its_command(running: Running) -> None:
    with running.popen("kubectl", "exec", "shell", "--", "sh", "-c", "echo begun; exec sleep 98765") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        wait_until(lambda: commands("sleep", "98765") != [])
    wait_until(lambda: commands("sleep", "98765") == [])


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def commands(*words: str) -> list[str]:
    """The processes of this machine that run this command."""
    wanted = "\0".join((*words, "")).encode()
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == wanted:
                found.append(path.parent.name)
    return found
