"""The demo on Ray: every actor is killed in turn, nothing is lost; `down` leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).parents[3] / "cluster_configs" / "demo.yaml"
RAY_HOST = "kube-actors.io/ray-host"
KINDS = ("Store", "APIServer", "Scheduler", "ControllerManager", "NodeAgent")

pytestmark = pytest.mark.timeout(600)


def _containers(kactl: Any) -> dict[str, tuple[str, int]]:
    pods = json.loads(kactl("get", "pods", "-n", "demo", "-o", "json"))["items"]
    # A pod that was just made has no status yet.
    begun = [pod for pod in pods if "containerStatuses" in pod["status"]]
    statuses = [(pod["metadata"]["name"], pod["status"]["containerStatuses"][0]) for pod in begun]
    return {name: (status["containerID"], status["restartCount"]) for name, status in statuses}


def _fetch(kactl: Any) -> str:
    service = json.loads(kactl("get", "service", "web", "-n", "demo", "-o", "json"))
    address = f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}/"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=5) as answer:
        return str(answer.read().decode())


def _ray(kactl: Any, program: str) -> str:
    """Run a program as a driver of the cluster's Ray."""
    ray = kactl.record()["ray"]
    environment = {
        **kactl.environment,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(kactl.home / "default" / "ray-token"),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }
    setup = f"import json, ray; ray.init(address={ray['address']!r}, log_to_driver=False, logging_level='ERROR')\n"
    answer = subprocess.run(
        [sys.executable, "-c", setup + program], env=environment, capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def demo(running: Any) -> Any:
    """The demo, rolled out."""
    running("apply", "-f", str(DEMO))
    running("rollout", "status", "deployment/web", "-n", "demo", "--timeout", "90s")
    return running


def test_actors_show_in_ray_as_what_they_are(running: Any) -> None:
    program = (
        "from ray.util.state import list_actors\n"
        "print(json.dumps([[a.class_name, a.name, a.ray_namespace, a.state, a.repr_name, a.is_detached]"
        " for a in list_actors(detail=True)]))\n"
    )
    actors = {row[0]: row[1:] for row in json.loads(_ray(running, program).splitlines()[-1])}
    assert set(actors) == {*KINDS, "Supervisor"}
    assert actors["APIServer"] == ["apiserver@master-1", "kube-actors", "ALIVE", "APIServer[master-1]", True]
    assert actors["NodeAgent"] == ["nodeagent@node-1", "kube-actors", "ALIVE", "NodeAgent[node-1]", True]


def test_ray_and_the_components_listen_on_loopback_only(running: Any) -> None:
    pids = {str(component["pid"]) for component in running.components().values()}
    lines = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout.splitlines()
    mine = [line.split()[3] for line in lines if any(f"pid={pid}," in line for pid in pids)]
    assert mine
    assert all(address.startswith(("127.", "[::ffff:127.")) for address in mine), mine


def test_a_second_up_says_that_it_runs(running: Any) -> None:
    code, out, err = running.run("up", "-f", str(running.config))
    assert (code, out) == (1, "")
    assert err == "error: cluster 'default' runs already; use it, or end it with 'kactl down'\n"
    assert set(running.components()) == set(KINDS)


def test_the_demo_answers_through_its_service(demo: Any) -> None:
    assert _fetch(demo).startswith("Hello from kube_actors, Ada!")
    assert "serving on 127." in demo("logs", "deployment/web", "-n", "demo")


@pytest.mark.parametrize("kind", [*KINDS, "Supervisor"])
def test_an_actor_that_is_killed_comes_back_and_the_pods_go_on(
    demo: Any, kind: str, wait_until: Callable[..., None], tmp_path: Path
) -> None:
    before, containers = demo.components(), _containers(demo)
    pid = before[kind]["pid"] if kind in before else _supervisor_pid(demo)
    os.kill(pid, signal.SIGKILL)

    def is_back() -> bool:
        now = demo.components()
        back = now[kind]["pid"] != pid if kind in now else _supervisor_pid(demo) != pid
        return back and all(each["state"] == "running" for each in now.values())

    wait_until(is_back, 90, f"{kind} is back")
    assert _containers(demo) == containers
    manifest = tmp_path / "cm.yaml"
    content = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"after-{kind.lower()}"}}
    manifest.write_text(json.dumps(content))
    assert demo("apply", "-f", str(manifest)) == f"configmap/after-{kind.lower()} created\n"
    # The whole path works: a new pod is made, scheduled, started and ready.
    demo("delete", "pod", next(iter(containers)), "-n", "demo")
    demo("rollout", "status", "deployment/web", "-n", "demo", "--timeout", "60s")
    wait_until(lambda: len(_containers(demo)) == 3, 30, "three pods")
    assert _fetch(demo).startswith("Hello from kube_actors")


def _supervisor_pid(kactl: Any) -> int:
    program = (
        "print(ray.get(ray.get_actor('supervisor@master-1', namespace='kube-actors').health.remote(), timeout=30))\n"
    )
    return int(_ray(kactl, program).splitlines()[-1])


def test_a_node_whose_machine_has_left_ray_is_removed(
    demo: Any, wait_until: Callable[..., None], tmp_path: Path
) -> None:
    (here,) = json.loads(demo("get", "nodes", "-o", "json"))["items"]
    assert here["metadata"]["annotations"][RAY_HOST]
    ghost = {"name": "ghost", "annotations": {RAY_HOST: "192.0.2.7"}}
    (tmp_path / "node.json").write_text(json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": ghost}))
    demo("apply", "-f", str(tmp_path / "node.json"))
    wait_until(lambda: demo("get", "nodes", "-o", "name").split() == [f"node/{here['metadata']['name']}"], 60)


def test_an_actor_that_died_for_good_is_made_again(demo: Any, wait_until: Callable[..., None]) -> None:
    before = demo.components()["Scheduler"]["pid"]
    _ray(demo, "ray.kill(ray.get_actor('scheduler@master-1', namespace='kube-actors'), no_restart=True)\n")
    wait_until(lambda: demo.components()["Scheduler"]["pid"] not in (0, before), 60, "a new scheduler")
    wait_until(lambda: demo.components()["Scheduler"]["state"] == "running", 60, "the scheduler runs")


def test_pods_outlive_ray_and_the_next_up_goes_on_with_them(running: Any, demo: Any) -> None:
    containers, leader = _containers(demo), running.record()["ray"]["leader"]["pid"]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _session(entry) == leader:
            os.kill(int(entry.name), signal.SIGKILL)
    running("up", "-f", str(running.config))
    assert _containers(demo) == containers


def _session(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[3])
    except OSError:
        return 0


def test_down_leaves_nothing_and_objects_are_there_again(running: Any, demo: Any) -> None:
    uid = demo("get", "deployment", "web", "-n", "demo", "-o", "jsonpath={.metadata.uid}")
    temp_dir = Path(running.record()["ray"]["temp_dir"])
    assert len(running.processes()) > 8
    assert running("down") == "Cluster default is down\n"
    assert running.processes() == []
    assert not temp_dir.exists()
    assert running.record() == {}
    code, _, err = running.run("get", "pods")
    assert (code, err) == (1, "no cluster is running here; start one with 'kactl up'\n")
    running("up", "-f", str(running.config))
    assert running("get", "deployment", "web", "-n", "demo", "-o", "jsonpath={.metadata.uid}") == uid
    running("rollout", "status", "deployment/web", "-n", "demo", "--timeout", "90s")
    running("down", "--purge")
    assert running.processes() == []
    assert not (running.home / "default").exists()


@pytest.mark.parametrize("begun", ["ray.log", "store@master-1.log"])
def test_an_up_that_is_killed_half_way_is_cleared_by_the_next(
    kactl: Any, begun: str, wait_until: Callable[..., None]
) -> None:
    process = kactl.start("up", "-f", str(kactl.config))
    # Ray, then the first actor: whichever has begun, seconds are missing until all is up.
    wait_until((kactl.home / "default" / "logs" / begun).exists)
    process.kill()
    process.communicate()
    code, _, err = kactl.run("get", "pods")
    assert code == 1
    assert err.count("\n") == 1
    kactl("up", "-f", str(kactl.config))
    assert {each["state"] for each in kactl.components().values()} == {"running"}
    temp_dirs = [path for path in kactl.processes() if "--temp-dir" in path]
    assert len(temp_dirs) <= 1
    kactl("down")
    assert kactl.processes() == []


def test_an_up_that_is_interrupted_cleans_up_itself(kactl: Any, wait_until: Callable[..., None]) -> None:
    process = kactl.start("up", "-f", str(kactl.config))
    wait_until((kactl.home / "default" / "logs" / "store@master-1.log").exists)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in err
    assert kactl.processes() == []
    assert kactl.record() == {}


def test_a_port_in_use_is_one_line_and_leaves_nothing(kactl: Any) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = kactl.run("up", "-f", str(kactl.config), "--api-port", str(port))
    assert (code, out) == (1, "")
    line = f"error: port {port} of 127.0.0.1 is in use; end what listens there or choose another (apiServer.port)\n"
    assert err == line
    assert kactl.record() == {}
    assert kactl.processes() == []
