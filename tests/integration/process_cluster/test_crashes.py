"""Clusters of one machine side by side, and what is left of one that was killed."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from tests.e2e.docker_cluster.cluster import Space
from tests.integration.process_cluster.cluster import NOBODY, ProcessCluster, command_lines
from tests.integration.process_cluster.conftest import running
from tests.kactl_cluster import until


def pod(name: str, script: str = "exec sleep 1000") -> Any:
    container = {"name": "c", "image": "host", "command": ["sh", "-c", script]}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def test_two_clusters_have_addresses_of_their_own() -> None:
    with running(ProcessCluster(name="one")) as one, running(ProcessCluster(name="two")) as two:
        hosts, addresses = set(), set()
        for cluster in (one, two):
            space = Space(cluster, "default")  # type: ignore[arg-type]
            space.create(pod("p"))
            space.wait("p")
            addresses.add(space.pod("p")["status"]["podIP"])
            hosts.add(space.get("service", "kubernetes")["spec"]["clusterIP"])
        assert len(hosts) == len(addresses) == 2
        # Each answers at its own: the token of one is none of the other.
        script = (
            "d=/var/run/secrets/kubernetes.io/serviceaccount; "
            'python3 -c "import ssl,sys,urllib.request as u; '
            "r=u.Request('https://'+sys.argv[1]+'/version'); "
            'print(u.urlopen(r,context=ssl.create_default_context(cafile=sys.argv[2])).status)" '
            "$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT $d/ca.crt"
        )
        if os.geteuid() == 0:
            for cluster in (one, two):
                space = Space(cluster, "default")  # type: ignore[arg-type]
                assert until(lambda space=space: space.sh("p", script)) == "200"  # type: ignore[misc]


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_down_ends_the_pods_of_a_cluster_that_was_killed(user: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("becomes another user, which only root can")
    cluster = ProcessCluster(name="killed", uid=NOBODY if user == "nobody" else None)
    try:
        cluster.start()
        space = Space(cluster, "default")  # type: ignore[arg-type]
        # A stubborn one, with a child that leaves its group.
        space.create(pod("p", "trap '' TERM; setsid sleep 1000 & while :; do sleep 1; done"))
        space.wait("p")
        assert cluster.processes()
        cluster.kill()
        assert [line for line in cluster.processes() if "shim" in line], "pods survive the agent"
        done = cluster.kactl("down", "--cluster", "killed")
        assert done.returncode == 0, done.stderr
        until(lambda: not cluster.processes(), f"all has ended: {cluster.processes()}", 20)
        assert cluster.cgroups() == []
    finally:
        cluster.close()


def test_pods_and_their_host_ports_go_on_after_a_crash_and_sessions_do_not() -> None:
    with running(ProcessCluster(name="again")) as cluster, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        space = Space(cluster, "default")  # type: ignore[arg-type]
        web = pod("p")
        web["spec"]["containers"][0] |= {
            "command": ["python3", "-m", "http.server", "8080", "--bind", "$(POD_IP)"],
            "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            "ports": [{"containerPort": 8080, "hostPort": port}],
        }
        space.create(web)
        space.wait("p")
        before = space.container("p")["containerID"]
        mark = f"sleep 98{os.getpid()}"
        with cluster.popen("kubectl", "exec", "p", "--", *mark.split()):
            until(lambda: [line for line in command_lines() if line.strip() == mark], "the session runs")
            cluster.kill()
        until(lambda: not [line for line in command_lines() if line.strip() == mark], "the session ends")
        cluster.start()
        until(lambda: space.container("p")["containerID"] == before and space.container("p")["restartCount"] == 0)

        def answers() -> bool:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                    connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    return b"200 OK" in connection.recv(100)
            except OSError:
                return False

        until(answers, "the host port leads to the pod again")


def test_pods_of_a_cluster_in_memory_end_with_it() -> None:
    cluster = ProcessCluster(name="memory", durable=False)
    try:
        cluster.start()
        space = Space(cluster, "default")  # type: ignore[arg-type]
        space.create(pod("p", "trap '' TERM; setsid sleep 1000 & while :; do sleep 1; done"))
        space.wait("p")
        cluster.kill()
        until(lambda: not cluster.processes(), f"all has ended: {cluster.processes()}", 30)
    finally:
        cluster.kactl("down", "--cluster", "memory")
        cluster.close()
