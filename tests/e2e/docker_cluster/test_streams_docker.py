"""Streams of containers on Docker, and their way to the API server."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests import rotated_logs
from tests.e2e.docker_cluster.cluster import Space, pod
from tests.e2e.lab import BUSYBOX_IMAGE
from tests.kactl_cluster import kactl, until

# Whether something listens at the address that every pod is told, and whether anything would be believed.
REACH = "nc -w 5 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT </dev/null; echo $?; "
REACH += "nc -w 2 $POD_IP 9 </dev/null; echo $?"
SERVE = "echo begun; mkdir /www; echo page >/www/index.html; exec httpd -f -p 8080 -h /www"
WIDE = "head -c 40000 /dev/zero | tr '\\0' x; echo; sleep 3600"
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode(), end='')"
KUBECTL = "KUBECTL_REMOTE_COMMAND_WEBSOCKETS"
# Programs, and the ways in which they talk with the API server.
WAYS = {
    "websocket": ("env", f"{KUBECTL}=true", "kubectl"),
    "spdy": ("env", f"{KUBECTL}=false", "kubectl"),
    "grpc": kactl(),
}


def test_streams_of_containers_and_their_way_to_the_api_server(space: Space) -> None:
    ip = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    space.create(pod("web", SERVE, env=[ip]))
    space.wait("web")
    assert space.kubectl("get", "--raw", f"/api/v1/namespaces/{space.name}/pods/web:8080/proxy/") == "page\n"
    assert space.kubectl("logs", "web") == "begun\n"
    assert space.sh("web", REACH).split() == ["0", "1"]
    for program in (WAYS["websocket"], WAYS["grpc"]):
        with space.cluster.popen(*program, "port-forward", "-n", space.name, "web", ":8080") as forward:
            assert forward.stdout is not None
            found = re.search(rb"127.0.0.1:(\d+)", forward.stdout.readline())
            assert found
            for _ in range(3):
                page = space.cluster.run(sys.executable, "-c", FETCH, f"http://127.0.0.1:{int(found[1])}/")
                assert page.stdout == "page\n"
    node = space.pod("web")["spec"]["nodeName"]
    summary = json.loads(space.cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
    assert "web" in {each["podRef"]["name"] for each in summary["pods"]}
    until(lambda: "web" in space.kubectl("top", "pod", "web"))


@pytest.mark.parametrize("program", WAYS.values(), ids=WAYS.keys())
def test_commands_have_exit_codes_terminals_and_files(space: Space, tmp_path: Path, program: tuple[str, ...]) -> None:
    def words(command: str, *rest: str) -> tuple[str, ...]:
        return (*program, command, "-n", space.name, *rest)

    space.create(pod("shell", "echo begun; cat", stdin=True))
    space.wait("shell")
    failed = space.cluster.run(*words("exec", "shell", "--", "sh", "-c", "echo out; echo err >&2; exit 7"))
    assert (failed.returncode, failed.stdout) == (7, "out\n")
    assert failed.stderr.splitlines() == ["err", "command terminated with exit code 7"]
    through = space.cluster.run(*words("exec", "-i", "shell", "--", "wc", "-c"), stdin=b"x" * 3_000_000)
    assert through.stdout.strip() == "3000000"
    lost = space.cluster.run(*words("exec", "shell", "--", "no-such-command"))
    assert lost.returncode in (1, 126, 127)
    # Without stdinOnce the container's input stays open when a client's has ended, and the client stays too.
    with (
        space.cluster.popen(*words("logs", "-f", "shell")) as follower,
        space.cluster.popen(*words("attach", "-i", "shell")) as said,
    ):
        assert said.stdin is not None
        assert follower.stdout is not None
        said.stdin.write(b"heard\n")
        said.stdin.flush()
        assert [follower.stdout.readline() for _ in range(2)] == [b"begun\n", b"heard\n"]
    with space.cluster.terminal(*words("exec", "-it", "shell", "--", "sh")) as shown:
        shown.until("# ")
        shown.resize(33, 101)
        shown.type("test -t 0 && echo a-terminal; until stty size | grep '33 101'; do sleep 0.1; done; exit 3\n")
        shown.until("\na-terminal")
        shown.until("\n33 101")
        assert shown.wait() == 3
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "data").write_bytes(os.urandom(5 << 20))
    assert space.cluster.run(*words("cp", str(folder), "shell:/tmp/copied")).returncode == 0
    assert space.cluster.run(*words("cp", "shell:/tmp/copied", str(tmp_path / "back"))).returncode == 0
    assert (tmp_path / "back" / "data").read_bytes() == (folder / "data").read_bytes()


def test_run_makes_a_pod_to_talk_with_and_takes_it_away(space: Space) -> None:
    words = ("run", "talk", "-it", "--rm", "--restart=Never", f"--image={BUSYBOX_IMAGE}", "--", "sh")
    with space.cluster.terminal("kubectl", "-n", space.name, *words) as shown:
        shown.until("# ", seconds=60)
        shown.type("echo $((6 * 7))\n")
        shown.until("\n42")
        shown.type("exit 0\n")
        assert shown.wait() == 0
    until(lambda: space.run("get", "pod", "talk").returncode == 1)


def test_logs_are_read_in_every_way(space: Space) -> None:
    lines = "for i in 1 2 3 4 5; do echo line $i; done"
    setup = {"name": "setup", "image": BUSYBOX_IMAGE, "command": ["echo", "set up"]}
    space.create(
        pod("done", lines, spec={"restartPolicy": "Never", "initContainers": [setup]}),
        pod("again", f"{lines}; test -e /memory/ran && sleep 3600; touch /memory/ran; exit 1",
            spec={"volumes": [{"name": "m", "emptyDir": {}}]}, volumeMounts=[{"name": "m", "mountPath": "/memory"}]),
        pod("talks", "i=0; while [ $i -lt 8 ]; do echo tick $i; i=$((i+1)); sleep 0.3; done",
            spec={"restartPolicy": "Never"}),
        pod("wide", WIDE),
        pod("terminal", WIDE, tty=True),
    )  # fmt: skip
    space.wait("talks")
    assert space.kubectl("logs", "-f", "talks").splitlines() == [f"tick {i}" for i in range(8)]
    space.phase("done", "Succeeded")
    assert space.kubectl("logs", "done", "--tail=2") == "line 4\nline 5\n"
    assert space.kubectl("logs", "done", "--limit-bytes=4") == "line"
    assert space.kubectl("logs", "done", "-c", "setup") == "set up\n"
    assert space.kubectl("logs", "done", "--all-containers", "--prefix").splitlines()[0] == "[pod/done/setup] set up"
    stamped = space.kubectl("logs", "done", "--timestamps").splitlines()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z line \d", each) for each in stamped)
    middle = stamped[2].split()[0]
    assert space.kubectl("logs", "done", f"--since-time={middle}").splitlines()[-1] == "line 5"
    until(lambda: space.container("again")["restartCount"] == 1)
    assert space.kubectl("logs", "again", "--previous").splitlines() == [f"line {i}" for i in range(1, 6)]
    assert until(lambda: space.kubectl("logs", "wide")) == "x" * 40000 + "\n"
    assert until(lambda: space.kubectl("logs", "terminal")) == "x" * 40000 + "\r\n"
    for name in ("wide", "terminal"):
        wide = space.kubectl("logs", name, "--timestamps")
        assert re.fullmatch(r"[-\dT:.]+Z x{40000}\r?\n", wide), wide[:60]
    assert space.run("logs", "done", "-c", "none").returncode == 1


def test_logs_are_read_over_their_rotation(space: Space) -> None:
    writes = rotated_logs.script(8000, 999, 50)
    space.create(pod("p", writes, spec=rotated_logs.VOLUMES, **rotated_logs.MEMORY))
    rotated_logs.read_in_every_way(space, "p", lines=8000, tail=3000)
