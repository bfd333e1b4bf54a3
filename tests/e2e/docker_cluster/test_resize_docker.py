"""Pods resized in place through kubectl: what the control groups say inside, and what the API tells of it."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.docker_cluster.cluster import DockerCluster, Space, pod
from tests.kactl_cluster import until

MI = 1 << 20
# What a container sees of its own limits, whichever version of control groups the machine has.
READ = """
cd /sys/fs/cgroup
if [ -f cgroup.controllers ]; then echo "$(cat cpu.max) $(cat cpu.weight) $(cat memory.max)"
else cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpu/cpu.shares memory/memory.limit_in_bytes
fi
"""
V2 = "[ -f /sys/fs/cgroup/cgroup.controllers ] && echo yes || echo no"


def resources(cpu: str, memory: str, limited: bool = True) -> Any:
    amounts = {"cpu": cpu, "memory": memory}
    return {"requests": amounts} | ({"limits": amounts} if limited else {})


def limits_seen(space: Space, name: str, container: str = "c") -> tuple[str, str, str]:
    """CPU quota, CPU shares or weight, memory."""
    quota, _, shares, memory = space.sh(name, READ, container).split()
    return quota, shares, memory


def limits_of(space: Space, name: str, shares: int, quota: int, memory: int) -> tuple[str, str, str]:
    if space.sh(name, V2) == "no":
        return str(quota), str(shares), str(memory)
    return str(quota), str(1 + (shares - 2) * 9999 // 262142), str(memory)


def resize(space: Space, name: str, **containers: Any) -> None:
    listed = [{"name": container, "resources": wanted} for container, wanted in containers.items()]
    patch = json.dumps({"spec": {"containers": listed}})
    space.kubectl("patch", "pod", name, "--subresource", "resize", "--patch", patch)


def applied(space: Space, name: str, wanted: Any, container: str = "c") -> Any:
    """The container's status, when it has what is wanted and nothing is under way."""

    def look() -> Any:
        found = space.container(name, container)
        same = found.get("resources") == wanted and found.get("allocatedResources") == wanted["requests"]
        return found if same and not condition(space, name, "PodResizeInProgress") else None

    return until(look, f"{name} has {wanted}")


def condition(space: Space, name: str, kind: str) -> Any:
    conditions = space.pod(name)["status"].get("conditions") or ()
    return next((each for each in conditions if each["type"] == kind), None)


def test_cpu_and_memory_go_up_and_down_and_back_while_the_container_runs_on(space: Space) -> None:
    small, large = resources("20m", "35Mi"), resources("600m", "100Mi")
    space.create(pod("p", resources=small))
    space.wait("p")
    first = applied(space, "p", small)
    assert limits_seen(space, "p") == limits_of(space, "p", 20, 2_000, 35 * MI)
    for wanted, shares, quota, memory in ((large, 614, 60_000, 100), (small, 20, 2_000, 35)):
        resize(space, "p", c=wanted)
        now = applied(space, "p", wanted)
        assert limits_seen(space, "p") == limits_of(space, "p", shares, quota, memory * MI)
        assert now["restartCount"] == 0
        assert now["containerID"] == first["containerID"]
    status = space.pod("p")["status"]
    assert status["observedGeneration"] == 3
    assert status["qosClass"] == "Guaranteed"
    assert condition(space, "p", "PodResizePending") is None
    until(lambda: len(space.events("p", "ResizeCompleted")) == 2)
    started = json.loads(space.events("p", "ResizeStarted")[0].removeprefix("Pod resize started: "))
    assert started == {"containers": [{"name": "c", "resources": large}], "generation": 2}


def test_requests_alone_and_the_tiniest_amounts(space: Space) -> None:
    body = pod("p", resources=resources("2m", "10Mi", limited=False))
    # One that asks for nothing is in nobody's way.
    body["spec"]["containers"].append(pod("p")["spec"]["containers"][0] | {"name": "bare"})
    space.create(body)
    space.wait("p")
    before = limits_seen(space, "p")
    resize(space, "p", c=resources("1m", "10Mi", limited=False))
    found = applied(space, "p", resources("1m", "10Mi", limited=False))
    assert limits_seen(space, "p") == before
    # A limit may be added, as long as the class stays.
    grown = {"requests": {"cpu": "1m", "memory": "10Mi"}, "limits": {"cpu": "300m", "memory": "64Mi"}}
    resize(space, "p", c=grown)
    assert applied(space, "p", grown)["containerID"] == found["containerID"]
    assert limits_seen(space, "p") == limits_of(space, "p", 2, 30_000, 64 * MI)


def test_memory_whose_policy_says_so_restarts_the_container_once(space: Space) -> None:
    policy = [
        {"resourceName": "cpu", "restartPolicy": "NotRequired"},
        {"resourceName": "memory", "restartPolicy": "RestartContainer"},
    ]
    body = pod("p", resources=resources("100m", "64Mi"), resizePolicy=policy)
    body["spec"]["containers"].append(body["spec"]["containers"][0] | {"name": "other"})
    space.create(body)
    space.wait("p")
    resize(space, "p", c=resources("200m", "64Mi"))
    assert applied(space, "p", resources("200m", "64Mi"))["restartCount"] == 0
    resize(space, "p", c=resources("200m", "80Mi"))
    until(lambda: space.container("p")["restartCount"] == 1)
    space.wait("p")
    assert applied(space, "p", resources("200m", "80Mi"))["restartCount"] == 1
    assert limits_seen(space, "p") == limits_of(space, "p", 204, 20_000, 80 * MI)
    assert space.container("p", "other")["restartCount"] == 0
    assert "Container c resize requires restart" in space.events("p", "Killing")


def test_several_containers_and_a_sidecar_at_once(space: Space) -> None:
    body = pod("p", resources=resources("100m", "64Mi"))
    shell = body["spec"]["containers"][0]
    body["spec"]["containers"].append(shell | {"name": "d"})
    body["spec"]["initContainers"] = [shell | {"name": "side", "restartPolicy": "Always"}]
    space.create(body)
    space.wait("p")
    patch = {
        "containers": [
            {"name": "c", "resources": resources("50m", "40Mi")},
            {"name": "d", "resources": resources("150m", "90Mi")},
        ],
        "initContainers": [{"name": "side", "resources": resources("70m", "50Mi")}],
    }
    space.kubectl("patch", "pod", "p", "--subresource", "resize", "--patch", json.dumps({"spec": patch}))
    for name, shares, quota, memory in (("c", 51, 5_000, 40), ("d", 153, 15_000, 90), ("side", 71, 7_000, 50)):
        wanted = resources(f"{quota // 100}m", f"{memory}Mi")
        assert applied(space, "p", wanted, name)["restartCount"] == 0
        assert limits_seen(space, "p", name) == limits_of(space, "p", shares, quota, memory * MI)


def test_what_does_not_fit_waits_or_is_told_to_be_impossible(space: Space) -> None:
    (node,) = json.loads(space.cluster.kubectl("get", "nodes", "-o", "json"))["items"]
    cores = int(node["status"]["allocatable"]["cpu"])
    millis = cores * 1000
    small = resources("100m", "32Mi")
    space.create(pod("p", resources=small), pod("q", resources=resources(f"{millis - 300}m", "32Mi")))
    space.wait("p")
    space.wait("q")
    resize(space, "p", c=resources("1000", "32Mi"))
    never = until(lambda: condition(space, "p", "PodResizePending"))
    assert (never["reason"], never["observedGeneration"]) == ("Infeasible", 2)
    assert never["message"] == f"Node didn't have enough capacity: cpu, requested: 1000000, capacity: {millis}"
    assert space.container("p")["allocatedResources"] == small["requests"]
    # What can never be had takes nothing from others.
    space.create(pod("between", resources=resources("50m", "32Mi")))
    space.wait("between")

    resize(space, "p", c=resources("500m", "40Mi"))
    until(lambda: (condition(space, "p", "PodResizePending") or {}).get("reason") == "Deferred")
    later = condition(space, "p", "PodResizePending")
    used = millis - 300 + 50
    text = f"Node didn't have enough resource: cpu, requested: 500, used: {used}, capacity: {millis}"
    assert later["message"] == text
    assert limits_seen(space, "p") == limits_of(space, "p", 102, 10_000, 32 * MI)
    shown = space.cluster.kubectl("describe", "node", node["metadata"]["name"])
    assert f"{space.name}" in shown
    space.kubectl("delete", "pod", "q", "--wait=false")
    assert applied(space, "p", resources("500m", "40Mi"))["restartCount"] == 0
    assert condition(space, "p", "PodResizePending") is None
    assert limits_seen(space, "p") == limits_of(space, "p", 512, 50_000, 40 * MI)
    until(lambda: space.events("p", "ResizeInfeasible") and space.events("p", "ResizeDeferred"))


def test_memory_in_use_is_not_taken_away(space: Space) -> None:
    # The loop keeps the shell, and what it holds.
    fill = "x=$(head -c 40000000 /dev/zero | tr '\\0' x); touch /full; while :; do sleep 1; done"
    space.create(pod("p", fill, resources=resources("1", "120Mi")))
    space.wait("p")
    until(lambda: space.sh("p", "ls /full"))
    resize(space, "p", c=resources("1", "20Mi"))
    until(lambda: (condition(space, "p", "PodResizeInProgress") or {}).get("reason") == "Error")
    text = condition(space, "p", "PodResizeInProgress")["message"]
    assert text.startswith(
        "cannot decrease memory limits: [attempting to set pod memory limit (20971520) below current"
    )
    assert 'attempting to set container "c" memory limit (20971520) below current usage' in text
    assert space.container("p")["resources"]["limits"]["memory"] == "120Mi"
    resize(space, "p", c=resources("1", "110Mi"))
    assert applied(space, "p", resources("1", "110Mi"))["restartCount"] == 0
    assert limits_seen(space, "p")[2] == str(110 * MI)


def test_the_class_may_not_change_and_the_node_shows_what_is_allocated(space: Space, cluster: DockerCluster) -> None:
    space.create(pod("p", resources=resources("150m", "33Mi")))
    space.wait("p")
    patch = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "100m"}}}]}}
    done = space.run("patch", "pod", "p", "--subresource", "resize", "--patch", json.dumps(patch))
    assert "Pod QOS Class may not change as a result of resizing" in done.stderr
    resize(space, "p", c=resources("250m", "44Mi"))
    applied(space, "p", resources("250m", "44Mi"))
    shown = cluster.kubectl("describe", "nodes")
    line = next(line for line in shown.splitlines() if line.split()[:2] == [space.name, "p"])
    assert "250m" in line
    assert "44Mi" in line
