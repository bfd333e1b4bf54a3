"""The official Python client, and bare WebSockets with each subprotocol."""

from __future__ import annotations

import base64
import gc
import json
import ssl
from collections.abc import Iterator

import pytest
import websocket
from kubernetes import client, config
from kubernetes.stream import stream

from tests.integration.streams.conftest import Running

# The client leaves its sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")

EXEC = "/api/v1/namespaces/default/pods/shell/exec?stdout=1&stderr=1&stdin=1&command=sh&command=-c&command="


@pytest.fixture
def core(running: Running) -> Iterator[client.CoreV1Api]:
    with config.new_client_from_config(str(running.cluster.kubeconfig)) as api:
        yield client.CoreV1Api(api)


@pytest.fixture(autouse=True)
def what_the_client_left_goes_with_its_test() -> Iterator[None]:
    yield
    gc.collect()


def open_socket(running: Running, script: str, *protocols: str) -> websocket.WebSocket:
    url = running.cluster.rest_url.replace("https", "wss") + EXEC + script
    options = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    header = [f"Authorization: Bearer {running.cluster.token}"]
    return websocket.create_connection(url, sslopt=options, header=header, subprotocols=list(protocols), timeout=20)


def messages(socket: websocket.WebSocket) -> list[bytes | str]:
    found = []
    while True:
        kind, data = socket.recv_data()
        if kind == websocket.ABNF.OPCODE_CLOSE:
            socket.shutdown()
            return found
        found.append(data.decode() if kind == websocket.ABNF.OPCODE_TEXT else data)


def test_exec_answers_the_output(core: client.CoreV1Api) -> None:
    words = ["sh", "-c", "echo one; echo two >&2"]
    found = stream(
        core.connect_get_namespaced_pod_exec, "shell", "default", command=words, stdout=True, stderr=True, stdin=False
    )
    assert sorted(found.split()) == ["one", "two"]


def test_exec_is_a_conversation_with_an_exit_code(core: client.CoreV1Api) -> None:
    session = stream(
        core.connect_get_namespaced_pod_exec,
        "shell",
        "default",
        command=["sh", "-c", "read line; echo got $line; exit 3"],
        stdin=True,
        stdout=True,
        stderr=True,
        _preload_content=False,
    )
    session.write_stdin("hello\n")
    session.run_forever(timeout=20)
    assert session.read_stdout() == "got hello\n"
    assert session.returncode == 3


@pytest.mark.parametrize("name", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
def test_the_error_channel_carries_a_status(running: Running, name: str) -> None:
    socket = open_socket(running, "echo%20out%3B%20exit%203", name)
    assert socket.subprotocol == name
    found = messages(socket)
    assert found[:2] == [b"\1", b"\1out\n"]
    status = json.loads(found[-1][1:])
    assert (found[-1][0], status["reason"], status["details"]["causes"]) == (
        3,
        "NonZeroExitCode",
        [{"reason": "ExitCode", "message": "3"}],
    )


@pytest.mark.parametrize("protocols", [(), ("channel.k8s.io",), ("unknown", "channel.k8s.io")])
def test_the_first_version_says_nothing_of_success_and_a_text_of_failure(
    running: Running, protocols: tuple[str, ...]
) -> None:
    assert messages(open_socket(running, "echo%20out", *protocols)) == [b"\1", b"\1out\n"]
    found = messages(open_socket(running, "exit%203", *protocols))
    text = b"\3command terminated with non-zero exit code: command terminated with exit code 3"
    assert found == [b"\1", text]


def test_base64_channels_are_texts(running: Running) -> None:
    socket = open_socket(running, "read%20x%3B%20echo%20$x", "base64.channel.k8s.io")
    socket.send("0" + base64.b64encode(b"abc\n").decode())
    assert messages(socket) == ["1", "1" + base64.b64encode(b"abc\n").decode()]


def test_stdin_can_end_alone_with_v5(running: Running) -> None:
    socket = open_socket(running, "wc%20-c", "v5.channel.k8s.io")
    socket.send_binary(b"\0abc")
    socket.send_binary(b"\xff\0")
    assert messages(socket)[1].split() == [b"\x013"]


def test_an_unknown_subprotocol_is_refused_before_the_upgrade(running: Running) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
        open_socket(running, "true", "v9.channel.k8s.io")
    assert refusal.value.status_code == 400
    assert json.loads(refusal.value.resp_body)["reason"] == "BadRequest"


def test_broken_messages_are_ignored(running: Running) -> None:
    socket = open_socket(running, "cat", "v5.channel.k8s.io")
    for broken in (b"", b"\4{", b"\4[1]", b'\4{"Width":-1,"Height":99999999}', b"\x63x", b"\xff", b"\xff\x09"):
        socket.send_binary(broken)
    socket.send_binary(b"\0fine\n")
    socket.send_binary(b"\xff\0")
    assert messages(socket)[1:2] == [b"\1fine\n"]
