"""What else kubectl does with pods that run, and a client in a pod."""

from __future__ import annotations

import json
import os
import sys

from tests.integration.streams.conftest import Running, pod
from tests.integration.streams.test_commands import wait_until

# The official client finds the server and its token where every pod has them.
IN_CLUSTER = """
import time
from kubernetes import client, config
config.load_incluster_config()
api = client.VersionApi()
print("server", api.get_code().git_version, flush=True)
try:
    client.CoreV1Api().list_namespaced_secret("default")
except client.ApiException as error:
    print("refused", error.status, flush=True)
time.sleep(1000)
"""


def test_a_client_in_a_pod_finds_the_server_and_is_who_its_service_account_is(running: Running) -> None:
    running.run(pod("inside", command=[sys.executable, "-c", IN_CLUSTER]))
    # The client takes its time to be imported on a machine that has much to do.
    wait_until(lambda: "refused" in running.kubectl("logs", "inside"), seconds=90)
    assert running.kubectl("logs", "inside") == "server v1.36.0\nrefused 403\n"


def test_debug_puts_a_container_beside_the_others(running: Running) -> None:
    running.run(pod("debugged", command=["sh", "-c", "sleep 1000"]))
    words = ("kubectl", "debug", "-it", "debugged", "--image=host", "--profile=general", "--container=dbg", "--", "sh")
    with running.terminal(*words) as terminal:
        terminal.type("\n")
        terminal.until("$ " if os.geteuid() else "# ")
        terminal.type("echo $((6 * 7))\n")
        terminal.until("42")
        terminal.type("exit 0\n")
        terminal.wait()
    path = "jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.exitCode}"
    wait_until(lambda: running.kubectl("get", "pod", "debugged", "-o", path) == "0")


def test_top_shows_what_nodes_and_pods_use(running: Running) -> None:
    head, *rows = running.kubectl("top", "pods").splitlines()
    assert head.split() == ["NAME", "CPU(cores)", "MEMORY(bytes)"]
    used = {row.split()[0]: row.split()[1:] for row in rows}
    assert {"web", "shell", "echo"} <= used.keys()
    assert used["web"][0].endswith("m")
    assert int(used["web"][1].removesuffix("Mi")) > 0
    assert running.kubectl("top", "pods", "-l", "app=web", "--no-headers").split()[0] == "web"
    assert "web" in running.kubectl("top", "pod", "web", "--containers")
    node = running.kubectl("top", "nodes", "--no-headers").split()
    assert node[0] == "node-1"
    assert running.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/nope", code=1)


def test_logs_are_followed_to_their_end(running: Running) -> None:
    talker = pod("talker", command=["sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.2; done"])
    talker["spec"]["restartPolicy"] = "Never"
    running.kubectl("create", "-f", "-", stdin=json.dumps(talker).encode())
    running.kubectl("wait", "pod/talker", "--for=jsonpath={.status.containerStatuses[0].started}", "--timeout=20s")
    assert running.kubectl("logs", "-f", "talker") == "line 1\nline 2\nline 3\n"
    assert running.kubectl("logs", "talker", "--tail=1") == "line 3\n"


def test_objects_are_compared_edited_and_waited_for(running: Running) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "edited"}, "data": {"key": "old"}}
    running.kubectl("apply", "-f", "-", stdin=json.dumps(manifest).encode())
    changed = json.dumps(manifest).replace("old", "new").encode()
    with running.popen("kubectl", "diff", "-f", "-") as process:
        output, _ = process.communicate(changed, timeout=60)
    assert process.returncode == 1
    assert b"-  key: old\n+  key: new" in output
    running.kubectl("edit", "configmap", "edited", KUBE_EDITOR="sed -i s/old/edited/")
    assert running.kubectl("get", "cm", "edited", "-o", "jsonpath={.data.key}") == "edited"
    running.kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=20s")
    running.kubectl("delete", "cm", "edited")
    running.kubectl("wait", "cm/edited", "--for=delete", "--timeout=20s")


def test_what_is_served_and_what_is_allowed_is_told(running: Running) -> None:
    names = running.kubectl("api-resources", "-o", "name").split()
    assert {"pods", "deployments.apps", "nodes.metrics.k8s.io"} <= set(names)
    assert "pod/web" in running.kubectl("get", "all").split()
    assert running.kubectl("auth", "can-i", "create", "pods/exec") == "yes\n"
    with running.popen("kubectl", "auth", "can-i", "create", "pods/exec", "--as=nobody") as process:
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, b"no\n")
