"""The Node through kubectl: what it has and reserves, cordon and drain, deletion, statistics, static pods."""

from __future__ import annotations

import json
from typing import Any

from kube_actors.api.quantity import to_int
from tests.e2e.docker_cluster.cluster import Space
from tests.integration.process_cluster.cluster import ProcessCluster
from tests.integration.process_cluster.conftest import running
from tests.kactl_cluster import until

SLEEP = ["sleep", "1000"]


def pod(name: str, labels: Any = None, **spec: Any) -> Any:
    container = {"name": "c", "image": "host", "command": SLEEP} | spec.pop("container", {})
    metadata = {"name": name, "labels": labels or {}}
    base = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": base | spec}


def workload(kind: str, name: str, **spec: Any) -> Any:
    labels = {"app": name}
    made = pod(name, labels)
    template = {"metadata": {"labels": labels}, "spec": made["spec"]}
    body = {"selector": {"matchLabels": labels}, "template": template} | spec
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": body}


def node(cluster: ProcessCluster) -> Any:
    return json.loads(cluster.kubectl("get", "node", "node-1", "-o", "json"))


def test_a_drain_evicts_all_but_daemons_and_heeds_disruption_budgets(cluster: ProcessCluster, space: Space) -> None:
    budget = {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}}
    space.create(
        workload("Deployment", "free", replicas=1),
        workload("Deployment", "guarded", replicas=1),
        workload("DaemonSet", "daemon"),
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "guarded"},
            "spec": budget,
        },
    )
    for name in ("free", "guarded"):
        space.kubectl("wait", "--for=condition=Available", f"deployment/{name}", "--timeout=60s")
    space.kubectl("rollout", "status", "daemonset/daemon", "--timeout=60s")
    until(lambda: space.kubectl("get", "pdb", "guarded", "-o", "jsonpath={.status.currentHealthy}") == "1")
    try:
        selected = "--pod-selector=app in (free,guarded,daemon)"
        refused = cluster.run("kubectl", "drain", "node-1", selected, "--timeout=8s")
        assert refused.returncode != 0
        assert "cannot delete DaemonSet-managed Pods" in refused.stderr
        refused = cluster.run("kubectl", "drain", "node-1", selected, "--ignore-daemonsets", "--timeout=8s")
        assert refused.returncode != 0
        assert "Cannot evict pod as it would violate the pod's disruption budget" in refused.stderr
        assert "SchedulingDisabled" in cluster.kubectl("get", "node", "node-1")
        space.kubectl("delete", "pdb", "guarded")
        assert "drained" in cluster.kubectl("drain", "node-1", selected, "--ignore-daemonsets", "--timeout=60s")
        pods = json.loads(space.kubectl("get", "pods", "-o", "json"))["items"]
        running = [each["metadata"]["labels"]["app"] for each in pods if each["status"]["phase"] == "Running"]
        assert running == ["daemon"]
        assert all(
            each["status"]["phase"] == "Pending" for each in pods if each["metadata"]["labels"]["app"] != "daemon"
        )
    finally:
        cluster.kubectl("uncordon", "node-1")
    space.kubectl("wait", "--for=condition=Available", "deployment/guarded", "--timeout=60s")


def test_a_label_is_heeded_at_once(cluster: ProcessCluster, space: Space) -> None:
    cluster.kubectl("label", "node", "node-1", "disk=fast")
    try:
        space.create(
            pod("picky", nodeSelector={"disk": "fast"}), pod("wrong", nodeSelector={"disk": "slow"}, nodeName="node-1")
        )
        space.wait("picky")
        wrong = space.phase("wrong", "Failed")["status"]
        assert wrong["reason"] == "NodeAffinity"
        assert wrong["message"] == (
            "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
        )
    finally:
        cluster.kubectl("label", "node", "node-1", "disk-")


def test_a_resource_that_somebody_gave_the_node_is_counted(cluster: ProcessCluster, space: Space) -> None:
    dongles = json.dumps([{"op": "add", "path": "/status/capacity/example.com~1dongle", "value": "2"}])
    cluster.kubectl("patch", "node", "node-1", "--subresource=status", "--type=json", "-p", dongles)
    until(lambda: node(cluster)["status"]["allocatable"].get("example.com/dongle") == "2")
    wants = {"resources": {"limits": {"example.com/dongle": 2}}}
    space.create(pod("first", container=wants))
    space.wait("first")
    space.create(pod("second", container=wants, nodeName="node-1"))
    second = space.phase("second", "Failed")["status"]
    assert second["reason"] == "OutOfexample.com/dongle"
    text = "Node didn't have enough resource: example.com/dongle, requested: 2, used: 2, capacity: 2"
    assert text in second["message"]
    gone = json.dumps([{"op": "remove", "path": "/status/capacity/example.com~1dongle"}])
    cluster.kubectl("patch", "node", "node-1", "--subresource=status", "--type=json", "-p", gone)


def test_statistics_are_a_kubelets(cluster: ProcessCluster, space: Space) -> None:
    space.create(pod("busy", container={"command": ["sh", "-c", "while :; do :; done"]}))
    space.wait("busy")
    base = "/api/v1/nodes/node-1/proxy"

    def summary() -> Any:
        return json.loads(cluster.kubectl("get", "--raw", f"{base}/stats/summary"))

    def cores() -> int:
        mine = [each for each in summary()["pods"] if each["podRef"]["name"] == "busy"]
        return int(mine[0]["containers"][0]["cpu"].get("usageNanoCores", 0)) if mine else 0

    until(lambda: cores() > 50_000_000, "the pod keeps a core busy")
    machine = summary()["node"]
    assert machine["nodeName"] == "node-1"
    assert machine["cpu"]["usageNanoCores"] >= 0
    assert machine["memory"]["availableBytes"] > 0
    assert machine["memory"]["workingSetBytes"] > 0
    assert machine["fs"]["capacityBytes"] > machine["fs"]["usedBytes"] > 0
    assert machine["rlimit"]["maxpid"] > machine["rlimit"]["curproc"] > 0
    metrics = cluster.kubectl("get", "--raw", f"{base}/metrics/resource")
    assert 'container_memory_working_set_bytes{container="c"' in metrics
    assert "node_cpu_usage_seconds_total " in metrics
    assert cluster.kubectl("get", "--raw", f"{base}/healthz") == "ok"
    names = [each["metadata"]["name"] for each in json.loads(cluster.kubectl("get", "--raw", f"{base}/pods"))["items"]]
    assert "busy" in names
    until(lambda: space.kubectl("top", "pod", "busy", "--no-headers").split()[1] not in ("0m", "1m"))
    assert cluster.kubectl("top", "node", "node-1", "--no-headers").split()[1] != "0m"


def test_a_deleted_node_registers_again_and_its_pods_go_on(cluster: ProcessCluster, space: Space) -> None:
    before = node(cluster)["metadata"]["uid"]
    manifest = pod("static", container={"command": ["sh", "-c", "echo $$; exec sleep 1000"]})
    manifests = cluster.node_folder / "manifests"
    manifests.mkdir(exist_ok=True)
    file = manifests / "static.yaml"
    file.write_text(json.dumps(manifest))
    default = Space(cluster, "default")  # type: ignore[arg-type]

    def ready() -> bool:
        of_first = "jsonpath={.status.containerStatuses[0].ready}"
        return default.kubectl("get", "pod", "static-node-1", "-o", of_first) == "true"

    try:
        until(ready, "the static pod runs")
        first = default.container("static-node-1")["containerID"]
        cluster.kubectl("delete", "node", "node-1")
        until(lambda: node(cluster)["metadata"]["uid"] != before, "it registers again")
        until(ready, "the mirror is made anew")
        assert default.container("static-node-1")["containerID"] == first, "the pod was not touched"
        default.kubectl("delete", "pod", "static-node-1", "--grace-period=0", "--force")
        until(ready, "so is one that was deleted")
        assert default.container("static-node-1")["containerID"] == first
        wide = cluster.kubectl("get", "node", "node-1", "-o", "wide", "--no-headers").split()
        assert wide[1] == "Ready"
        assert wide[5] == "127.0.0.1"
        assert wide[-1].startswith("process://")
    finally:
        file.unlink()
    until(lambda: not cluster.kubectl("get", "pods", "-o", "name").strip(), "the static pod goes with its file")


RESERVED = """
workers:
  labels: {zone: a}
  maxPods: 7
  reserved: {cpu: 100m, memory: 64Mi}
  evictionHard: {memory.available: 99%}
  evictionPressureTransitionPeriod: 30s
"""
UNDER_PRESSURE = "workers: {evictionHard: {nodefs.available: 100%, pid.available: 100%}}\n"


def news_of_nodes(cluster: ProcessCluster) -> set[str]:
    """Reasons of the events about nodes."""
    chosen = ("--field-selector", "involvedObject.kind=Node", "-o", "jsonpath={.items[*].reason}")
    return set(cluster.kubectl("get", "events", "-A", *chosen).split())


def test_reservations_and_pressure() -> None:
    with running(ProcessCluster(RESERVED, name="pressure")) as cluster:
        space = Space(cluster, "default")  # type: ignore[arg-type]
        status = node(cluster)["status"]
        capacity, allocatable = status["capacity"], status["allocatable"]
        assert capacity["pods"] == allocatable["pods"] == "7"
        assert allocatable["cpu"] == f"{int(capacity['cpu']) * 1000 - 100}m"
        whole = to_int(capacity["memory"])
        assert to_int(allocatable["memory"]) == whole - (64 << 20) - int(whole * 99 / 100)
        assert node(cluster)["metadata"]["labels"]["zone"] == "a"

        burstable = {"resources": {"requests": {"cpu": "10m"}}}
        stubborn = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]
        space.create(pod("hog", container=burstable | {"command": stubborn}, terminationGracePeriodSeconds=600))
        evicted = space.phase("hog", "Failed")["status"]
        assert evicted["reason"] == "Evicted"
        assert evicted["message"].startswith("The node was low on resource: memory. Threshold quantity: ")
        assert "Container c was using " in evicted["message"]
        assert "request is 0, has larger consumption of memory." in evicted["message"]
        assert [each["reason"] for each in evicted["conditions"] if each["type"] == "DisruptionTarget"] == [
            "TerminationByKubelet"
        ]
        until(lambda: "node.kubernetes.io/memory-pressure" in json.dumps(node(cluster)["spec"].get("taints", [])))
        conditions = {each["type"]: each for each in node(cluster)["status"]["conditions"]}
        assert conditions["MemoryPressure"]["reason"] == "KubeletHasInsufficientMemory"
        assert conditions["DiskPressure"]["status"] == conditions["PIDPressure"]["status"] == "False"
        free = {"NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"}
        until(lambda: free | {"NodeHasInsufficientMemory"} <= news_of_nodes(cluster), "events tell of the conditions")
        space.create(pod("modest", nodeName="node-1"))
        refused = space.phase("modest", "Failed")["status"]
        assert (refused["reason"], refused["message"]) == (
            "Evicted",
            "Pod was rejected: The node had condition: [MemoryPressure]. ",
        )
        space.kubectl("delete", "pods", "--all")

        cluster.stop()
        cluster.configure(UNDER_PRESSURE)
        cluster.start()

        def all_of_them() -> bool:
            taints = {each["key"].rpartition("/")[2] for each in node(cluster)["spec"].get("taints", [])}
            return taints == {"disk-pressure", "pid-pressure"}

        until(all_of_them, "the taints are those of the conditions that hold")
